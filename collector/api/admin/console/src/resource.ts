// A page's data: read once, and again after events that may concern it.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, onCredential, type Parameters, Problem, url } from "./api";
import { listen, type LiveEvent } from "./live";

export interface Resource<T> {
  data: T | undefined;
  problem: Problem | undefined;
  /** Whether the data is that of another address than the current one. */
  isStale: boolean;
  reload: () => void;
}

/** The shortest time between a read and the next one, and the longest time without one, in milliseconds. */
const SPACING = 1000;
const REFRESH = 15_000;
/** The time between an event and the read that it causes, in milliseconds. */
const GATHER = 150;

/**
 * Reads `path` with `parameters`. An event for which `concerns` holds causes another read, at most one a second and none while one
 * is under way. A hidden page reads nothing.
 */
export function useResource<T>(
  path: string | null,
  parameters: Parameters = {},
  concerns: (event: LiveEvent) => boolean = () => true,
): Resource<T> {
  const address = path === null ? null : url(path, parameters);
  const [state, setState] = useState<{ address: string | null; data?: T; problem?: Problem }>({ address: null });
  const wanted = useRef(concerns);
  wanted.current = concerns;
  const again = useRef<() => void>(() => {});
  useEffect(() => {
    if (address === null) {
      return;
    }
    const stop = new AbortController();
    let reading = false;
    let due = false;
    /** The earliest time of the next read. */
    let next = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const later = (milliseconds: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => void read(), milliseconds);
    };
    const read = async () => {
      if (document.hidden) {
        due = true;
        later(REFRESH);
        return;
      }
      reading = true;
      due = false;
      const began = performance.now();
      try {
        const data = await get<T>(address, {}, stop.signal);
        setState({ address, data });
      } catch (error) {
        if (stop.signal.aborted) {
          return;
        }
        const problem = error instanceof Problem ? error : new Problem(0, "The answer of the collector cannot be read.");
        setState((before) => (before.address === address ? { ...before, problem } : { address, problem }));
      }
      reading = false;
      // A read that takes long is repeated less often.
      const ended = performance.now();
      next = ended + Math.max(SPACING, 3 * (ended - began));
      later(due ? next - ended : REFRESH);
    };
    const load = () => {
      if (reading) {
        due = true;
      } else if (!due) {
        due = true;
        // Events of one change come together.
        later(Math.max(GATHER, next - performance.now()));
      }
    };
    again.current = load;
    const shown = () => {
      if (!document.hidden && due && !reading) {
        later(0);
      }
    };
    document.addEventListener("visibilitychange", shown);
    const unsubscribe = listen((event) => {
      if (wanted.current(event)) {
        load();
      }
    });
    const changed = onCredential(() => later(0));
    void read();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
      unsubscribe();
      changed();
    };
  }, [address]);
  const isStale = state.address !== address;
  return {
    data: state.data,
    problem: isStale ? undefined : state.problem,
    isStale,
    reload: () => again.current(),
  };
}
