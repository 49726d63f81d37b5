// An event of the feed as a sentence, and where it leads.
import type { LiveEvent } from "./live";
import { to } from "./router";
import { subject } from "./subject";

const text = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "");

export function time(event: LiveEvent): string {
  return text(event.data.time) || text(event.data.at);
}

/** The word for a kind of event. */
export function kind(event: LiveEvent): string {
  const { name, data } = event;
  if (name === "changed") {
    return text(data.to) || "changed";
  }
  if (name === "service_instance") {
    return text(data.what).replaceAll("_", " ") || "service";
  }
  return (text(data.kind) || name).replaceAll("_", " ");
}

export function sentence(event: LiveEvent): string {
  const { name, data } = event;
  const words = text(data.text);
  if (words !== "") {
    return words;
  }
  const instance = `instance ${text(data.instance_id)}`;
  switch (name) {
    case "registered":
      return `New ${instance}.`;
    case "adopted":
      return `Adopted ${instance}: it holds an id that this collector had not assigned.`;
    case "stray":
      return `Refused a sign of life with the id of ${instance}: another process sent it.`;
    case "changed":
      return `${instance.replace(/^i/, "I")} went from ${text(data.from)} to ${text(data.to)}. Its last signal was ${text(data.last_signal).replaceAll("_", " ")}.`;
    case "service_instance":
      return `${text(data.ip)}:${text(data.port)} of ${text(data.service)}: ${text(data.what).replaceAll("_", " ")} (${text(data.publisher)}).`;
    case "operator":
      return `An operator at ${text(data.peer)}: ${text(data.action)} ${text(data.target)}.`;
    case "diverged":
      return `The ${text(data.about)} of this collector differs from another member's.`;
    case "agreed":
      return `The ${text(data.about)} of this collector agrees with the other members' again.`;
    case "inventory":
      return `Memory for the inventory is ${text(data.room)}.`;
    case "lagged":
      return `This page missed ${data.missed === null ? "some events" : `${text(data.missed)} events`}.`;
    default:
      return name;
  }
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
