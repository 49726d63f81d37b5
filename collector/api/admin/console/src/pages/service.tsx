import { type Parameters } from "../api";
import { count, plural } from "../format";
import { Ago, Badge, Empty, Facts, Loaded } from "../parts/basic";
import { Actions } from "../parts/dialog";
import { Pager, Table } from "../parts/table";
import { useResource } from "../resource";
import { type Route, to } from "../router";
import { isOfServices, subject } from "../subject";
import type { LiveEvent } from "../live";
import type { Host, Page, ServiceDetail, ServiceInstance, ServiceName, Subscriber } from "../types";
import { deleteService, setThreshold } from "./actions";

const PER_PAGE = 100;

export function named(route: Route): ServiceName {
  const [, namespace = "", group = "", service = ""] = route.path;
  return { namespace, group, service };
}

function isOf(name: ServiceName) {
  return (event: LiveEvent) => isOfServices(event) && (subject(event).service?.service ?? name.service) === name.service;
}

export function stateOf(instance: { enabled: boolean; healthy: boolean }): string {
  return instance.enabled ? (instance.healthy ? "healthy" : "unhealthy") : "offline";
}

export function instanceLink(name: ServiceName, it: { ip: string; port: number; cluster: string; ephemeral: boolean }): string {
  return to(["services", name.namespace, name.group, name.service, it.cluster, it.ip, it.port, it.ephemeral ? "ephemeral" : "persistent"]);
}

function Tabs({ route, name }: { route: Route; name: ServiceName }) {
  const present = route.query.get("tab") ?? "";
  const tabs: [string, string][] = [
    ["", "Instances"],
    ["clients", "As clients see it"],
    ["subscribers", "Subscribers"],
  ];
  return (
    <nav class="tabs" aria-label="Views of the service">
      {tabs.map(([tab, title]) => (
        <a key={tab} href={to(["services", name.namespace, name.group, name.service], { tab })} aria-current={tab === present ? "page" : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}

function Instances({ name, route }: { name: ServiceName; route: Route }) {
  const read = useResource<Page<ServiceInstance>>("api/services/instances", { ...name, limit: PER_PAGE, cursor: route.query.get("after") ?? undefined }, isOf(name));
  return (
    <Loaded of={read}>
      {(page) =>
        page.items.length === 0 ? (
          <Empty title="This service has no instance." />
        ) : (
          <>
            <Table
              caption={`Instances of ${name.service}`}
              rows={page.items}
              id={(it) => instanceLink(name, it)}
              columns={[
                {
                  title: "Address",
                  cell: (it) => (
                    <a href={instanceLink(name, it)}>
                      {it.ip}:{it.port}
                    </a>
                  ),
                },
                { title: "State", cell: (it) => <Badge state={stateOf(it)} /> },
                { title: "Weight", number: true, cell: (it) => it.weight },
                { title: "Cluster", cell: (it) => it.cluster },
                { title: "Kind", wide: true, cell: (it) => (it.ephemeral ? "ephemeral" : "persistent") },
                { title: "Kept by", wide: true, cell: (it) => it.client ?? it.publisher },
                { title: "Last beat", wide: true, cell: (it) => <Beat of={it} /> },
                { title: "Operator", cell: (it) => (it.override === null ? <span class="none">nothing set</span> : <strong>override</strong>) },
              ]}
            />
            <Pager route={route} next={page.next} shown={page.items.length} what="instances" />
          </>
        )
      }
    </Loaded>
  );
}

/** The last beat of an instance. Before its first one `last_beat_at` is its registration. */
export function Beat({ of }: { of: ServiceInstance }) {
  if (of.last_beat_at === null) {
    return <span class="none">needs none</span>;
  }
  const ago = <Ago time={of.last_beat_at} />;
  return of.has_beaten ? ago : <>none since it was registered {ago}</>;
}

function AsClients({ name, route }: { name: ServiceDetail; route: Route }) {
  const { namespace, group, service } = name;
  const parameters: Parameters = { namespace, group, service, as: "client", limit: PER_PAGE, cursor: route.query.get("after") ?? undefined };
  const read = useResource<Page<Host>>("api/services/instances", parameters, isOf(name));
  return (
    <Loaded of={read}>
      {(page) => (
        <>
          <p class="note">
            The list that a 2.x or 3.x client receives, at revision {count(name.revision)}.{" "}
            {name.protected && <strong>So few instances are healthy that clients are shown all of them as healthy (protect threshold).</strong>}
          </p>
          {page.items.length === 0 ? (
            <Empty title="Clients receive an empty list." />
          ) : (
            <>
              <Table
                caption={`Instances of ${name.service} as clients see them`}
                rows={page.items}
                id={(it) => instanceLink(name, it)}
                columns={[
                  {
                    title: "Address",
                    cell: (it) => (
                      <a href={instanceLink(name, it)}>
                        {it.ip}:{it.port}
                      </a>
                    ),
                  },
                  { title: "Shown as", cell: (it) => <Badge state={it.healthy ? "healthy" : "unhealthy"} /> },
                  { title: "Is", cell: (it) => <Badge state={it.truly_healthy ? "healthy" : "unhealthy"} /> },
                  { title: "Weight", number: true, cell: (it) => it.weight },
                  { title: "Cluster", cell: (it) => it.cluster },
                  { title: "Metadata", wide: true, cell: (it) => plural(Object.keys(it.metadata).length, "entry", "entries") },
                ]}
              />
              <Pager route={route} next={page.next} shown={page.items.length} what="instances" />
            </>
          )}
        </>
      )}
    </Loaded>
  );
}

function Subscribers({ name }: { name: ServiceName }) {
  const read = useResource<Page<Subscriber>>("api/services/subscribers", { ...name, limit: 1000 }, () => false);
  return (
    <Loaded of={read}>
      {(page) =>
        page.items.length === 0 ? (
          <Empty title="No client subscribes to this service." />
        ) : (
          <>
            <Table
              caption={`Subscribers of ${name.service}`}
              rows={page.items}
              id={(it) => `${it.kind} ${it.client} ${it.clusters}`}
              columns={[
                { title: "Client", cell: (it) => it.client },
                { title: "Address", cell: (it) => it.address },
                { title: "Notified by", cell: (it) => ({ grpc: "push over gRPC", udp: "push over UDP", poll: "polls" })[it.kind] },
                { title: "Agent", wide: true, cell: (it) => it.agent || <span class="none">not reported</span> },
                { title: "Application", wide: true, cell: (it) => it.application || <span class="none">not reported</span> },
                { title: "Clusters", wide: true, cell: (it) => it.clusters || "all" },
              ]}
            />
            {page.next !== null && <p class="note">The first {count(page.items.length)} subscriptions are shown.</p>}
          </>
        )
      }
    </Loaded>
  );
}

export function ServicePage({ route }: { route: Route }) {
  const name = named(route);
  const read = useResource<ServiceDetail>("api/services/detail", { ...name }, isOf(name));
  const tab = route.query.get("tab");
  return (
    <Loaded of={read}>
      {(it) => (
        <>
          <p class="crumbs">
            <a href={to(["services"])}>Services</a> / {it.namespace} / {it.group}
          </p>
          <h1>{it.service}</h1>
          <Facts
            facts={[
              ["Instances", `${count(it.instances)}, ${count(it.healthy)} healthy`],
              ["Clusters", it.cluster_names.join(", ") || "none"],
              ["Protect threshold", it.protect_threshold],
              ["Protection", it.protected ? "active: clients are shown all instances as healthy" : "not active"],
              ["Kept without instances", it.explicit ? "yes, it was created as a service" : "no"],
              ...Object.entries(it.metadata).map(([key, value]): [string, string] => [`metadata: ${key}`, value]),
            ]}
          />
          <Actions
            changed={read.reload}
            actions={[
              ["Set the protect threshold …", () => setThreshold(it)],
              ["Delete the service …", () => deleteService(it)],
            ]}
          />
          <Tabs route={route} name={name} />
          {tab === "clients" ? <AsClients name={it} route={route} /> : tab === "subscribers" ? <Subscribers name={name} /> : <Instances name={name} route={route} />}
        </>
      )}
    </Loaded>
  );
}
