import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { now, Problem } from "../api";
import { duration, local } from "../format";
import type { Resource } from "../resource";
import type { State } from "../types";

const MARKS: Record<string, string> = {
  up: "●",
  healthy: "●",
  serving: "●",
  silent: "◐",
  starting: "◐",
  draining: "◐",
  offline: "◌",
  down: "✕",
  unhealthy: "✕",
  left: "○",
};

/** A state as a mark, a word and a colour: no meaning depends on the colour alone. */
export function Badge({ state }: { state: State | string }) {
  return (
    <span class={`badge ${state}`}>
      <span aria-hidden="true">{MARKS[state] ?? "•"}</span> {state}
    </span>
  );
}

/** Renders again at intervals, so that ages stay right. */
function useTick(milliseconds: number): void {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), milliseconds);
    return () => clearInterval(timer);
  }, [milliseconds]);
}

/** How long ago a time is; the whole time is its title. */
export function Ago({ time }: { time: string }) {
  useTick(5000);
  const age = now() - Date.parse(time);
  const text = Number.isNaN(age) ? time : age < 1000 ? "now" : `${duration(age)} ago`;
  return (
    <time dateTime={time} title={`${local(time)} (${time})`}>
      {text}
    </time>
  );
}

export function At({ time }: { time: string }) {
  return (
    <time dateTime={time} title={time}>
      {local(time)}
    </time>
  );
}

/** Why a list is empty, and what would fill it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Trouble({ problem, hasData }: { problem: Problem; hasData: boolean }) {
  return (
    <div class="trouble" role="alert">
      <strong>{problem.message}</strong> {hasData ? "The page shows what it read last, and tries again." : "The page tries again by itself."}
    </div>
  );
}

/** The data of a page, or a text that explains why there is none yet. Old data stays visible while the collector is unavailable. */
export function Loaded<T>({ of, children }: { of: Resource<T>; children: (data: T) => ComponentChildren }) {
  const { data, problem, isStale } = of;
  if (data === undefined) {
    if (problem !== undefined && !isStale) {
      if (problem.status === 404) {
        return (
          <>
            <h1>Not found</h1>
            <Empty title={problem.message} />
          </>
        );
      }
      return problem.isUnauthorized ? null : <Trouble problem={problem} hasData={false} />;
    }
    return (
      <p class="loading" role="status">
        Reading …
      </p>
    );
  }
  return (
    <div aria-busy={isStale} class={isStale ? "stale" : undefined}>
      {problem !== undefined && !problem.isUnauthorized && <Trouble problem={problem} hasData={true} />}
      {children(data)}
    </div>
  );
}

export function Section({ title, children, aside }: { title: string; children: ComponentChildren; aside?: ComponentChildren }) {
  return (
    <section>
      <div class="section-head">
        <h2>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

/** Names and values. A value is always text. */
export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ?? <span class="none">not reported</span>}</dd>
        </div>
      ))}
    </dl>
  );
}
