import { Empty, Loaded, Section } from "../parts/basic";
import { Table } from "../parts/table";
import { useResource } from "../resource";
import { type Route, to } from "../router";
import { type Application, type Instance, type Overview, type Page, type Service, STATES } from "../types";
import { Instances } from "./roster";
import { serviceLink } from "./services";

const SHOWN = 20;

function More({ next, href }: { next: string | null; href: string }) {
  return next === null ? null : (
    <p class="pager">
      <a href={href}>All that match</a>
    </p>
  );
}

function ServicesFound({ text }: { text: string }) {
  const read = useResource<Page<Service>>("api/services", { text, limit: SHOWN });
  return (
    <Section title="Services">
      <Loaded of={read}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty title="No service matches." />
          ) : (
            <>
              <Table
                caption="Services that match"
                rows={page.items}
                id={serviceLink}
                columns={[
                  { title: "Service", cell: (it) => <a href={serviceLink(it)}>{it.service}</a> },
                  { title: "Group", cell: (it) => it.group },
                  { title: "Namespace", cell: (it) => it.namespace },
                  { title: "Healthy", number: true, cell: (it) => `${it.healthy} of ${it.instances}` },
                ]}
              />
              <More next={page.next} href={to(["services"], { text })} />
            </>
          )
        }
      </Loaded>
    </Section>
  );
}

export function SearchPage({ route }: { route: Route }) {
  const text = route.query.get("text") ?? "";
  const overview = useResource<Overview>("api/overview", {}, () => false);
  const applications = useResource<Page<Application>>(text === "" ? null : "api/applications", { text, limit: SHOWN });
  const instances = useResource<Page<Instance>>(text === "" ? null : "api/instances", { text, limit: SHOWN });
  if (text === "") {
    return (
      <>
        <h1>Search</h1>
        <Empty title="Enter a part of a name, a host or an address above." />
      </>
    );
  }
  return (
    <>
      <h1>Search: “{text}”</h1>
      <Section title="Applications">
        <Loaded of={applications}>
          {(page) =>
            page.items.length === 0 ? (
              <Empty title="No application matches." />
            ) : (
              <>
                <Table
                  caption="Applications that match"
                  rows={page.items}
                  id={(it) => it.id}
                  columns={[
                    { title: "Application", cell: (it) => <a href={to(["applications", it.id])}>{it.label}</a> },
                    ...STATES.map((state) => ({ title: state, number: true, cell: (it: Application) => it.instances[state] })),
                  ]}
                />
                <More next={page.next} href={to([], { text })} />
              </>
            )
          }
        </Loaded>
      </Section>
      <Section title="Instances">
        <Loaded of={instances}>
          {(page) =>
            page.items.length === 0 ? (
              <Empty title="No instance matches." />
            ) : (
              <>
                <Instances page={page} caption="Instances that match" application />
                <More next={page.next} href={to(["instances"], { text })} />
              </>
            )
          }
        </Loaded>
      </Section>
      {overview.data?.catalog != null && <ServicesFound text={text} />}
    </>
  );
}
