import type { Parameters } from "../api";
import { duration, local, plural } from "../format";
import type { LiveEvent } from "../live";
import { useResource } from "../resource";
import type { Timeline as Data, TimelineEvent } from "../types";
import { Ago, At, Badge, Empty, Loaded } from "./basic";

/** A name of a field in words. */
function words(name: string): string {
  return name.replace(/_(ms|at)$/, "").replaceAll("_", " ");
}

function shown(name: string, value: unknown): string {
  if (typeof value === "number" && name.endsWith("_ms")) {
    return duration(value);
  }
  if (typeof value === "string") {
    return name.endsWith("_at") ? local(value) : value;
  }
  return JSON.stringify(value);
}

/** Fields and the fields within them, each with its name in words. */
function flat(evidence: Record<string, unknown>, before = ""): [string, string][] {
  return Object.entries(evidence).flatMap(([name, value]): [string, string][] => {
    const label = `${before}${words(name)}`;
    if (value === null || value === undefined) {
      return [];
    }
    if (typeof value === "object" && !Array.isArray(value)) {
      return flat(value as Record<string, unknown>, `${label} `);
    }
    return [[label, shown(name, value)]];
  });
}

function Evidence({ of }: { of: TimelineEvent }) {
  const entries = flat(of.evidence ?? {});
  if (entries.length === 0) {
    return null;
  }
  return (
    <details>
      <summary>Evidence</summary>
      <dl class="evidence">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

/** What happened to an instance, the newest first, with the evidence for each change. */
export function Timeline({ path, parameters = {}, concerns }: { path: string; parameters?: Parameters; concerns: (event: LiveEvent) => boolean }) {
  const read = useResource<Data>(path, parameters, concerns);
  if (read.problem?.status === 404) {
    return <Empty title="This collector keeps no timeline of it." />;
  }
  return (
    <Loaded of={read}>
      {(timeline) =>
        timeline.events.length === 0 ? (
          <Empty title="It has not changed since this collector began its timeline." />
        ) : (
          <>
            <ol class="timeline">
              {[...timeline.events].reverse().map((event) => (
                <li key={event.number}>
                  <span class="when">
                    <At time={event.time} />
                    <Ago time={event.time} />
                  </span>
                  <Badge state={event.kind.replaceAll("_", " ")} />
                  <div>
                    <span>{event.text}</span>
                    <Evidence of={event} />
                  </div>
                </li>
              ))}
            </ol>
            {timeline.lost === null && <p class="note">Older events may exist that are no longer kept.</p>}
            {timeline.lost !== null && timeline.lost > 0 && <p class="note">{plural(timeline.lost, "older event is", "older events are")} no longer kept.</p>}
          </>
        )
      }
    </Loaded>
  );
}
