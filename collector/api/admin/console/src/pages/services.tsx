import { Empty, Loaded } from "../parts/basic";
import { Choice, Filters, TextFilter } from "../parts/filters";
import { Pager, Table } from "../parts/table";
import { count } from "../format";
import { useResource } from "../resource";
import { type Route, to } from "../router";
import { isOfServices } from "../subject";
import type { Namespace, Overview, Page, Service, ServiceName } from "../types";

const PER_PAGE = 100;

export function serviceLink({ namespace, group, service }: ServiceName): string {
  return to(["services", namespace, group, service]);
}

export function ServicesPage({ route }: { route: Route }) {
  const overview = useResource<Overview>("api/overview", {}, () => false);
  if (overview.data !== undefined && overview.data.catalog === null) {
    return (
      <>
        <h1>Services</h1>
        <Empty title="The Nacos faces of this collector are off.">
          <p>
            <code>SW_NACOS=default</code> turns them on.
          </p>
        </Empty>
      </>
    );
  }
  return (
    <>
      <h1>Services</h1>
      <List route={route} />
    </>
  );
}

function List({ route }: { route: Route }) {
  const query = (name: string) => route.query.get(name) ?? undefined;
  const namespaces = useResource<Page<Namespace>>("api/namespaces", { limit: 1000 }, () => false);
  const filter = { namespace: query("namespace"), text: query("text") };
  const read = useResource<Page<Service>>("api/services", { ...filter, limit: PER_PAGE, cursor: query("after") }, isOfServices);
  const options: [string, string][] = (namespaces.data?.items ?? []).map(({ id, name, services }) => [id, `${name === id || name === "" ? id : `${name} (${id})`}: ${count(services)}`]);
  return (
    <>
      <Filters>
        <TextFilter route={route} name="text" label="Name or group contains" placeholder="orders" />
        <Choice route={route} name="namespace" label="Namespace" options={[["", "all"], ...options]} />
      </Filters>
      <Loaded of={read}>
        {(page) =>
          page.items.length === 0 ? (
            filter.text === undefined && filter.namespace === undefined ? (
              <Empty title="No Nacos client has registered a service yet." />
            ) : (
              <Empty title="No service matches these filters.">
                <p>
                  <a href={to(route.path)}>Show all services</a>
                </p>
              </Empty>
            )
          ) : (
            <>
              <Table
                caption="Services"
                rows={page.items}
                id={(it) => serviceLink(it)}
                columns={[
                  { title: "Service", cell: (it) => <a href={serviceLink(it)}>{it.service}</a> },
                  { title: "Group", cell: (it) => it.group },
                  { title: "Namespace", wide: true, cell: (it) => it.namespace },
                  { title: "Healthy", number: true, cell: (it) => count(it.healthy) },
                  {
                    title: "Unhealthy",
                    number: true,
                    cell: (it) => <span class={it.healthy === it.instances ? "zero" : "count unhealthy"}>{count(it.instances - it.healthy)}</span>,
                  },
                  { title: "Clusters", number: true, wide: true, cell: (it) => count(it.clusters) },
                  { title: "Protection", cell: (it) => (it.protected ? <strong>all shown as healthy</strong> : <span class="none">not active</span>) },
                ]}
              />
              <Pager route={route} next={page.next} shown={page.items.length} what="services" />
            </>
          )
        }
      </Loaded>
    </>
  );
}
