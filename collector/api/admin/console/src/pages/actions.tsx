// The changes that an operator can make. A dialog explains each change before it is made.
import { change, type Parameters } from "../api";
import { plural } from "../format";
import { type Action, Mistake } from "../parts/dialog";
import { go, to } from "../router";
import type { ServiceDetail, ServiceInstance, ServiceName } from "../types";

function address(name: ServiceName, it: ServiceInstance): Parameters {
  const { namespace, group, service } = name;
  return { namespace, group, service, ip: it.ip, port: it.port, cluster: it.cluster };
}

function number(form: FormData, field: string, least: number, most: number): number {
  const text = String(form.get(field) ?? "").trim();
  const value = Number(text);
  if (text === "" || !Number.isFinite(value) || value < least || value > most) {
    throw new Mistake(`Enter a number from ${least} to ${most}.`);
  }
  return value;
}

/** `key=value` lines as entries. */
export function entries(text: string): Record<string, string> {
  const lines = text.split("\n").map((line) => line.trim());
  const pairs = lines.filter((line) => line !== "").map((line): [string, string] => {
    const cut = line.indexOf("=");
    if (cut <= 0) {
      throw new Mistake(`“${line}” is not of the form key=value.`);
    }
    return [line.slice(0, cut).trim(), line.slice(cut + 1).trim()];
  });
  return Object.fromEntries(pairs);
}

export function setOnline(name: ServiceName, it: ServiceInstance, enabled: boolean): Action {
  const place = `${it.ip}:${it.port}`;
  return {
    title: enabled ? `Take ${place} back online?` : `Take ${place} offline?`,
    explanation: enabled
      ? `Clients of ${name.service} receive the instance again at once.`
      : `Clients of ${name.service} no longer receive the instance; its own process is not stopped. This stays until you take it back, whatever the instance registers.`,
    verb: enabled ? "Take it back online" : "Take it offline",
    isDangerous: !enabled,
    run: () => change("POST", "api/services/instances/override", address(name, it), { enabled }),
  };
}

export function setWeight(name: ServiceName, it: ServiceInstance): Action {
  return {
    title: `Set the weight of ${it.ip}:${it.port}`,
    explanation: "Clients that balance by weight send the instance this share of the calls. 0 sends it none. It wins over what the instance registers.",
    verb: "Set the weight",
    fields: (
      <label>
        <span>Weight, 0 to 10000</span>
        <input name="weight" type="text" inputMode="decimal" value={String(it.weight)} required />
      </label>
    ),
    run: async (form) => change("POST", "api/services/instances/override", address(name, it), { weight: number(form, "weight", 0, 10_000) }),
  };
}

export function setMetadata(name: ServiceName, it: ServiceInstance): Action {
  const text = Object.entries(it.metadata).map(([key, value]) => `${key}=${value}`);
  return {
    title: `Set the metadata of ${it.ip}:${it.port}`,
    explanation: "Clients receive exactly these entries instead of those that the instance registers.",
    verb: "Set the metadata",
    fields: (
      <label>
        <span>One key=value on each line</span>
        <textarea name="metadata" rows={6} spellcheck={false} defaultValue={text.join("\n")} />
      </label>
    ),
    run: async (form) => change("POST", "api/services/instances/override", address(name, it), { metadata: entries(String(form.get("metadata") ?? "")) }),
  };
}

export function clearOverride(name: ServiceName, it: ServiceInstance): Action {
  return {
    title: `Remove the override of ${it.ip}:${it.port}?`,
    explanation: "Clients receive what the instance itself registers: its own state, weight and metadata.",
    verb: "Remove the override",
    run: () => change("DELETE", "api/services/instances/override", address(name, it)),
  };
}

export function deregister(name: ServiceName, it: ServiceInstance): Action {
  return {
    title: `Deregister ${it.ip}:${it.port}?`,
    explanation: it.ephemeral
      ? "The instance is removed from the service. A process that still runs may register it again; take it offline instead if it must stay out."
      : "The persistent instance is removed from the service and from the store.",
    verb: "Deregister it",
    isDangerous: true,
    run: async () => {
      await change("DELETE", "api/services/instances", { ...address(name, it), ephemeral: it.ephemeral });
      go(to(["services", name.namespace, name.group, name.service]));
    },
  };
}

export function setThreshold(service: ServiceDetail): Action {
  const { namespace, group, service: name } = service;
  return {
    title: `Set the protect threshold of ${name}`,
    explanation: "When the share of healthy instances is at or below it, clients are shown all instances as healthy, so that the rest is not overloaded. 0 turns it off. A service that has a threshold stays even without instances, until it is deleted.",
    verb: "Set the threshold",
    fields: (
      <label>
        <span>Share, 0 to 1</span>
        <input name="threshold" type="text" inputMode="decimal" value={String(service.protect_threshold)} required />
      </label>
    ),
    run: async (form) => change("POST", "api/services/threshold", { namespace, group, service: name }, { protect_threshold: number(form, "threshold", 0, 1) }),
  };
}

export function deleteService(service: ServiceDetail): Action {
  const { namespace, group, service: name, instances } = service;
  return {
    title: `Delete ${name}?`,
    explanation:
      instances === 0
        ? "The service, its settings and its overrides are removed."
        : `It has ${plural(instances, "instance")}: the collector refuses to delete it until they are deregistered.`,
    verb: "Delete it",
    isDangerous: true,
    run: async () => {
      await change("DELETE", "api/services", { namespace, group, service: name });
      go(to(["services"]));
    },
  };
}
