import { useEffect, useState } from "preact/hooks";
import { call, onCredential, Problem, setCredential } from "../api";

/** The value of the header for a token, or for a user and a password. */
function credential(form: FormData): string {
  const user = String(form.get("user") ?? "").trim();
  const secret = String(form.get("secret") ?? "");
  if (user === "") {
    return `Bearer ${secret}`;
  }
  const bytes = new TextEncoder().encode(`${user}:${secret}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/** Whether the collector requires a credential that this tab does not have; checked at the start and after each change. */
export function useIsSignedOut(): boolean {
  const [isSignedOut, setSignedOut] = useState(false);
  useEffect(() => {
    const check = () =>
      void call("api/members?limit=1")
        .then(() => setSignedOut(false))
        .catch((error: unknown) => setSignedOut(error instanceof Problem && error.isUnauthorized));
    check();
    return onCredential(check);
  }, []);
  return isSignedOut;
}

export function SignIn() {
  const [problem, setProblem] = useState("");
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const value = credential(new FormData(event.currentTarget as HTMLFormElement));
    setProblem("");
    try {
      await call("api/members?limit=1", {}, value);
      setCredential(value);
    } catch (error) {
      setProblem(
        error instanceof Problem && error.isUnauthorized
          ? "The collector does not accept this credential. Compare it with the collector's configuration."
          : error instanceof Problem
            ? error.message
            : "The credential contains characters that a browser cannot send.",
      );
    }
  };
  return (
    <main class="sign-in" id="main">
      <h1>Sign in</h1>
      <p>
        This collector requires its admin credential. The console keeps it in this tab only, until the tab is closed.
      </p>
      <form onSubmit={submit}>
        <label>
          <span>User (leave empty for a token)</span>
          <input name="user" autocomplete="username" spellcheck={false} />
        </label>
        <label>
          <span>Token or password</span>
          <input name="secret" type="password" autocomplete="current-password" required />
        </label>
        {problem !== "" && (
          <p class="trouble" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" class="primary">
          Sign in
        </button>
      </form>
    </main>
  );
}
