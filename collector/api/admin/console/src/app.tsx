import { useEffect, useRef, useState } from "preact/hooks";
import { hasCredential, setCredential } from "./api";
import { useStatus } from "./live";
import { Empty } from "./parts/basic";
import { Announcer } from "./parts/events";
import { SignIn, useIsSignedOut } from "./parts/signin";
import { go, type Route, to, useRoute } from "./router";
import { EventsPage, HeadroomPage, MembersPage, NamingPage } from "./pages/cluster";
import { EndpointPage } from "./pages/endpoint";
import { InstancePage } from "./pages/instance";
import { OverviewPage } from "./pages/overview";
import { ApplicationPage, RosterPage } from "./pages/roster";
import { SearchPage } from "./pages/search";
import { ServicePage } from "./pages/service";
import { ServicesPage } from "./pages/services";

const PAGES: [string, string][] = [
  ["", "Overview"],
  ["instances", "Instances"],
  ["services", "Services"],
  ["naming", "Naming"],
  ["members", "Members"],
  ["headroom", "Headroom"],
  ["events", "Changes"],
];

function Page({ route }: { route: Route }) {
  const [first = "", ...rest] = route.path;
  switch (first) {
    case "":
      return <OverviewPage route={route} />;
    case "instances":
      return rest.length === 0 ? <RosterPage route={route} /> : <InstancePage route={route} />;
    case "applications":
      return <ApplicationPage route={route} />;
    case "services":
      return rest.length === 0 ? <ServicesPage route={route} /> : rest.length === 3 ? <ServicePage route={route} /> : <EndpointPage route={route} />;
    case "naming":
      return <NamingPage />;
    case "members":
      return <MembersPage />;
    case "headroom":
      return <HeadroomPage />;
    case "events":
      return <EventsPage route={route} />;
    case "search":
      return <SearchPage route={route} />;
    default:
      return (
        <>
          <h1>No such page</h1>
          <Empty title="The address leads to no page of the console.">
            <p>
              <a href={to([])}>Overview</a>
            </p>
          </Empty>
        </>
      );
  }
}

function LiveMark() {
  const status = useStatus();
  const words = {
    connecting: "connecting",
    live: "live",
    polling: "no event feed, reading every 15 s",
    lost: "connection lost, trying again",
  }[status];
  return (
    <span class={`live ${status}`} role="status">
      {words}
    </span>
  );
}

function Search({ route }: { route: Route }) {
  const [text, setText] = useState(route.path[0] === "search" ? (route.query.get("text") ?? "") : "");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
      if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        input.current?.focus();
      }
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
  }, []);
  return (
    <form
      class="search"
      role="search"
      aria-label="All"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== "") {
          go(to(["search"], { text: text.trim() }));
        }
      }}
    >
      <input
        ref={input}
        type="search"
        aria-label="Search applications, instances and services"
        aria-keyshortcuts="/"
        placeholder="Search   /"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </form>
  );
}

export function App() {
  const route = useRoute();
  const isSignedOut = useIsSignedOut();
  const main = useRef<HTMLElement>(null);
  const place = route.path.join("/");
  const isFirst = useRef(true);
  useEffect(() => {
    const title = PAGES.find(([page]) => page === (route.path[0] ?? ""))?.[1] ?? "Console";
    document.title = `${route.path.length > 1 ? `${route.path.at(-1)} · ` : ""}${title} · Rollcall`;
    // A new page is read from its top, also by a screen reader.
    if (!isFirst.current) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [place]);
  if (isSignedOut) {
    return <SignIn />;
  }
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <header>
        <a class="brand" href={to([])}>
          Rollcall
        </a>
        <nav aria-label="Pages">
          {PAGES.map(([page, title]) => (
            <a key={page} href={to(page === "" ? [] : [page])} aria-current={(route.path[0] ?? "") === page ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <Search route={route} />
        <LiveMark />
        {hasCredential() && (
          <button type="button" class="quiet" onClick={() => setCredential(null)}>
            Sign out
          </button>
        )}
      </header>
      <main id="main" ref={main} tabIndex={-1} key={place}>
        <Page route={route} />
      </main>
      <Announcer />
    </>
  );
}
