// What an event is about.
import type { LiveEvent } from "./live";

export interface Subject {
  instance?: number;
  application?: string;
  service?: { namespace: string; group: string; service: string; cluster: string; ip: string; port: number; ephemeral: boolean };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

export function subject(event: LiveEvent): Subject {
  const of = record(event.data.subject);
  const { id: instance, application_id: application } = of;
  if (typeof of.service === "string") {
    const text = (name: string) => String(of[name] ?? "");
    const place = { cluster: text("cluster"), ip: text("ip"), port: Number(of.port ?? 0), ephemeral: of.ephemeral !== false };
    return { service: { namespace: text("namespace"), group: text("group"), service: of.service, ...place } };
  }
  return {
    ...(typeof instance === "number" ? { instance } : {}),
    ...(typeof application === "number" ? { application: String(application) } : {}),
  };
}

/** Whether events were missed, so that any data may be old. */
export function isGap(event: LiveEvent): boolean {
  return event.name === "lagged";
}

/** Whether an operator changed something, which may be about anything. */
export function isOperator(event: LiveEvent): boolean {
  return event.data.kind === "operator";
}

export function isOfInstances(event: LiveEvent): boolean {
  return subject(event).instance !== undefined || isGap(event) || isOperator(event);
}

export function isOfServices(event: LiveEvent): boolean {
  return subject(event).service !== undefined || isGap(event) || isOperator(event);
}

/** Whether the event is about the collectors. */
export function isOfMembers(event: LiveEvent): boolean {
  const { instance, service } = subject(event);
  return instance === undefined && service === undefined;
}
