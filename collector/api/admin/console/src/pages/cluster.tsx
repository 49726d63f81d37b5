// The collectors, the lists that agents receive, the limits, and the feed.
import { figure, percent, plural } from "../format";
import { Ago, Badge, Empty, Loaded, Section } from "../parts/basic";
import { EventList, useRecent } from "../parts/events";
import { Table } from "../parts/table";
import { useResource } from "../resource";
import { type Route } from "../router";
import { isOfMembers } from "../subject";
import type { Gauge, Member, Naming, Page, Ready } from "../types";

function Reasons({ reasons }: { reasons: Record<string, string> }) {
  const entries = Object.entries(reasons);
  return entries.length === 0 ? null : (
    <ul>
      {entries.map(([name, reason]) => (
        <li key={name}>
          <strong>{name}</strong>: {reason}
        </li>
      ))}
    </ul>
  );
}

function Agreement() {
  const read = useResource<{ status: Ready["status"]; reasons: Ready["reasons"] }>("api/overview", {}, isOfMembers);
  return (
    <Section title="Agreement">
      <Loaded of={read}>
        {({ status, reasons }) => (
          <>
            <p>
              {status === "ready"
                ? "This collector is ready. Its ids and its roster agree with what the other members report."
                : `This collector is ${status}:`}
            </p>
            <Reasons reasons={reasons} />
          </>
        )}
      </Loaded>
    </Section>
  );
}

export function MembersPage() {
  const read = useResource<Page<Member>>("api/members", { limit: 1000 }, isOfMembers);
  const none = <span class="none">none</span>;
  return (
    <>
      <h1>Members</h1>
      <Loaded of={read}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty title="This collector lists no member.">
              <p>It has not reached its coordinator since it started, or it is stopping. Agents keep the list that they have.</p>
            </Empty>
          ) : (
            <Table
              caption="Collectors"
              rows={page.items}
              id={(it) => it.address}
              columns={[
                {
                  title: "Address",
                  cell: (it) => (
                    <>
                      {it.address} {it.self && <strong>(this one)</strong>} {it.owner && <span class="tag">assigns ids</span>}
                    </>
                  ),
                },
                { title: "State", cell: (it) => <Badge state={it.state} /> },
                { title: "For", cell: (it) => <Ago time={it.since} /> },
                { title: "Version", cell: (it) => it.version ?? <span class="none">a collector of upstream</span> },
                { title: "Agents, gRPC", wide: true, cell: (it) => it.agent_grpc ?? none },
                { title: "Agents, HTTP", wide: true, cell: (it) => it.agent_jetty ?? none },
                { title: "Console", wide: true, cell: (it) => it.ui ?? none },
              ]}
            />
          )
        }
      </Loaded>
      <Agreement />
    </>
  );
}

function Addresses({ title, path, addresses }: { title: string; path: string; addresses: string[] }) {
  return (
    <Section title={title} aside={<code>{path}</code>}>
      {addresses.length === 0 ? (
        <Empty title="An empty list. Agents keep the list that they have." />
      ) : (
        <ul class="addresses">
          {addresses.map((address) => (
            <li key={address}>
              <code>{address}</code>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

export function NamingPage() {
  const read = useResource<Naming>("api/naming", {}, isOfMembers);
  return (
    <>
      <h1>Naming lists</h1>
      <p class="note">The lists of collectors that agents receive from this collector. For the lists of a Nacos service, open the service.</p>
      <Loaded of={read}>
        {({ agent_grpc, agent_jetty, ui }) => (
          <>
            <Addresses title="Agents over gRPC" path="/agent/gRPC" addresses={agent_grpc} />
            <Addresses title="Agents over HTTP" path="/agent/jetty" addresses={agent_jetty} />
            <Addresses title="User interfaces" path="/ui/jetty" addresses={ui} />
          </>
        )}
      </Loaded>
    </>
  );
}

function Level({ gauge }: { gauge: Gauge }) {
  const { used, limit, name } = gauge;
  if (limit === null) {
    return <span class="none">no limit</span>;
  }
  const share = limit === 0 ? 0 : used / limit;
  const level = share >= 0.9 ? "high" : share >= 0.7 ? "raised" : "low";
  return (
    <span class="level">
      <meter class={level} min={0} max={1} low={0.7} high={0.9} optimum={0} value={Math.min(1, share)} aria-label={`${name}: ${percent(used, limit)} of the limit`} />{" "}
      {percent(used, limit)}
    </span>
  );
}

export function HeadroomPage() {
  const read = useResource<Gauge[]>("api/headroom", {}, () => false);
  return (
    <>
      <h1>Headroom</h1>
      <p class="note">How much of each limit this collector uses. At a limit it refuses further items, and reports this in the log, the metrics and its answers.</p>
      <Loaded of={read}>
        {(gauges) => (
          <>
            {gauges.some(({ used, limit }) => limit !== null && limit > 0 && used / limit >= 0.9) && (
              <div class="trouble" role="alert">
                <strong>{plural(gauges.filter(({ used, limit }) => limit !== null && limit > 0 && used / limit >= 0.9).length, "limit is", "limits are")} nearly or completely used.</strong>
              </div>
            )}
            <Table
              caption="Limits"
              rows={gauges}
              id={(it) => it.name}
              columns={[
                { title: "What", cell: (it) => it.name },
                { title: "Used", number: true, cell: (it) => figure(it.used, it.unit) },
                { title: "Limit", number: true, cell: (it) => (it.limit === null ? "" : figure(it.limit, it.unit)) },
                { title: "Level", cell: (it) => <Level gauge={it} /> },
                { title: "Set by", wide: true, cell: (it) => (it.key === null ? <span class="none">{it.note}</span> : <code>{it.key}</code>) },
              ]}
            />
          </>
        )}
      </Loaded>
    </>
  );
}

export function EventsPage(_: { route: Route }) {
  const events = useRecent(200);
  return (
    <>
      <h1>Changes</h1>
      <p class="note">The newest changes, at most 200, from the last 15 minutes on.</p>
      <EventList events={events} />
    </>
  );
}
