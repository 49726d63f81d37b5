import type { Parameters } from "../api";
import { plural } from "../format";
import type { LiveEvent } from "../live";
import { useResource } from "../resource";
import type { Timeline as Told, TimelineEvent } from "../types";
import { Ago, At, Badge, Empty, Loaded } from "./basic";

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function Evidence({ of }: { of: TimelineEvent }) {
  const entries = Object.entries(of.evidence ?? {}).filter(([, value]) => value !== null);
  if (entries.length === 0) {
    return null;
  }
  return (
    <details>
      <summary>Evidence</summary>
      <dl class="evidence">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name.replaceAll("_", " ")}</dt>
            <dd>{shown(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

/** What happened to an instance, the newest first, with the evidence for each change. */
export function Timeline({ path, parameters = {}, concerns }: { path: string; parameters?: Parameters; concerns: (event: LiveEvent) => boolean }) {
  const read = useResource<Told>(path, parameters, concerns);
  if (read.problem?.status === 404) {
    return <Empty title="This collector keeps no timeline of it." />;
  }
  return (
    <Loaded of={read}>
      {(told) =>
        told.events.length === 0 ? (
          <Empty title="Nothing has happened to it since this collector keeps its timeline." />
        ) : (
          <>
            <ol class="timeline">
              {[...told.events].reverse().map((event) => (
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
            {told.lost === null && <p class="note">Older events may exist that are no longer kept.</p>}
            {told.lost !== null && told.lost > 0 && <p class="note">{plural(told.lost, "older event is", "older events are")} no longer kept.</p>}
          </>
        )
      }
    </Loaded>
  );
}
