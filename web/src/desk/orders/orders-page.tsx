// The list of orders: what to show of them, the rows, and what is done with the selected ones.
import { PackageSearch, RefreshCw, ServerCrash, X } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { flushSync } from "react-dom";
import { useLocation, useSearch } from "wouter";
import { codesOf, sentenceOf } from "../client";
import { countOf } from "../format";
import type { OrderFilter, OrderSort, OrderStatus } from "../gql/graphql";
import { useSession } from "../session/session";
import { isTyping } from "../shell/keys";
import { useOutcomes } from "../shell/outcome";
import { changeStatus, deleteOrders } from "./actions";
import { useArrivals } from "./arrivals";
import { BulkBar } from "./bulk-bar";
import { addressOf, filterOf, hasConditions, readConditions } from "./conditions";
import { DeleteDialog } from "./delete-dialog";
import { Filters } from "./filters";
import { OrderGrid } from "./order-grid";
import { OrderList, type Row } from "./order-list";
import { SortField } from "./sort-field";

const byKey: Readonly<Record<string, OrderStatus>> = {
  1: "PENDING",
  2: "DELIVERY",
  3: "COMPLETED",
};

export function OrdersPage() {
  const { can, client, feed, lists } = useSession();
  const query = useSearch();
  const [, navigate] = useLocation();
  const conditions = useMemo(() => readConditions(query), [query]);
  // The same text for the same conditions, whatever the address has beside them.
  const filterText = JSON.stringify(filterOf(conditions));
  const { sort } = conditions;
  const kept = useMemo(
    () =>
      lists.keep(
        addressOf(conditions),
        () => new OrderList(client, feed, JSON.parse(filterText) as OrderFilter, sort),
      ),
    [client, feed, lists, conditions, filterText, sort],
  );
  const { list } = kept;
  useEffect(() => list.open(), [list]);
  const state = useSyncExternalStore(list.subscribe, list.getState);

  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [deleting, setDeleting] = useState<readonly Row[] | null>(null);
  const { run, busy } = useOutcomes();
  const search = useRef<HTMLInputElement>(null);
  const grid = useRef<HTMLDivElement>(null);
  // What had the focus, a button for the selected ones, is gone with the selection.
  const letGo = useCallback(() => {
    setSelected(new Set());
    grid.current?.focus({ preventScroll: true });
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another list has other orders
  useEffect(() => setSelected(new Set()), [list]);
  const chosen = useMemo(
    () => (selected.size ? state.rows.filter(({ id }) => selected.has(id)) : []),
    [state.rows, selected],
  );
  const mayChange = can("ADMIN");
  const mayDelete = can("ORDERS_WRITE");
  useEffect(() => {
    document.title = "Orders - Orders desk";
  }, []);

  const setStatus = useCallback(
    (to: OrderStatus) => {
      if (mayChange && chosen.length > 0 && !busy) {
        void run(() =>
          changeStatus(
            client,
            chosen.map((row) => ({ ...row, to })),
          ),
        );
        letGo();
      }
    },
    [client, run, chosen, mayChange, busy, letGo],
  );
  const confirmDeletion = useCallback(() => {
    if (mayDelete && chosen.length > 0 && !busy) {
      setDeleting(chosen);
    }
  }, [chosen, mayDelete, busy]);
  const remove = (rows: readonly Row[]) => {
    // Nothing behind a dialog can have the focus, so it has to be gone first.
    flushSync(() => setDeleting(null));
    letGo();
    void run(() => deleteOrders(client, rows, { canRestore: mayChange, leaveOut: list.leaveOut }));
  };

  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (isTyping(event)) {
        return;
      }
      const status = byKey[event.key];
      if (event.key === "/") {
        event.preventDefault();
        search.current?.focus();
        search.current?.select();
      } else if (status) {
        setStatus(status);
      } else if (event.key === "Delete") {
        confirmDeletion();
      }
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [setStatus, confirmDeletion]);

  const sortBy = (by: OrderSort) =>
    navigate(addressOf({ ...conditions, sort: by }), { replace: true });
  const arrivals = useArrivals(state);
  const failed = state.error && state.rows.length === 0 && state.more !== "failed";
  return (
    <main id="main" className="page orders" tabIndex={-1}>
      <div className="page-head">
        <h1>Orders</h1>
        <p className="count" role="status">
          {state.count !== null && countOf(state.count, "order")}
        </p>
        {hasConditions(conditions) && (
          <button
            type="button"
            className="button quiet small"
            onClick={() => navigate(addressOf({ sort }), { replace: true })}
          >
            <X aria-hidden />
            Clear
          </button>
        )}
        <div className="page-actions">
          <SortField sort={sort} onSort={sortBy} />
        </div>
        <p className="visually-hidden" role="status">
          {arrivals}
        </p>
      </div>
      <Filters conditions={conditions} searchField={search} />
      {failed && state.error ? (
        <div className="empty" role="alert">
          <ServerCrash aria-hidden />
          <h2>The orders could not be loaded</h2>
          <p>
            {codesOf(state.error).includes("FORBIDDEN")
              ? "This key may not read orders: it needs the scope orders:read."
              : sentenceOf(state.error)}
          </p>
          <button type="button" className="button" onClick={list.retry}>
            <RefreshCw aria-hidden />
            Try again
          </button>
        </div>
      ) : state.rows.length === 0 && !state.loading ? (
        <div className="empty" role="status">
          <PackageSearch aria-hidden />
          {hasConditions(conditions) ? (
            <>
              <h2>No order matches</h2>
              <p>Try fewer conditions, or other words.</p>
              <button
                type="button"
                className="button"
                onClick={() => navigate(addressOf({ sort: conditions.sort }))}
              >
                Show all orders
              </button>
            </>
          ) : (
            <>
              <h2>No orders yet</h2>
              <p>New ones appear here the moment they are placed.</p>
            </>
          )}
        </div>
      ) : (
        <OrderGrid
          key={kept.address}
          grid={grid}
          state={state}
          sort={conditions.sort}
          onSort={sortBy}
          selected={selected}
          onSelect={setSelected}
          selectable={mayChange || mayDelete}
          withCustomers={mayChange}
          place={kept.place}
          loadMore={list.loadMore}
          retry={list.retry}
        />
      )}
      <BulkBar
        count={chosen.length}
        busy={busy}
        {...(mayChange && { setStatus })}
        {...(mayDelete && { remove: confirmDeletion })}
        clear={letGo}
      />
      {deleting && (
        <DeleteDialog
          orders={deleting}
          canRestore={mayChange}
          onCancel={() => setDeleting(null)}
          onConfirm={() => remove(deleting)}
        />
      )}
    </main>
  );
}
