// The page and its filters are in the part of the address after `#`, so that a page can be shared and the browser's history works.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  /** The parts of the path, decoded: `#/instances/-5` is `["instances", "-5"]`. */
  path: string[];
  query: URLSearchParams;
}

export type Query = Record<string, string | undefined>;

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function parse(hash: string): Route {
  const text = hash.replace(/^#\/?/, "");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  const parts = path.split("/").filter((part) => part !== "");
  return { path: parts.map(decoded), query: new URLSearchParams(cut < 0 ? "" : text.slice(cut + 1)) };
}

/** The address of a page. Filters that are empty are left out. */
export function to(path: (string | number)[], query: Query = {}): string {
  const parts = path.map((part) => encodeURIComponent(String(part)));
  const present = Object.entries(query).filter(([, value]) => value !== undefined && value !== "") as [string, string][];
  const tail = present.length === 0 ? "" : `?${new URLSearchParams(present)}`;
  return `#/${parts.join("/")}${tail}`;
}

export function go(address: string): void {
  location.hash = address;
}

/** The page that the address names now. The route of an earlier render may be older. */
export function current(): Route {
  return parse(location.hash);
}

/** Changes filters of a page. Every change of a filter begins at the first page. */
export function refine(route: Route, change: Query): string {
  const query: Query = { ...Object.fromEntries(route.query), after: undefined, ...change };
  return to(route.path, query);
}

/** As `go`, without a new entry in the history: for each key that is typed into a filter. */
export function replace(address: string): void {
  history.replaceState(null, "", address);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return parse(hash);
}
