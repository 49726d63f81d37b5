import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { current, go, refine, replace, type Route } from "../router";
import { STATES } from "../types";
import { Badge } from "./basic";

/** A text in the address bar, changed shortly after the last key. */
export function TextFilter({ route, name, label, placeholder }: { route: Route; name: string; label: string; placeholder?: string }) {
  const present = route.query.get(name) ?? "";
  const [text, setText] = useState(present);
  const typed = useRef(present);
  useEffect(() => {
    if (present !== typed.current) {
      typed.current = present;
      setText(present);
    }
  }, [present]);
  useEffect(() => {
    if (text === typed.current) {
      return;
    }
    const timer = setTimeout(() => {
      typed.current = text;
      // Another filter may have changed since the last render.
      replace(refine(current(), { [name]: text.trim() }));
    }, 250);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label class="filter">
      <span>{label}</span>
      <input
        type="search"
        value={text}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </label>
  );
}

/** One or several states; without one, all states that the counts include. */
export function StateFilter({ route }: { route: Route }) {
  const chosen = (route.query.get("state") ?? "").split(",").filter((state) => state !== "");
  const toggle = (state: string) => {
    const next = chosen.includes(state) ? chosen.filter((other) => other !== state) : [...chosen, state];
    go(refine(current(), { state: STATES.filter((known) => next.includes(known)).join(",") }));
  };
  return (
    <fieldset class="filter states">
      <legend>State</legend>
      {STATES.map((state) => (
        <label key={state} class={chosen.includes(state) ? "chip on" : "chip"}>
          <input type="checkbox" checked={chosen.includes(state)} onChange={() => toggle(state)} />
          <Badge state={state} />
        </label>
      ))}
    </fieldset>
  );
}

export function Choice(props: { route: Route; name: string; label: string; options: [string, string][] }) {
  const { route, name, label, options } = props;
  return (
    <label class="filter">
      <span>{label}</span>
      <select value={route.query.get(name) ?? ""} onChange={(event) => go(refine(current(), { [name]: event.currentTarget.value }))}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Filters({ children }: { children: ComponentChildren }) {
  return (
    <form class="filters" role="search" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      {children}
    </form>
  );
}
