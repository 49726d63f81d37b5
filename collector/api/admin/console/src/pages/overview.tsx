import { Ago, Badge, Empty, Loaded, Section } from "../parts/basic";
import { EventList, useRecent } from "../parts/events";
import { Pager, Table } from "../parts/table";
import { Filters, TextFilter } from "../parts/filters";
import { Picture } from "../parts/picture";
import { count } from "../format";
import { useResource } from "../resource";
import { type Route, to } from "../router";
import { sentence, time } from "../sentence";
import { isOfInstances } from "../subject";
import { type Application, type Counts, type History, type Overview, type Page, type Series, STATES } from "../types";

const PER_PAGE = 50;
const TROUBLED = 10;
const never = () => false;
const NONE: Series = { up: [], silent: [], down: [], left: [] };

function total(counts: Counts): number {
  return STATES.reduce((sum, state) => sum + counts[state], 0);
}

/** The layers of a picture, the state that needs attention most at the bottom. */
export function layers(series: Series, present?: Counts) {
  return (["down", "silent", "left", "up"] as const).map((state) => ({
    name: state,
    values: present === undefined ? series[state] : [...series[state], present[state]],
  }));
}

function States({ counts, query }: { counts: Counts; query: Record<string, string> }) {
  return (
    <ul class="counts">
      {STATES.map((state) => (
        <li key={state}>
          <a href={to(["instances"], { ...query, state })} class={counts[state] === 0 ? "zero" : undefined}>
            <span class="number">{count(counts[state])}</span> <Badge state={state} />
          </a>
        </li>
      ))}
    </ul>
  );
}

function Applications({ page, history, caption }: { page: Page<Application>; history: History | undefined; caption: string }) {
  const link = (application: Application, state: keyof Counts) => {
    const n = application.instances[state];
    return n === 0 ? (
      <span class="zero">0</span>
    ) : (
      <a class={`count ${state}`} href={to(["applications", application.id], { state })} aria-label={`${count(n)} ${state} of ${application.label}`}>
        {count(n)}
      </a>
    );
  };
  return (
    <Table
      caption={caption}
      rows={page.items}
      id={(application) => application.id}
      columns={[
        { title: "Application", cell: (it) => <a href={to(["applications", it.id])}>{it.label}</a> },
        { title: "Up", number: true, cell: (it) => link(it, "up") },
        { title: "Silent", number: true, cell: (it) => link(it, "silent") },
        { title: "Down", number: true, cell: (it) => link(it, "down") },
        { title: "Left", number: true, cell: (it) => link(it, "left") },
        {
          title: "Last hour",
          wide: true,
          cell: (it) => {
            const series = history?.applications[it.id] ?? NONE;
            return (
              <Picture layers={layers(series, it.instances)} times={history?.times ?? []} slots={120} height={20} label={`Instances of ${it.label}`} />
            );
          },
        },
      ]}
    />
  );
}

function useHistoryOf(page: Page<Application> | undefined) {
  const ids = page?.items.map((application) => application.id).join(",");
  return useResource<History>(ids === undefined ? null : "api/history", { applications: ids }, never);
}

function Troubled() {
  const read = useResource<Page<Application>>("api/applications", { state: "silent,down", limit: TROUBLED }, isOfInstances);
  const history = useHistoryOf(read.data);
  return (
    <Section title="Needs attention" aside={<a href={to(["instances"], { state: "silent,down" })}>All silent and down instances</a>}>
      <Loaded of={read}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty title="No application has a silent or down instance." />
          ) : (
            <>
              <Applications page={page} history={history.data} caption="Applications with silent or down instances" />
              {page.next !== null && <p class="note">The first {TROUBLED} applications with silent or down instances are shown.</p>}
            </>
          )
        }
      </Loaded>
    </Section>
  );
}

function Head({ overview, history }: { overview: Overview; history: History | undefined }) {
  const { agents, catalog } = overview;
  const reasons = Object.entries(overview.reasons);
  return (
    <>
      {overview.status !== "ready" && (
        <div class="trouble" role="alert">
          <strong>This collector is {overview.status}.</strong>{" "}
          {reasons.map(([name, reason]) => `${name}: ${reason}`).join("; ") || "It gives no reason."}
        </div>
      )}
      <div class="panels">
        <div class="panel">
          <h2>Instances of agents</h2>
          <p class="large">
            {count(total(agents))} <a href={to(["instances"])}>instances</a>
          </p>
          <States counts={agents} query={{}} />
          {history !== undefined && (
            <Picture layers={layers(history.agents, agents)} times={history.times} slots={120} height={64} label="Instances of agents" axis />
          )}
        </div>
        <div class="panel">
          <h2>Nacos services</h2>
          {catalog === null ? (
            <Empty title="The Nacos faces are off.">
              <p>
                <code>SW_NACOS=default</code> turns them on.
              </p>
            </Empty>
          ) : (
            <>
              <p class="large">
                {count(catalog.services)} <a href={to(["services"])}>{catalog.services === 1 ? "service" : "services"}</a>
              </p>
              <ul class="counts">
                <li>
                  <span class="number">{count(catalog.healthy)}</span> <Badge state="healthy" />
                </li>
                <li>
                  <span class="number">{count(catalog.instances - catalog.healthy)}</span> <Badge state="unhealthy" />
                </li>
                <li>
                  <span class="number">{count(catalog.connections)}</span> {catalog.connections === 1 ? "connection" : "connections"}
                </li>
                <li>
                  <span class="number">{count(catalog.subscriptions)}</span> {catalog.subscriptions === 1 ? "subscription" : "subscriptions"}
                </li>
              </ul>
              {!catalog.complete && <p class="note">Lists are withheld: the instances of the last run are being restored.</p>}
              {history !== undefined && (
                <Picture
                  layers={[
                    { name: "unhealthy", values: [...history.services.unhealthy, catalog.instances - catalog.healthy] },
                    { name: "healthy", values: [...history.services.healthy, catalog.healthy] },
                  ]}
                  times={history.times}
                  slots={120}
                  height={64}
                  label="Instances of Nacos services"
                  axis
                />
              )}
            </>
          )}
        </div>
      </div>
    </>
  );
}

/** The newest event about many instances that fell silent together. */
function MassSilence() {
  const [event] = useRecent(1, (it) => it.data.kind === "mass_silence");
  return event === undefined ? null : (
    <div class="trouble" role="alert">
      <strong>{sentence(event)}</strong> <Ago time={time(event)} />
    </div>
  );
}

export function OverviewPage({ route }: { route: Route }) {
  const overview = useResource<Overview>("api/overview");
  const text = route.query.get("text") ?? undefined;
  const after = route.query.get("after") ?? undefined;
  const applications = useResource<Page<Application>>("api/applications", { text, limit: PER_PAGE, cursor: after }, isOfInstances);
  const history = useHistoryOf(applications.data);
  const events = useRecent(8);
  return (
    <>
      <h1 class="hidden">Overview</h1>
      <MassSilence />
      <Loaded of={overview}>{(data) => <Head overview={data} history={history.data} />}</Loaded>
      <Troubled />
      <Section title="Applications">
        <Filters>
          <TextFilter route={route} name="text" label="Name contains" placeholder="orders" />
        </Filters>
        <Loaded of={applications}>
          {(page) =>
            page.items.length === 0 ? (
              text === undefined ? (
                <Empty title="No agent has registered yet.">
                  <p>Point an agent at this collector; it appears here within seconds. The README says which two lines to change.</p>
                </Empty>
              ) : (
                <Empty title={`No application's name contains “${text}”.`} />
              )
            ) : (
              <>
                <Applications page={page} history={history.data} caption="Applications" />
                <Pager route={route} next={page.next} shown={page.items.length} what="applications" />
              </>
            )
          }
        </Loaded>
      </Section>
      <Section title="Recent changes" aside={<a href={to(["events"])}>All changes</a>}>
        <EventList events={events} />
      </Section>
    </>
  );
}

