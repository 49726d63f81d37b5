// One instance of a Nacos service.
import { At, Badge, Empty, Facts, Loaded, Section } from "../parts/basic";
import { Actions } from "../parts/dialog";
import { Timeline } from "../parts/timeline";
import type { LiveEvent } from "../live";
import { useResource } from "../resource";
import { type Route, to } from "../router";
import { isGap, isOperator, subject } from "../subject";
import type { Page, ServiceInstance } from "../types";
import { clearOverride, deregister, setMetadata, setOnline, setWeight } from "./actions";
import { Beat, named, stateOf } from "./service";
import { serviceLink } from "./services";

function Metadata({ of, title }: { of: Record<string, string>; title: string }) {
  const entries = Object.entries(of);
  return (
    <Section title={title}>
      {entries.length === 0 ? <Empty title="None." /> : <Facts facts={entries} />}
    </Section>
  );
}

export function EndpointPage({ route }: { route: Route }) {
  const name = named(route);
  const { namespace, group, service } = name;
  const [, , , , cluster = "", ip = "", port = "", kind = ""] = route.path;
  const parameters = { ...name, cluster, ip, port, ephemeral: kind !== "persistent" };
  const concerns = (event: LiveEvent) => {
    const of = subject(event).service;
    return isOperator(event) || isGap(event) || (of?.service === service && of.ip === ip && String(of.port) === port);
  };
  const read = useResource<Page<ServiceInstance>>("api/services/instances", { ...parameters, limit: 1 }, concerns);
  return (
    <>
      <p class="crumbs">
        <a href={to(["services"])}>Services</a> / {namespace} / {group} / <a href={serviceLink(name)}>{service}</a>
      </p>
      <Loaded of={read}>
        {(page) => {
          const it = page.items[0];
          return it === undefined ? (
            <>
              <h1>
                {ip}:{port} <Badge state="gone" />
              </h1>
              <Empty title={`${service} has no such instance now.`}>
                <p>Its timeline says since when and why.</p>
              </Empty>
            </>
          ) : (
            <>
              <h1>
                {ip}:{port} <Badge state={stateOf(it)} />
              </h1>
              <Facts
                facts={[
                  ["Weight", it.weight === it.registered.weight ? it.weight : `${it.weight} (registered: ${it.registered.weight})`],
                  ["Cluster", it.cluster],
                  ["Kind", it.ephemeral ? "ephemeral: ends with its publisher" : "persistent: ends when it is deregistered"],
                  ["Kept by", it.client ?? it.publisher],
                  ["Last beat", <Beat of={it} />],
                  ["Registered as", it.registered.enabled ? "online" : "offline"],
                  ["Override", it.override === null ? "nothing set" : <>set <At time={it.override.set_at} /></>],
                ]}
              />
              <Actions
                changed={read.reload}
                actions={[
                  it.enabled ? ["Take offline …", () => setOnline(name, it, false)] : ["Take back online …", () => setOnline(name, it, true)],
                  ["Set weight …", () => setWeight(name, it)],
                  ["Set metadata …", () => setMetadata(name, it)],
                  ...(it.override === null ? [] : [["Remove the override …", () => clearOverride(name, it)] as [string, () => ReturnType<typeof clearOverride>]]),
                  ["Deregister …", () => deregister(name, it)],
                ]}
              />
              <Metadata of={it.metadata} title="Metadata that clients see" />
              {it.override?.metadata != null && <Metadata of={it.registered.metadata} title="Metadata that the instance registered" />}
            </>
          );
        }}
      </Loaded>
      <Section title="Timeline">
        <Timeline path="api/services/instances/timeline" parameters={{ ...name, ip, port, cluster }} concerns={concerns} />
      </Section>
    </>
  );
}
