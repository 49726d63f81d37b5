import { change } from "../api";
import { count, duration } from "../format";
import type { LiveEvent } from "../live";
import { Ago, At, Badge, Empty, Facts, Loaded, Section } from "../parts/basic";
import { Actions } from "../parts/dialog";
import { Timeline } from "../parts/timeline";
import { useResource } from "../resource";
import { type Route, to } from "../router";
import { isGap, subject } from "../subject";
import type { Instance } from "../types";

function Properties({ instance }: { instance: Instance }) {
  const entries = Object.entries(instance.properties);
  if (entries.length === 0) {
    return (
      <Empty title="This agent reported no properties.">
        <p>Agents before 6.x report none.</p>
      </Empty>
    );
  }
  return <Facts facts={entries.map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value])} />;
}

function forget(instance: Instance) {
  return {
    title: `Forget ${instance.name ?? instance.id}?`,
    explanation: "It leaves the counts and lists of all collectors that share the store. Its id stays assigned, and it is listed again as soon as it reports.",
    verb: "Forget it",
    isDangerous: true,
    run: () => change("DELETE", `api/instances/${instance.id}`),
  };
}

export function InstancePage({ route }: { route: Route }) {
  const id = route.path[1] ?? "";
  const path = `api/instances/${encodeURIComponent(id)}`;
  const concerns = (event: LiveEvent) => String(subject(event).instance ?? "") === id || isGap(event);
  const read = useResource<Instance>(path, {}, concerns);
  return (
    <Loaded of={read}>
      {(it) => {
        const { why } = it;
        const unknown = why.connection_state === "open" ? "open" : why.connection_state === "unknown" ? "not known to this collector" : "open, or not known to this collector";
        const from = why.peer == null ? "" : ` from ${why.peer}`;
        const connection = why.connection === null ? unknown + from : `${why.connection.cause.replaceAll("_", " ")}${from}`;
        return (
          <>
            <p class="crumbs">
              <a href={to(["instances"])}>Instances</a> / <a href={to(["applications", it.application_id ?? "unknown"])}>{it.application ?? "application"}</a>
            </p>
            <h1>
              {it.name ?? `Instance ${it.id}`} <Badge state={it.state} />
            </h1>
            <p class={`why ${it.state}`}>{why.sentence}</p>
            {(it.state === "down" || it.state === "left") && <Actions changed={read.reload} actions={[["Forget this instance …", () => forget(it)]]} />}
            <div class="panels">
              <div class="panel">
                <h2>Evidence</h2>
                <Facts
                  facts={[
                    [`${it.state} since`, <At time={it.since} />],
                    [
                      "Last seen",
                      <>
                        <At time={it.last_seen_at} /> (<Ago time={it.last_seen_at} />)
                      </>,
                    ],
                    ["Last signal", why.last_signal.replaceAll("_", " ")],
                    ["Observed", why.observed_here ? "by this run of this collector" : (why.observed_by ?? "by another collector or an earlier run")],
                    [
                      "Connection",
                      why.connection === null ? (
                        connection
                      ) : (
                        <>
                          {connection} at <At time={why.connection.closed_at} />
                        </>
                      ),
                    ],
                    ["Usual interval", why.usual_interval_ms === null ? "not observed yet" : duration(why.usual_interval_ms)],
                    ...(why.missed == null || why.missed === 0 ? [] : [["Signals missed", count(why.missed)] as [string, string]]),
                    ["Silent after", duration(why.silent_after_ms)],
                    ["Down after", duration(why.down_after_ms)],
                  ]}
                />
              </div>
              <div class="panel">
                <h2>Identity</h2>
                <Facts
                  facts={[
                    ["Id", it.id],
                    ["UUID", it.uuid],
                    ["Registered", <At time={it.registered_at} />],
                    ["Id from", it.adopted ? "the agent, which held it before (adopted)" : "this collector"],
                    ["Agent", [it.language, it.agent_version].filter((part) => part !== null).join(" ") || undefined],
                    ["Protocol", it.generation ?? undefined],
                  ]}
                />
              </div>
            </div>
            <Section title="Timeline">
              <Timeline path={`${path}/timeline`} concerns={concerns} />
            </Section>
            <Section title="Properties">
              <Properties instance={it} />
            </Section>
          </>
        );
      }}
    </Loaded>
  );
}
