// The orders that the list shows: pages as they are scrolled to, and what happens meanwhile.
import type { Client, CombinedError } from "urql";
import { readFragment } from "../gql";
import {
  OrderCountDocument,
  type OrderFilter,
  type OrderLineFragment,
  OrderLineFragmentDoc,
  type OrderSort,
  OrdersDocument,
} from "../gql/graphql";
import type { LiveEvent, LiveFeed } from "../live";

export type Row = OrderLineFragment;

export interface ListState {
  rows: readonly Row[];
  /** Of the first page. */
  loading: boolean;
  /** Another page is under way, or was asked for in vain. */
  more: "none" | "waiting" | "loading" | "failed";
  error: CombinedError | null;
  /** How many match over all pages; null while that is counted. */
  count: number | null;
  /** Orders that turned up since the list was opened. */
  arrived: ReadonlySet<string>;
}

interface Page {
  rows: readonly Row[];
  /** The last row as it was when the page came: where its cursor is. */
  end: Row | undefined;
  endCursor: string | null;
  hasNextPage: boolean;
  answered: boolean;
  error: CombinedError | null;
  close: () => void;
}

const FIRST_PAGE = 50;
const NEXT_PAGE = 100;
const GATHER_MS = 120;
const COUNT_AFTER_MS = 1_000;

/**
 * A list of orders under conditions.
 *
 * Each page is a query that stays open on the client's cache, so that a change of one order works
 * out one page anew, however many there are. Orders that come to match are asked for by their ids
 * under the same conditions: what a search finds is for the service to say.
 */
export class OrderList {
  readonly #pages: Page[] = [];
  readonly #arrivals: Page[] = [];
  readonly #arrived = new Set<string>();
  #gone: ReadonlySet<string> = new Set();
  /** The rows as they were put together last, and from what. */
  #made: { from: readonly unknown[]; rows: readonly Row[] } = { from: [], rows: [] };
  readonly #heard = new Set<string>();
  readonly #listeners = new Set<() => void>();
  readonly #stops: (() => void)[] = [];
  #count: number | null = null;
  #gatherTimer: ReturnType<typeof setTimeout> | undefined;
  #countTimer: ReturnType<typeof setTimeout> | undefined;
  #state: ListState = {
    rows: [],
    loading: true,
    more: "none",
    error: null,
    count: null,
    arrived: this.#arrived,
  };

  constructor(
    private readonly client: Client,
    private readonly feed: LiveFeed,
    private readonly filter: OrderFilter,
    private readonly sort: OrderSort,
  ) {}

  /** Begin, if it has not. */
  open(): void {
    if (this.#stops.length > 0) {
      return;
    }
    this.#stops.push(
      this.feed.onEvent((event) => this.#hear(event)),
      this.feed.onReturn((gap) => (gap ? this.reload() : this.retry())),
    );
    this.#loadPage();
    this.#countSoon(0);
  }

  close(): void {
    for (const stop of this.#stops.splice(0)) {
      stop();
    }
    this.#clear();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly getState = (): ListState => this.#state;

  /** Load the next page, unless that is under way or there is none. */
  readonly loadMore = (): void => {
    const last = this.#pages.at(-1);
    if (last?.answered && last.hasNextPage && !last.error) {
      this.#loadPage();
    }
  };

  /** Ask again for what could not be loaded. */
  readonly retry = (): void => {
    const last = this.#pages.at(-1);
    if (last?.error) {
      last.close();
      this.#pages.pop();
      this.#loadPage();
    }
    if (this.#count === null) {
      this.#countSoon(0);
    }
  };

  /** Begin anew, with the rows of now shown meanwhile. */
  readonly reload = (): void => {
    this.#clear();
    this.#arrived.clear();
    this.#gone = new Set();
    this.#loadPage();
    this.#countSoon(0);
  };

  /** Leave orders out, or take them in again: before the service has said so. */
  readonly leaveOut = (ids: Iterable<string>, out: boolean): void => {
    const gone = new Set(this.#gone);
    for (const id of ids) {
      if (out) {
        gone.add(id);
      } else {
        gone.delete(id);
      }
    }
    this.#gone = gone;
    this.#update();
  };

  #clear(): void {
    for (const page of [...this.#pages.splice(0), ...this.#arrivals.splice(0)]) {
      page.close();
    }
    clearTimeout(this.#gatherTimer);
    clearTimeout(this.#countTimer);
    this.#gatherTimer = undefined;
    this.#countTimer = undefined;
  }

  #loadPage(): void {
    const before = this.#pages.at(-1);
    const page = this.#openPage(
      before ? NEXT_PAGE : FIRST_PAGE,
      before?.endCursor ?? null,
      this.filter,
    );
    this.#pages.push(page);
    this.#update();
  }

  #openPage(first: number, after: string | null, filter: OrderFilter): Page {
    const page: Page = {
      rows: [],
      end: undefined,
      endCursor: null,
      hasNextPage: false,
      answered: false,
      error: null,
      close: () => undefined,
    };
    const variables = { first, after, filter, sort: this.sort };
    // What was cached of an earlier visit is not what the list is now.
    const { unsubscribe } = this.client
      .query(OrdersDocument, variables, { requestPolicy: "network-only" })
      .subscribe(({ data, error, stale }) => {
        page.answered = !stale;
        page.error = error ?? null;
        if (data) {
          page.rows = readFragment(OrderLineFragmentDoc, data.orders.nodes);
          page.end ??= page.rows.at(-1);
          page.endCursor = data.orders.pageInfo.endCursor;
          page.hasNextPage = data.orders.pageInfo.hasNextPage;
        }
        this.#update();
      });
    page.close = unsubscribe;
    return page;
  }

  #hear({ type, orderId }: LiveEvent): void {
    if (type === "DELETED") {
      this.leaveOut([orderId], true);
      this.#heard.delete(orderId);
    } else {
      if (type === "RESTORED") {
        this.leaveOut([orderId], false);
      }
      if (!this.#has(orderId)) {
        this.#heard.add(orderId);
        this.#gatherTimer ??= setTimeout(() => this.#gather(), GATHER_MS);
      }
    }
    if (type !== "ADDRESS_CHANGED") {
      this.#countSoon(COUNT_AFTER_MS);
    }
  }

  #has(id: string): boolean {
    return [...this.#pages, ...this.#arrivals].some(({ rows }) =>
      rows.some((row) => row.id === id),
    );
  }

  #gather(): void {
    this.#gatherTimer = undefined;
    const ids = [...this.#heard].slice(0, NEXT_PAGE);
    for (const id of ids) {
      this.#heard.delete(id);
      this.#arrived.add(id);
    }
    this.#arrivals.push(this.#openPage(NEXT_PAGE, null, { ...this.filter, ids }));
    if (this.#heard.size > 0) {
      this.#gatherTimer = setTimeout(() => this.#gather(), GATHER_MS);
    }
  }

  #countSoon(wait_ms: number): void {
    // Once in a while, also where changes never stop.
    this.#countTimer ??= setTimeout(async () => {
      this.#countTimer = undefined;
      const { data } = await this.client
        .query(OrderCountDocument, { filter: this.filter }, { requestPolicy: "network-only" })
        .toPromise();
      if (data && this.#stops.length > 0) {
        this.#count = data.orders.totalCount;
        this.#update();
      }
    }, wait_ms);
  }

  #update(): void {
    const first = this.#pages[0];
    const last = this.#pages.at(-1);
    // The rows of before stay until the first page of the list that begins anew is there.
    const isBeginning = first && !first.answered && !first.error;
    this.#state = {
      rows: isBeginning ? this.#state.rows : this.#rows(),
      loading: !first?.answered && !first?.error,
      more: moreOf(last, this.#pages.length),
      error: last?.error ?? null,
      count: this.#count,
      arrived: this.#arrived,
    };
    for (const listener of this.#listeners) {
      listener();
    }
  }

  #rows(): readonly Row[] {
    const from = [this.#gone, ...[...this.#pages, ...this.#arrivals].map(({ rows }) => rows)];
    const { from: before, rows } = this.#made;
    if (from.length !== before.length || from.some((part, at) => part !== before[at])) {
      this.#made = { from, rows: this.#sortedRows() };
      return this.#made.rows;
    }
    return rows;
  }

  #sortedRows(): Row[] {
    const known = new Map<string, Row>();
    const last = this.#pages.at(-1);
    for (const { rows } of this.#pages) {
      for (const row of rows) {
        known.set(row.id, row);
      }
    }
    const end = last?.hasNextPage ? last.end : undefined;
    for (const { rows } of this.#arrivals) {
      for (const row of rows) {
        // What belongs below what is loaded comes with its page.
        if (!known.has(row.id) && (!end || this.#compare(row, end) < 0)) {
          known.set(row.id, row);
        }
      }
    }
    const { status } = this.filter;
    return [...known.values()]
      .filter(({ id, status: its }) => !this.#gone.has(id) && (!status || status.includes(its)))
      .sort((one, other) => this.#compare(one, other));
  }

  #compare(one: Row, other: Row): number {
    const direction = this.sort.endsWith("_DESC") ? -1 : 1;
    return direction * (this.#compareKeys(one, other) || compare(one.id, other.id));
  }

  #compareKeys(one: Row, other: Row): number {
    if (this.sort.startsWith("TOTAL")) {
      // Near enough to sort by; ties that it makes of huge amounts are broken by id.
      return Number(one.total.amount) - Number(other.total.amount);
    }
    return this.sort.startsWith("CREATED")
      ? compare(one.createdAt, other.createdAt)
      : compare(one.updatedAt, other.updatedAt);
  }
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function moreOf(last: Page | undefined, pages: number): ListState["more"] {
  if (!last?.answered) {
    return pages > 1 ? "loading" : "none";
  }
  if (last.error) {
    return pages > 1 ? "failed" : "none";
  }
  return last.hasNextPage ? "waiting" : "none";
}
