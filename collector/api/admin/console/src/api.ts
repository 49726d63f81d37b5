// Calls to the collector that served this page, and to no other.

/** Why a call failed, with a text for the user. */
export class Problem extends Error {
  /** The status of the answer; 0 without an answer. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }

  get isUnauthorized(): boolean {
    return this.status === 401;
  }
}

export type Parameters = Record<string, string | number | boolean | undefined>;

const CREDENTIAL = "rollcall.credential";
const waiting = new Set<() => void>();
let skew = 0;

/** The time of the collector, from the last answer. */
export function now(): number {
  return Date.now() + skew;
}

export function hasCredential(): boolean {
  return sessionStorage.getItem(CREDENTIAL) !== null;
}

/** Keeps the value of the header `Authorization` until the tab is closed. */
export function setCredential(value: string | null): void {
  if (value === null) {
    sessionStorage.removeItem(CREDENTIAL);
  } else {
    sessionStorage.setItem(CREDENTIAL, value);
  }
  waiting.forEach((changed) => changed());
}

export function onCredential(changed: () => void): () => void {
  waiting.add(changed);
  return () => waiting.delete(changed);
}

export function url(path: string, parameters: Parameters = {}): string {
  const present = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(present.map(([name, value]) => [name, String(value)]));
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** One call. Throws a `Problem` unless the answer is a success. */
export async function call(
  path: string,
  init: RequestInit = {},
  credential: string | null = sessionStorage.getItem(CREDENTIAL),
): Promise<Response> {
  const headers = new Headers(init.headers);
  if (credential !== null) {
    headers.set("Authorization", credential);
  }
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, headers, cache: "no-store", credentials: "omit", redirect: "error" });
  } catch (error) {
    if (init.signal?.aborted) {
      throw error;
    }
    throw new Problem(0, "The collector does not answer. It may have stopped, or the network between it and this browser is broken.");
  }
  const date = Date.parse(answer.headers.get("Date") ?? "");
  if (!Number.isNaN(date) && Math.abs(date - now()) > 2000) {
    skew = date - Date.now();
  }
  if (!answer.ok) {
    throw new Problem(answer.status, await explanation(answer));
  }
  return answer;
}

async function explanation(answer: Response): Promise<string> {
  const text = await answer.text().catch(() => "");
  let reason = answer.headers.get("error-message") ?? "";
  let message = "";
  try {
    const body = JSON.parse(text) as { error?: { field?: string; message?: string } };
    const { field } = body.error ?? {};
    message = body.error?.message ?? "";
    reason = [field, message].filter((part) => part).join(": ") || reason;
  } catch {
    // The body is not the collector's; a proxy may have answered.
  }
  switch (answer.status) {
    case 401:
      return "The collector requires the admin credential.";
    case 403:
      return `The collector refused this: ${reason || "forbidden"}.`;
    case 404:
      return message === "" ? "There is no such object." : `${message[0]?.toUpperCase()}${message.slice(1)}.`;
    case 503:
      return `The collector cannot answer now: ${reason || "it is starting, stopping or overloaded"}.`;
    default:
      return reason || `The collector answered with status ${answer.status}.`;
  }
}

export async function get<T>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
  const answer = await call(url(path, parameters), signal === undefined ? {} : { signal });
  return (await answer.json()) as T;
}

/** A call that changes something. */
export async function change(method: "POST" | "DELETE", path: string, parameters: Parameters = {}, body?: unknown): Promise<void> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  await call(url(path, parameters), init);
}
