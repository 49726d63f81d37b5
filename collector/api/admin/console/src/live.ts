// The event feed of the collector. It is read with `fetch`, because `EventSource` cannot send a credential.
import { useEffect, useState } from "preact/hooks";
import { call, now, onCredential, Problem, url } from "./api";

export interface LiveEvent {
  id: string;
  name: string;
  data: Record<string, unknown>;
}

export type Status = "connecting" | "live" | "polling" | "lost";

type Listener = (event: LiveEvent) => void;

const RECENT = 200;
/** The age of the oldest events that the feed shows at first, in milliseconds. */
const BEFORE = 15 * 60_000;
/** The pause before the feed is read again after its end, which doubles with each failure in a row, in milliseconds. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let status: Status = "connecting";
let last = "";
/** The latest events, the newest first. */
export const recent: LiveEvent[] = [];

function become(next: Status): void {
  if (status !== next) {
    status = next;
    watchers.forEach((changed) => changed());
  }
}

/** Parses server-sent events from chunks of text. */
export function parser(emit: Listener): (chunk: string) => void {
  let rest = "";
  let event = { id: "", name: "message", data: "" };
  const line = (text: string) => {
    if (text === "") {
      if (event.data !== "") {
        let data: unknown;
        try {
          data = JSON.parse(event.data);
        } catch {
          data = null;
        }
        if (typeof data === "object" && data !== null) {
          emit({ id: event.id, name: event.name, data: data as Record<string, unknown> });
        }
      }
      event = { id: event.id, name: "message", data: "" };
      return;
    }
    const cut = text.indexOf(":");
    const field = cut < 0 ? text : text.slice(0, cut);
    const value = cut < 0 ? "" : text.slice(cut + 1).replace(/^ /, "");
    if (field === "data") {
      event.data = event.data === "" ? value : `${event.data}\n${value}`;
    } else if (field === "event") {
      event.name = value;
    } else if (field === "id") {
      event.id = value;
    }
  };
  return (chunk) => {
    const lines = (rest + chunk).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? "";
    lines.forEach(line);
  };
}

function receive(event: LiveEvent): void {
  if (event.id !== "") {
    last = event.id;
  }
  recent.unshift(event);
  recent.length = Math.min(recent.length, RECENT);
  listeners.forEach((listener) => listener(event));
}

/** Reads the feed until it ends, and calls `connected` once the collector answers with it. */
async function read(stop: AbortSignal, connected: () => void): Promise<void> {
  const headers: Record<string, string> = last === "" ? {} : { "Last-Event-ID": last };
  const since = last === "" ? { since: new Date(now() - BEFORE).toISOString() } : {};
  const answer = await call(url("api/events", since), { headers, signal: stop });
  const body = answer.body;
  if (body === null) {
    return;
  }
  connected();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = parser(receive);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    parse(value);
  }
}

function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    stop.addEventListener("abort", end);
  });
}

/** Reads the feed for the life of the page; a new credential begins it again. */
export function start(): void {
  let stop = new AbortController();
  const run = async () => {
    let wait = FIRST_WAIT;
    const own = stop;
    const connected = () => {
      wait = FIRST_WAIT;
      become("live");
    };
    while (!own.signal.aborted) {
      try {
        await read(own.signal, connected);
        become("lost");
      } catch (error) {
        if (own.signal.aborted) {
          return;
        }
        const refused = error instanceof Problem && error.status !== 0;
        // If the collector answers without a feed, the console requests its data at intervals.
        become(refused ? "polling" : "lost");
        if (error instanceof Problem && error.isUnauthorized) {
          return;
        }
      }
      await pause(wait, own.signal);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
  };
  onCredential(() => {
    stop.abort();
    stop = new AbortController();
    void run();
  });
  void run();
}

export function useStatus(): Status {
  const [shown, show] = useState(status);
  useEffect(() => {
    const changed = () => show(status);
    watchers.add(changed);
    changed();
    return () => {
      watchers.delete(changed);
    };
  }, []);
  return shown;
}

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}
