// The page for who is not signed in, or not any more.
import { KeyRound, LoaderCircle } from "lucide-react";
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { Mark } from "../shell/mark";

export interface DemoKeys {
  admin: string;
  customer: string;
}

interface Props {
  /** Why this page is shown to somebody who was signed in. */
  notice: string | null;
  /** Resolves to why it failed, or to null. */
  signIn: (key: string) => Promise<string | null>;
}

export function SignIn({ notice, signIn }: Props) {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const demoKeys = useDemoKeys();
  const ids = { key: useId(), hint: useId(), problem: useId() };

  const tryKey = async (candidate: string) => {
    setBusy(true);
    setProblem(null);
    const failed = await signIn(candidate);
    setBusy(false);
    if (failed) {
      setProblem(failed);
      input.current?.focus();
      input.current?.select();
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const candidate = key.trim().replace(/^bearer\s+/i, "");
    if (!candidate) {
      setProblem("Enter your API key.");
      input.current?.focus();
    } else {
      void tryKey(candidate);
    }
  };

  return (
    <main className="sign-in">
      <div className="sign-in-card">
        <Mark />
        <h1>Orders desk</h1>
        {notice ? (
          <p className="sign-in-notice" role="status">
            {notice}
          </p>
        ) : (
          <p className="muted">Sign in with your API key to see and handle orders.</p>
        )}
        <form onSubmit={submit} noValidate>
          <label htmlFor={ids.key}>API key</label>
          <input
            ref={input}
            id={ids.key}
            className="field mono"
            type="password"
            value={key}
            onChange={(event) => setKey(event.target.value)}
            autoComplete="off"
            spellCheck={false}
            // biome-ignore lint/a11y/noAutofocus: it is the one thing to do on this page
            autoFocus
            aria-invalid={problem !== null}
            aria-describedby={problem ? ids.problem : ids.hint}
          />
          <p id={ids.problem} className="field-problem" role="alert">
            {problem}
          </p>
          <button className="button primary wide" type="submit" disabled={busy}>
            {busy ? <LoaderCircle className="spin" aria-hidden /> : <KeyRound aria-hidden />}
            {busy ? "Signing in …" : "Sign in"}
          </button>
          <p id={ids.hint} className="hint">
            The key stays in this tab and is forgotten when you close it.
          </p>
        </form>
        {demoKeys && (
          <section className="sign-in-demo" aria-label="Demo">
            <p>This is a demo shop. Have a look around as</p>
            <div>
              <button
                type="button"
                className="button"
                disabled={busy}
                onClick={() => void tryKey(demoKeys.admin)}
              >
                Administrator
              </button>
              <button
                type="button"
                className="button"
                disabled={busy}
                onClick={() => void tryKey(demoKeys.customer)}
              >
                Customer
              </button>
            </div>
          </section>
        )}
      </div>
    </main>
  );
}

/** The keys that a demo gives away; none elsewhere. */
function useDemoKeys(): DemoKeys | null {
  const [keys, setKeys] = useState<DemoKeys | null>(null);
  useEffect(() => {
    const leaving = new AbortController();
    fetch("/web/demo.json", { signal: leaving.signal })
      .then((response) => response.json() as Promise<{ keys: DemoKeys | null }>)
      .then(
        ({ keys: given }) => setKeys(given),
        () => undefined, // without them one signs in with a key of one's own
      );
    return () => leaving.abort();
  }, []);
  return keys;
}
