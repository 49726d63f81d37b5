import { useEffect, useState } from "preact/hooks";
import { now } from "../api";
import { listen, type LiveEvent, recent } from "../live";
import { kind, sentence, target, time } from "../sentence";
import { Ago, Badge, Empty } from "./basic";

/** The newest events, shown at most twice a second. */
export function useRecent(limit: number, isWanted: (event: LiveEvent) => boolean = () => true): LiveEvent[] {
  const read = () => recent.filter(isWanted).slice(0, limit);
  const [events, setEvents] = useState(read);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = () => {
      timer = undefined;
      setEvents(read());
    };
    show();
    const unsubscribe = listen(() => {
      timer ??= setTimeout(show, 500);
    });
    return () => {
      unsubscribe();
      clearTimeout(timer);
    };
  }, [limit]);
  return events;
}

export function EventList({ events }: { events: LiveEvent[] }) {
  if (events.length === 0) {
    return (
      <Empty title="Nothing has changed in the last 15 minutes.">
        <p>Changes appear here as they happen.</p>
      </Empty>
    );
  }
  return (
    <ol class="events">
      {events.map((event, at) => {
        const leads = target(event);
        const words = sentence(event);
        return (
          <li key={`${event.id}/${events.length - at}`}>
            <Ago time={time(event)} />
            <Badge state={kind(event)} />
            <span>{leads === undefined ? words : <a href={leads}>{words}</a>}</span>
          </li>
        );
      })}
    </ol>
  );
}

/** The age of an event that is still worth announcing, in milliseconds. */
const NEW = 30_000;

/** Announces changes of state to screen readers, at most once in five seconds. */
export function Announcer() {
  const [text, setText] = useState("");
  useEffect(() => {
    let waiting: Record<string, number> = {};
    let last = "";
    let timer: ReturnType<typeof setTimeout> | undefined;
    const say = () => {
      timer = undefined;
      const total = Object.values(waiting).reduce((sum, n) => sum + n, 0);
      const states = Object.entries(waiting).map(([state, n]) => `${n} ${n === 1 ? "instance is" : "instances are"} ${state}`);
      setText(total === 1 ? last : `${states.join(", ")}.`);
      waiting = {};
    };
    const unsubscribe = listen((event) => {
      const state = kind(event);
      const isNew = now() - Date.parse(time(event)) < NEW;
      if (isNew && ["back", "silent", "down", "left", "unhealthy", "expired"].includes(state)) {
        waiting[state] = (waiting[state] ?? 0) + 1;
        last = sentence(event);
        timer ??= setTimeout(say, 5000);
      }
    });
    return () => {
      unsubscribe();
      clearTimeout(timer);
    };
  }, []);
  return (
    <p class="hidden" role="status">
      {text}
    </p>
  );
}
