// The answers of the admin listener that the console reads.

export const STATES = ["up", "silent", "down", "left"] as const;
export type State = (typeof STATES)[number];
export type Counts = Record<State, number>;

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Overview {
  time: string;
  version: string;
  address: string;
  started_at: string;
  status: "ready" | "degraded" | "unready";
  reasons: Record<string, string>;
  agents: Counts;
  catalog: Catalog | null;
}

export interface Catalog {
  complete: boolean;
  services: number;
  instances: number;
  healthy: number;
  connections: number;
  subscriptions: number;
}

export type Series = Record<State, number[]>;

export interface History {
  interval_ms: number;
  times: string[];
  agents: Series;
  services: { healthy: number[]; unhealthy: number[] };
  applications: Record<string, Series>;
}

export interface Application {
  id: number;
  code: string | null;
  label: string;
  adopted: boolean;
  registered_at: string;
  instances: Counts;
}

export interface Why {
  sentence: string;
  last_signal: string;
  last_seen_at: string;
  observed_here: boolean;
  connection: { closed_at: string; cause: string } | null;
  connection_state?: "open" | "closed" | "unknown";
  peer?: string | null;
  observed_by?: string | null;
  /** The number of missed signals, by the usual interval. */
  missed?: number | null;
  usual_interval_ms: number | null;
  silent_after_ms: number;
  down_after_ms: number;
}

export interface Instance {
  id: number;
  application_id: number | null;
  application?: string | null;
  uuid: string | null;
  name: string | null;
  state: State;
  since: string;
  why: Why;
  adopted: boolean;
  registered_at: string;
  last_seen_at: string;
  generation: string | null;
  language: string | null;
  agent_version: string | null;
  properties: Record<string, string | string[]>;
}

export interface TimelineEvent {
  number: number;
  time: string;
  kind: string;
  text: string;
  evidence?: Record<string, unknown>;
}

export interface Timeline {
  why: string;
  events: TimelineEvent[];
  /** How many older events are not kept; `null` if that is not known. */
  lost: number | null;
}

export interface Member {
  address: string;
  state: string;
  since: string;
  version: string | null;
  self: boolean;
  owner: boolean;
  agent_grpc: string | null;
  agent_jetty: string | null;
  ui: string | null;
}

export interface Ready {
  ready: boolean;
  status: string;
  reasons: Record<string, string>;
}

export interface Naming {
  agent_grpc: string[];
  agent_jetty: string[];
  ui: string[];
}

export interface Gauge {
  name: string;
  used: number;
  limit: number | null;
  unit: string;
  key: string | null;
  note: string;
}

export interface Namespace {
  id: string;
  name: string;
  services: number;
}

/** What names a service. */
export interface ServiceName {
  namespace: string;
  group: string;
  service: string;
}

export interface Service extends ServiceName {
  instances: number;
  healthy: number;
  clusters: number;
  protected: boolean;
}

export interface ServiceDetail extends Service {
  revision: number;
  protect_threshold: number;
  explicit: boolean;
  metadata: Record<string, string>;
  cluster_names: string[];
}

export interface Override {
  enabled: boolean | null;
  weight: number | null;
  metadata: Record<string, string> | null;
  metadata_change: "merge" | "replace" | "remove" | null;
  set_at: string;
}

export interface ServiceInstance {
  ip: string;
  port: number;
  cluster: string;
  ephemeral: boolean;
  healthy: boolean;
  enabled: boolean;
  weight: number;
  metadata: Record<string, string>;
  publisher: string;
  client: string | null;
  last_beat_at: string | null;
  has_beaten: boolean;
  registered: { enabled: boolean; weight: number; metadata: Record<string, string> };
  override: Override | null;
}

/** An instance as a client receives it. */
export interface Host {
  ip: string;
  port: number;
  cluster: string;
  ephemeral: boolean;
  healthy: boolean;
  truly_healthy: boolean;
  enabled: boolean;
  weight: number;
  metadata: Record<string, string>;
}

export interface Subscriber {
  kind: "grpc" | "udp" | "poll";
  client: string;
  address: string;
  agent: string;
  application: string;
  clusters: string;
}
