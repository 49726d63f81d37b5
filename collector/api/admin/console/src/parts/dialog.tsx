import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../api";

export interface Action {
  title: string;
  /** The effect of the change, in one or two sentences. */
  explanation: ComponentChildren;
  /** The text of the button that makes the change. */
  verb: string;
  isDangerous?: boolean;
  run: (form: FormData) => Promise<void>;
  fields?: ComponentChildren;
}

/** Confirms a change before it is made. Escape and Cancel change nothing. */
export function Confirm({ action, done }: { action: Action; done: (changed: boolean) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState<string>();
  const [isRunning, setRunning] = useState(false);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setRunning(true);
    setProblem(undefined);
    try {
      await action.run(new FormData(event.currentTarget as HTMLFormElement));
      done(true);
    } catch (error) {
      setProblem(error instanceof Problem || error instanceof Mistake ? error.message : "The change failed.");
      setRunning(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={() => done(false)}>
      <form onSubmit={submit}>
        <h2 id="dialog-title">{action.title}</h2>
        <p>{action.explanation}</p>
        {action.fields}
        {problem !== undefined && (
          <p class="trouble" role="alert">
            {problem}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class={action.isDangerous ? "primary dangerous" : "primary"} disabled={isRunning}>
            {action.verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** What is wrong with the input of a dialog. */
export class Mistake extends Error {}

/** Buttons, each of which opens the dialog of its action. */
export function Actions({ actions, changed }: { actions: [string, () => Action][]; changed: () => void }) {
  const [open, setOpen] = useState<Action>();
  return (
    <>
      <div class="buttons">
        {actions.map(([label, action]) => (
          <button key={label} type="button" onClick={() => setOpen(action())}>
            {label}
          </button>
        ))}
      </div>
      {open !== undefined && (
        <Confirm
          action={open}
          done={(isChanged) => {
            setOpen(undefined);
            if (isChanged) {
              changed();
            }
          }}
        />
      )}
    </>
  );
}
