// An event of the feed as a sentence, and where it leads.
import type { LiveEvent } from "./live";
import { to } from "./router";
import { isGap, subject } from "./subject";

const text = (value: unknown): string => (typeof value === "string" ? value : "");

export function time(event: LiveEvent): string {
  return text(event.data.time);
}

/** The word for a kind of event. */
export function kind(event: LiveEvent): string {
  return isGap(event) ? "missed" : text(event.data.kind).replaceAll("_", " ");
}

export function sentence(event: LiveEvent): string {
  if (isGap(event)) {
    const { missed } = event.data;
    return `This page missed ${typeof missed === "number" ? `${missed} events` : "some events"}.`;
  }
  return text(event.data.text);
}

/** The page of what the event is about. */
export function target(event: LiveEvent): string | undefined {
  const { instance, service } = subject(event);
  if (instance !== undefined) {
    return to(["instances", instance]);
  }
  if (service !== undefined) {
    const { namespace, group, service: name, cluster, ip, port, ephemeral } = service;
    return to(["services", namespace, group, name, cluster, ip, port, ephemeral ? "ephemeral" : "persistent"]);
  }
  return undefined;
}
