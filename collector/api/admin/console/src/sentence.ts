// An event of the feed as a sentence, and where it leads.
import type { LiveEvent } from "./live";
import { to } from "./router";
import { subject } from "./subject";

const text = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "");

export function time(event: LiveEvent): string {
  return text(event.data.time);
}

/** The word for a kind of event. */
export function kind(event: LiveEvent): string {
  return (text(event.data.kind) || event.name).replaceAll("_", " ");
}

export function sentence(event: LiveEvent): string {
  const { name, data } = event;
  if (name === "lagged") {
    return `This page missed ${data.missed === null ? "some events" : `${text(data.missed)} events`}.`;
  }
  return text(data.text) || name;
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
