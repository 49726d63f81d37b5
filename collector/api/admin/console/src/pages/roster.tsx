import { change } from "../api";
import { count, plural } from "../format";
import type { LiveEvent } from "../live";
import { Ago, Badge, Empty, Facts, Loaded, Section, At } from "../parts/basic";
import { Actions } from "../parts/dialog";
import { Filters, StateFilter, TextFilter } from "../parts/filters";
import { Picture } from "../parts/picture";
import { Pager, Table } from "../parts/table";
import { useResource } from "../resource";
import { type Route, to } from "../router";
import { isOfInstances, subject } from "../subject";
import { type Application, type History, type Instance, type Page, STATES } from "../types";
import { layers } from "./overview";

const PER_PAGE = 100;

function text(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(", ") : (value ?? "");
}

/** The host of an instance, or else its addresses; empty if its agent reports neither. */
export function host(instance: Instance): string {
  const { properties } = instance;
  return text(properties.host_name ?? properties.hostname ?? properties["Host Name"] ?? properties.ipv4 ?? properties.ipv4s);
}

export function Instances({ page, caption, application }: { page: Page<Instance>; caption: string; application: boolean }) {
  return (
    <Table
      caption={caption}
      rows={page.items}
      id={(instance) => instance.id}
      columns={[
        { title: "Instance", cell: (it) => <a href={to(["instances", it.id])}>{it.name ?? `instance ${it.id}`}</a> },
        ...(application
          ? [
              {
                title: "Application",
                cell: (it: Instance) => (
                  <a href={to(["applications", it.application_id ?? "unknown"])}>{it.application ?? (it.application_id === null ? "unknown" : it.application_id)}</a>
                ),
              },
            ]
          : []),
        { title: "State", cell: (it) => <Badge state={it.state} /> },
        { title: "For", cell: (it) => <Ago time={it.since} /> },
        { title: "Last seen", cell: (it) => <Ago time={it.last_seen_at} /> },
        { title: "Host", wide: true, cell: (it) => host(it) || <span class="none">not reported</span> },
        {
          title: "Agent",
          wide: true,
          cell: (it) => [it.language, it.agent_version ?? it.generation].filter((part) => part !== null).join(" ") || <span class="none">not reported</span>,
        },
      ]}
    />
  );
}

function List({ route, application }: { route: Route; application?: string }) {
  const query = (name: string) => route.query.get(name) ?? undefined;
  const filter = { state: query("state"), text: query("text"), host: query("host") };
  const path = application === undefined ? "api/instances" : `api/applications/${encodeURIComponent(application)}/instances`;
  const concerns = (event: LiveEvent) =>
    isOfInstances(event) && (application === undefined || subject(event).application === undefined || subject(event).application === application);
  const read = useResource<Page<Instance>>(path, { ...filter, limit: PER_PAGE, cursor: query("after") }, concerns);
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  return (
    <>
      <Filters>
        <TextFilter route={route} name="text" label="Name or address contains" placeholder="orders-1" />
        <TextFilter route={route} name="host" label="Host is" placeholder="web-1" />
        <StateFilter route={route} />
      </Filters>
      <Loaded of={read}>
        {(page) =>
          page.items.length === 0 ? (
            isFiltered ? (
              <Empty title="No instance matches these filters.">
                <p>
                  <a href={to(route.path)}>Show all instances</a>
                </p>
              </Empty>
            ) : (
              <Empty title="No instance is here.">
                <p>Instances that left or have been down for long are left out; choose their state to see them.</p>
              </Empty>
            )
          ) : (
            <>
              <Instances page={page} caption="Instances" application={application === undefined} />
              <Pager route={route} next={page.next} shown={page.items.length} what="instances" />
            </>
          )
        }
      </Loaded>
    </>
  );
}

export function RosterPage({ route }: { route: Route }) {
  return (
    <>
      <h1>Instances</h1>
      <List route={route} />
    </>
  );
}

export function ApplicationPage({ route }: { route: Route }) {
  const id = route.path[1] ?? "unknown";
  const read = useResource<Application>(`api/applications/${encodeURIComponent(id)}`, {}, isOfInstances);
  const history = useResource<History>("api/history", { applications: id === "unknown" ? "0" : id }, () => false);
  const series = history.data?.applications[read.data?.id ?? 0];
  return (
    <Loaded of={read}>
      {(application) => (
        <>
          <p class="crumbs">
            <a href={to([])}>Overview</a> / Application
          </p>
          <h1>{application.label}</h1>
          <Facts
            facts={[
              ["Id", application.id === 0 ? "none" : application.id],
              ["Registered", <At time={application.registered_at} />],
              ...STATES.map((state): [string, preact.ComponentChildren] => [state, count(application.instances[state])]),
            ]}
          />
          {series !== undefined && (
            <Picture layers={layers(series, application.instances)} times={history.data?.times ?? []} slots={120} height={48} label={`Instances of ${application.label}`} axis />
          )}
          <Actions
            changed={read.reload}
            actions={[["Forget instances that are down or left …", () => forgetAll(application)]]}
          />
          <Section title="Instances">
            <List route={route} application={id} />
          </Section>
        </>
      )}
    </Loaded>
  );
}

function forgetAll(application: Application) {
  const { down, left } = application.instances;
  return {
    title: `Forget ${plural(down + left, "instance")} of ${application.label}?`,
    explanation: `${count(down)} down and ${count(left)} left. They leave the counts and lists of all collectors that share the store. Their ids stay assigned, and an instance that reports again is back at once.`,
    verb: "Forget them",
    isDangerous: true,
    run: () => change("DELETE", "api/instances", { application: application.id, state: "down,left" }),
  };
}
