// The picture of the last hour: how many instances were in which state.
import { clock, count } from "../format";

export interface Layer {
  /** The class that colours the layer. */
  name: string;
  values: number[];
}

/** The outline of one layer, as steps from sample to sample: there along its top, and back along its bottom. */
function outline(low: number[], high: number[], first: number, x: (at: number) => number, y: (value: number) => number): string {
  const there = high.map((value, at) => `${x(first + at)},${y(value)} ${x(first + at + 1)},${y(value)}`);
  const back = low.map((value, at) => `${x(first + at + 1)},${y(value)} ${x(first + at)},${y(value)}`).reverse();
  return `M${[...there, ...back].join(" ")}Z`;
}

function sums(layers: Layer[], length: number): number[][] {
  const total = new Array<number>(length).fill(0);
  const all = [total.slice()];
  for (const layer of layers) {
    layer.values.forEach((value, at) => {
      total[at] = (total[at] ?? 0) + value;
    });
    all.push(total.slice());
  }
  return all;
}

function summary(layers: Layer[]): string {
  const last = layers.map((layer) => `${layer.name} ${count(layer.values.at(-1) ?? 0)}`).join(", ");
  const most = layers.map((layer) => `${layer.name} ${count(Math.max(0, ...layer.values))}`).join(", ");
  return `now ${last}; most in the last hour ${most}`;
}

/** Layers on top of each other over the last hour. The text alternative has the present and the highest counts. */
export function Picture(props: { layers: Layer[]; times: string[]; slots: number; height: number; label: string; axis?: boolean }) {
  const { layers, times, slots, height, label, axis } = props;
  const length = Math.min(layers[0]?.values.length ?? 0, slots);
  const recent = layers.map((layer) => ({ ...layer, values: layer.values.slice(-length) }));
  const stacked = sums(recent, length);
  const most = Math.max(1, ...(stacked.at(-1) ?? []));
  const width = slots * 2;
  const y = (value: number) => Math.round((height - (value / most) * height) * 100) / 100;
  const x = (at: number) => at * 2;
  return (
    <figure class="picture">
      <svg viewBox={`0 0 ${width} ${height}`} height={height} preserveAspectRatio="none" role="img" aria-label={`${label}: ${summary(recent)}`}>
        {recent.map((layer, at) => (
          <path key={layer.name} class={`layer ${layer.name}`} d={length === 0 ? "" : outline(stacked[at] ?? [], stacked[at + 1] ?? [], slots - length, x, y)} />
        ))}
      </svg>
      {axis && (
        <figcaption>
          <span>{length < slots ? `since ${clock(times[0] ?? "")}` : "1 h ago"}</span>
          <span>highest {count(most)}</span>
          <span>now</span>
        </figcaption>
      )}
    </figure>
  );
}
