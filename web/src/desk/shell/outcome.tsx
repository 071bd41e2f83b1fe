// What became of the last thing done, with its undo; shown on every page until it is closed.
import { ChevronUp, CircleAlert, CircleCheck, Undo2, X } from "lucide-react";
import { createContext, type ReactNode, use, useCallback, useId, useMemo, useState } from "react";
import type { Outcome } from "../orders/actions";

interface Outcomes {
  outcome: Outcome | null;
  busy: boolean;
  /** Do something whose outcome is shown. */
  run: (action: () => Promise<Outcome>) => Promise<void>;
  undo: () => void;
  close: () => void;
}

const OutcomeContext = createContext<Outcomes | null>(null);

export function useOutcomes(): Outcomes {
  const outcomes = use(OutcomeContext);
  if (!outcomes) {
    throw new Error("below OutcomeProvider only");
  }
  return outcomes;
}

export function OutcomeProvider({ children }: { children: ReactNode }) {
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [busy, setBusy] = useState(false);
  const run = useCallback(async (action: () => Promise<Outcome>) => {
    setBusy(true);
    try {
      setOutcome(await action());
    } finally {
      setBusy(false);
    }
  }, []);
  const undo = useCallback(() => {
    if (outcome?.undo && !busy) {
      void run(outcome.undo);
    }
  }, [outcome, busy, run]);
  const close = useCallback(() => setOutcome(null), []);
  const value = useMemo(
    () => ({ outcome, busy, run, undo, close }),
    [outcome, busy, run, undo, close],
  );
  return <OutcomeContext value={value}>{children}</OutcomeContext>;
}

export function OutcomeBar() {
  const { outcome, busy, undo, close } = useOutcomes();
  return (
    <div className="outcome-place">
      <div role="status" className="visually-hidden">
        {outcome && `${outcome.title}${outcome.undo ? " It can be undone: press Z." : ""}`}
      </div>
      {outcome && (
        <OutcomePanel key={outcome.id} outcome={outcome} busy={busy} undo={undo} close={close} />
      )}
    </div>
  );
}

interface PanelProps {
  outcome: Outcome;
  busy: boolean;
  undo: () => void;
  close: () => void;
}

function OutcomePanel({ outcome, busy, undo, close }: PanelProps) {
  const failed = outcome.results.some(({ done }) => !done);
  const [open, setOpen] = useState(failed);
  const listId = useId();
  return (
    <section className="outcome" aria-label="What was done">
      <div className="outcome-line">
        {failed ? (
          <CircleAlert className="icon bad" aria-hidden />
        ) : (
          <CircleCheck className="icon good" aria-hidden />
        )}
        <p>{outcome.title}</p>
        {outcome.undo && (
          <button type="button" className="button small" disabled={busy} onClick={undo}>
            <Undo2 aria-hidden />
            Undo
          </button>
        )}
        <button
          type="button"
          className="button small quiet"
          aria-expanded={open}
          aria-controls={listId}
          onClick={() => setOpen(!open)}
        >
          <ChevronUp className={open ? "turned" : ""} aria-hidden />
          Each order
        </button>
        <button type="button" className="icon-button" aria-label="Close" onClick={close}>
          <X aria-hidden />
        </button>
      </div>
      <ul id={listId} className="outcome-list" hidden={!open} aria-label="Each order">
        {[...outcome.results]
          .sort((one, other) => Number(one.done) - Number(other.done))
          .map(({ id, name, done, text }) => (
            <li key={id}>
              {done ? (
                <CircleCheck className="icon good" aria-hidden />
              ) : (
                <CircleAlert className="icon bad" aria-hidden />
              )}
              <span>{name}</span>
              <span className={done ? "muted" : "bad"}>{text}</span>
            </li>
          ))}
      </ul>
    </section>
  );
}
