import type { ComponentChildren } from "preact";
import { refine, type Route } from "../router";

export interface Column<T> {
  title: string;
  cell: (row: T) => ComponentChildren;
  /** Numbers are aligned to the right. */
  number?: boolean;
  /** Hidden on narrow screens. */
  wide?: boolean;
}

export function Table<T>(props: { caption: string; columns: Column<T>[]; rows: T[]; id: (row: T) => string | number }) {
  const { caption, columns, rows, id } = props;
  const style = (column: Column<T>) => [column.number ? "number" : "", column.wide ? "wide" : ""].join(" ").trim() || undefined;
  return (
    <div class="table" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" class={style(column)}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)}>
              {columns.map((column, at) =>
                at === 0 ? (
                  <th key={column.title} scope="row" class={style(column)}>
                    {column.cell(row)}
                  </th>
                ) : (
                  <td key={column.title} class={style(column)}>
                    {column.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Links to the first and the next page. The browser's Back button leads to the previous page. */
export function Pager({ route, next, shown, what }: { route: Route; next: string | null; shown: number; what: string }) {
  const after = route.query.get("after");
  if (next === null && after === null) {
    return null;
  }
  return (
    <nav class="pager" aria-label={`Pages of ${what}`}>
      {after !== null && <a href={refine(route, {})}>« First page</a>}
      <span>{shown} on this page</span>
      {next !== null && (
        <a href={refine(route, { after: next })} rel="next">
          Next page »
        </a>
      )}
    </nav>
  );
}
