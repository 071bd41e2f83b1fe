// Whether the service is there, and what that means for what is shown.
import { CloudOff } from "lucide-react";
import { useEffect, useState, useSyncExternalStore } from "react";
import type { LiveState } from "../live";
import { useSession } from "../session/session";

const names: Readonly<Record<LiveState, string>> = {
  connecting: "Connecting",
  live: "Live",
  away: "Offline",
};

function useLiveState(): LiveState {
  const { feed } = useSession();
  return useSyncExternalStore(feed.onStateChange, () => feed.state);
}

export function LiveSign() {
  const state = useLiveState();
  return (
    <p className="live-sign" data-state={state}>
      <span className="dot" aria-hidden="true" />
      {names[state]}
    </p>
  );
}

export function AwayBanner() {
  const { feed } = useSession();
  const state = useLiveState();
  const [back, setBack] = useState(false);
  useEffect(
    () =>
      feed.onReturn(() => {
        setBack(true);
      }),
    [feed],
  );
  return (
    <div className="banner-place" role="status">
      {state === "away" ? (
        <div className="banner">
          <CloudOff aria-hidden />
          <p>
            The service can’t be reached. What you see is how it was; it goes on by itself when the
            service is back. <RetryCountdown />
          </p>
          <button type="button" className="button small" onClick={feed.tryNow}>
            Try now
          </button>
        </div>
      ) : (
        back && <p className="visually-hidden">The service is back.</p>
      )}
    </div>
  );
}

/** Left out of what a screen reader is told: it changes every second. */
function RetryCountdown() {
  const { feed } = useSession();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.ceil((feed.nextTryAt - now) / 1000);
  return (
    <span className="muted" aria-hidden="true">
      {seconds > 0 ? `Next try in ${seconds} s.` : "Trying …"}
    </span>
  );
}
