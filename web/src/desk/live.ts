// The events of the service as they happen, over one stream that is opened again when it ends.
import type { Client, CombinedError } from "urql";
import { codesOf } from "./client";
import { OrderEventsDocument, type OrderEventsSubscription } from "./gql/graphql";

export type LiveEvent = OrderEventsSubscription["orderEvents"]["node"];

/** `away`: the service can't be reached; it is tried again and again. */
export type LiveState = "connecting" | "live" | "away";

// Short at first: a service that restarts is back soon.
const waits_ms = [300, 1_000, 2_000, 4_000];
const AWAY_AFTER_MS = 1_500;
const LATE_MS = 500;

/**
 * Hears of every change to the orders that the caller may see.
 *
 * It goes on from the last event that it had, so that nothing is missed in between. If there was
 * none yet, or the service does not know it any more, listeners are told of the gap.
 */
export class LiveFeed {
  #client: Client | undefined;
  #after: string | null = null;
  #failures = 0;
  #opened = false;
  #begunAt = 0;
  #state: LiveState = "connecting";
  #stop: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #awayTimer: ReturnType<typeof setTimeout> | undefined;
  #nextTryAt = 0;
  readonly #events = new Set<(event: LiveEvent) => void>();
  readonly #returns = new Set<(gap: boolean) => void>();
  readonly #changes = new Set<() => void>();

  get state(): LiveState {
    return this.#state;
  }

  /** When the service is tried next, if it is away. */
  get nextTryAt(): number {
    return this.#nextTryAt;
  }

  onEvent(listener: (event: LiveEvent) => void): () => void {
    return registered(this.#events, listener);
  }

  /** Calls back when the service is there again; `gap` says that events may have been missed. */
  onReturn(listener: (gap: boolean) => void): () => void {
    return registered(this.#returns, listener);
  }

  readonly onStateChange = (listener: () => void): (() => void) =>
    registered(this.#changes, listener);

  start(client: Client): void {
    this.#client = client;
    this.#begunAt = Date.now();
    this.#listen();
    window.addEventListener("online", this.tryNow);
    document.addEventListener("visibilitychange", this.#wake);
  }

  stop(): void {
    this.#client = undefined;
    this.#stop?.();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    clearTimeout(this.#awayTimer);
    this.#awayTimer = undefined;
    window.removeEventListener("online", this.tryNow);
    document.removeEventListener("visibilitychange", this.#wake);
  }

  readonly tryNow = (): void => {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#listen();
    }
  };

  /** The stream was opened. */
  readonly opened = (): void => {
    clearTimeout(this.#awayTimer);
    this.#awayTimer = undefined;
    this.#failures = 0;
    // What was loaded long before the stream was there may be behind it.
    const returned = this.#opened || Date.now() - this.#begunAt > LATE_MS;
    this.#opened = true;
    this.#set("live");
    if (returned) {
      for (const listener of this.#returns) {
        listener(this.#after === null);
      }
    }
  };

  // A computer that slept does not notice that its connection is dead: a new one costs little.
  #hiddenAt = 0;
  readonly #wake = (): void => {
    if (document.hidden) {
      this.#hiddenAt = Date.now();
    } else if (this.#state !== "live") {
      this.tryNow();
    } else if (Date.now() - this.#hiddenAt > 60_000) {
      this.#stop?.();
      this.#listen();
    }
  };

  #listen(): void {
    const client = this.#client;
    if (!client) {
      return;
    }
    this.#timer = undefined;
    const { unsubscribe } = client
      .subscription(OrderEventsDocument, { after: this.#after })
      .subscribe(({ data, error }) => {
        if (error) {
          this.ended(error);
        } else if (data) {
          this.#after = data.orderEvents.cursor;
          for (const listener of this.#events) {
            listener(data.orderEvents.node);
          }
        }
      });
    this.#stop = unsubscribe;
  }

  /** The stream is at its end, or could not be opened. */
  readonly ended = (error?: CombinedError): void => {
    if (!this.#client || this.#timer !== undefined) {
      return;
    }
    this.#stop?.();
    const codes = error ? codesOf(error) : [];
    if (codes.includes("UNAUTHENTICATED") || codes.includes("FORBIDDEN")) {
      return; // the session ends, or has nothing to hear
    }
    if (codes.includes("BAD_USER_INPUT")) {
      this.#after = null; // of another database, perhaps
    }
    const resumeAfter = error?.graphQLErrors[0]?.extensions.resumeAfter;
    if (typeof resumeAfter === "string") {
      this.#after = resumeAfter;
    }
    const wait_ms = waits_ms[Math.min(this.#failures, waits_ms.length - 1)] ?? 0;
    this.#failures += 1;
    this.#nextTryAt = Date.now() + wait_ms;
    this.#timer = setTimeout(() => this.#listen(), wait_ms);
    if (this.#state === "away") {
      this.#tell();
    } else {
      this.#set("connecting");
      this.#awayTimer ??= setTimeout(() => this.#set("away"), AWAY_AFTER_MS);
    }
  };

  #set(state: LiveState): void {
    if (state !== this.#state) {
      this.#state = state;
      this.#tell();
    }
  }

  #tell(): void {
    for (const listener of this.#changes) {
      listener();
    }
  }
}

function registered<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
