// The rows, of which only those in sight are in the page, and moving among them by keys.
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp, LoaderCircle } from "lucide-react";
import {
  type KeyboardEvent,
  type MouseEvent,
  type RefObject,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { useLocation } from "wouter";
import { countOf } from "../format";
import type { OrderSort } from "../gql/graphql";
import { isTyping } from "../shell/keys";
import type { Place } from "./list-keeper";
import type { ListState, Row } from "./order-list";
import { OrderRow } from "./order-row";

interface Props {
  grid: RefObject<HTMLDivElement | null>;
  state: ListState;
  sort: OrderSort;
  onSort: (sort: OrderSort) => void;
  selected: ReadonlySet<string>;
  onSelect: (selected: ReadonlySet<string>) => void;
  selectable: boolean;
  withCustomers: boolean;
  /** Where one was in this list, kept for the way back to it. */
  place: Place;
  loadMore: () => void;
  retry: () => void;
}

const LOAD_AHEAD_ROWS = 20;
const LOADING_ROWS = 12;
const narrow = window.matchMedia("(max-width: 719px)");

export function OrderGrid(props: Props) {
  const { state, sort, onSort, selected, onSelect, selectable, withCustomers } = props;
  const { rows } = state;
  const { place } = props;
  const { grid: scroller } = props;
  const [, navigate] = useLocation();
  const gridId = useId();
  const rowHeight = useRowHeight();
  const [activeId, setActiveId] = useState(place.activeId);
  const activeAt = rows.findIndex(({ id }) => id === activeId);
  const anchor = useRef<string | null>(null);
  const hasFoot = state.more !== "none";

  const virtualizer = useVirtualizer({
    count: rows.length + Number(hasFoot),
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    getItemKey: (index) => rows[index]?.id ?? "foot",
    overscan: 8,
    initialOffset: place.scrollTop,
  });
  useEffect(() => {
    place.activeId = activeId;
  }, [place, activeId]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: measured anew when the height is another
  useEffect(() => virtualizer.measure(), [virtualizer, rowHeight]);
  const items = virtualizer.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  const { loadMore } = props;
  useEffect(() => {
    if (state.more === "waiting" && lastShown >= rows.length - LOAD_AHEAD_ROWS) {
      loadMore();
    }
  }, [state.more, lastShown, rows.length, loadMore]);
  const unseen = useKeptPlace(scroller, rows, rowHeight, place);

  const select = (row: Row, isOn: boolean, through: boolean) => {
    const next = new Set(selected);
    const at = rows.indexOf(row);
    const from = through ? rows.findIndex(({ id }) => id === anchor.current) : -1;
    const span = from < 0 ? [row] : rows.slice(Math.min(from, at), Math.max(from, at) + 1);
    for (const { id } of span) {
      if (isOn) {
        next.add(id);
      } else {
        next.delete(id);
      }
    }
    anchor.current = row.id;
    onSelect(next);
  };
  const moveTo = (index: number, through: boolean) => {
    const at = Math.max(0, Math.min(rows.length - 1, index));
    const row = rows[at];
    if (!row) {
      return;
    }
    const before = rows[activeAt];
    if (through && selectable) {
      const next = new Set(selected);
      if (before) {
        next.add(before.id);
      }
      onSelect(next.add(row.id));
      anchor.current = row.id;
    }
    setActiveId(row.id);
    virtualizer.scrollToIndex(at);
  };

  const press = (event: KeyboardEvent | globalThis.KeyboardEvent) => {
    if (isTyping(event)) {
      return;
    }
    const perPage = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / rowHeight) - 2);
    const row = rows[activeAt];
    const moves: Record<string, number> = {
      j: activeAt + 1,
      J: activeAt + 1,
      ArrowDown: activeAt + 1,
      k: activeAt - 1,
      K: activeAt - 1,
      ArrowUp: activeAt - 1,
      PageDown: activeAt + perPage,
      PageUp: activeAt - perPage,
      Home: 0,
      End: rows.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) {
      event.preventDefault();
      moveTo(to, event.shiftKey);
    } else if (event.key === "Enter" && row && !isOnControl(event)) {
      event.preventDefault();
      navigate(`/orders/${row.id}`);
    } else if (!selectable) {
      return;
    } else if (
      (event.key === " " || event.key.toLowerCase() === "x") &&
      row &&
      !isOnControl(event)
    ) {
      event.preventDefault();
      select(row, event.shiftKey || !selected.has(row.id), event.shiftKey);
    } else if (event.key === "a") {
      onSelect(new Set(rows.map(({ id }) => id)));
    } else if (event.key === "Escape") {
      onSelect(new Set());
    }
  };
  // Also where the focus is nowhere, as after the page was opened.
  const pressed = useRef(press);
  pressed.current = press;
  useEffect(() => {
    const pressAnywhere = (event: globalThis.KeyboardEvent) => {
      if (event.target === document.body || (event.target as HTMLElement).id === "main") {
        pressed.current(event);
      }
    };
    window.addEventListener("keydown", pressAnywhere);
    return () => window.removeEventListener("keydown", pressAnywhere);
  }, []);

  const columns = [
    ...(selectable ? ["select"] : []),
    "number",
    "placed",
    ...(withCustomers ? ["customer"] : []),
    "items",
    "address",
    "status",
    "total",
  ];
  const headProps = { sort, onSort };
  const allSelected = rows.length > 0 && rows.every(({ id }) => selected.has(id));
  return (
    <div className="grid-frame">
      {unseen > 0 && (
        <button
          type="button"
          className="button small unseen"
          onClick={() => virtualizer.scrollToIndex(0)}
        >
          <ArrowUp aria-hidden />
          {countOf(unseen, "new order")}
        </button>
      )}
      <div
        ref={scroller}
        className="grid"
        role="grid"
        aria-label="Orders"
        aria-multiselectable={selectable}
        aria-rowcount={state.more === "none" ? rows.length + 1 : -1}
        aria-colcount={columns.length}
        aria-busy={state.loading}
        aria-activedescendant={activeAt >= 0 ? `${gridId}-${activeId}` : undefined}
        tabIndex={0}
        data-customers={withCustomers}
        data-selectable={selectable}
        onKeyDown={press}
        onFocus={(event) => {
          if (event.target === event.currentTarget && activeAt < 0) {
            setActiveId(rows[0]?.id ?? null);
          }
        }}
      >
        <div role="rowgroup" className="grid-head">
          <div role="row" className="row head" aria-rowindex={1}>
            {selectable && (
              <div role="columnheader" className="cell select">
                <input
                  type="checkbox"
                  aria-label="Select all loaded orders"
                  checked={allSelected}
                  onChange={() =>
                    onSelect(allSelected ? new Set() : new Set(rows.map(({ id }) => id)))
                  }
                />
              </div>
            )}
            <div role="columnheader" className="cell number">
              Order
            </div>
            <SortHead {...headProps} className="placed" name="Placed" by="CREATED_AT" />
            {withCustomers && (
              <div role="columnheader" className="cell customer">
                Customer
              </div>
            )}
            <div role="columnheader" className="cell items">
              Items
            </div>
            <div role="columnheader" className="cell address">
              Ship to
            </div>
            <div role="columnheader" className="cell state">
              Status
            </div>
            <SortHead {...headProps} className="total" name="Total" by="TOTAL" />
          </div>
        </div>
        {state.loading && rows.length === 0 ? (
          <LoadingRows height={rowHeight} />
        ) : (
          <div role="rowgroup" className="grid-body" style={{ height: virtualizer.getTotalSize() }}>
            {items.map(({ index, key, start }) => {
              const row = rows[index];
              return row ? (
                <OrderRow
                  key={key}
                  id={`${gridId}-${row.id}`}
                  row={row}
                  index={index}
                  top={start}
                  height={rowHeight}
                  isActive={row.id === activeId}
                  isSelected={selected.has(row.id)}
                  isNew={state.arrived.has(row.id)}
                  selectable={selectable}
                  withCustomer={withCustomers}
                  onPick={(event: MouseEvent) => {
                    setActiveId(row.id);
                    select(row, !selected.has(row.id), event.shiftKey);
                  }}
                  onOpen={() => {
                    setActiveId(row.id);
                    navigate(`/orders/${row.id}`);
                  }}
                />
              ) : (
                <Foot
                  key={key}
                  top={start}
                  state={state}
                  retry={props.retry}
                  columns={columns.length}
                />
              );
            })}
          </div>
        )}
      </div>
    </div>
  );
}

interface SortHeadProps {
  className: string;
  name: string;
  by: "CREATED_AT" | "TOTAL";
  sort: OrderSort;
  onSort: (sort: OrderSort) => void;
}

function SortHead({ className, name, by, sort, onSort }: SortHeadProps) {
  const direction = sort.startsWith(by)
    ? sort.endsWith("_DESC")
      ? "descending"
      : "ascending"
    : "none";
  const Arrow = direction === "ascending" ? ArrowUp : ArrowDown;
  return (
    <div role="columnheader" className={`cell ${className}`} aria-sort={direction}>
      <button
        type="button"
        className="sort"
        tabIndex={-1}
        onClick={() => onSort(direction === "descending" ? `${by}_ASC` : `${by}_DESC`)}
      >
        {name}
        <Arrow className={direction === "none" ? "unsorted" : ""} aria-hidden />
      </button>
    </div>
  );
}

interface FootProps {
  top: number;
  state: ListState;
  retry: () => void;
  columns: number;
}

function Foot({ top, state, retry, columns }: FootProps) {
  return (
    <div role="row" className="foot" style={{ transform: `translateY(${top}px)` }}>
      <div role="gridcell" aria-colspan={columns}>
        {state.more === "failed" ? (
          <>
            <span>More orders could not be loaded.</span>
            <button type="button" className="button small" onClick={retry}>
              Try again
            </button>
          </>
        ) : (
          <>
            <LoaderCircle className="spin" aria-hidden />
            <span>Loading more …</span>
          </>
        )}
      </div>
    </div>
  );
}

function LoadingRows({ height }: { height: number }) {
  return (
    <div role="rowgroup" className="grid-body loading" aria-label="Loading">
      {Array.from({ length: LOADING_ROWS }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
        <div key={index} role="row" className="row ghost" style={{ height }}>
          <div role="gridcell" className="cell">
            <span className="bone" />
          </div>
        </div>
      ))}
    </div>
  );
}

function useRowHeight(): number {
  const [isNarrow, setIsNarrow] = useState(narrow.matches);
  useEffect(() => {
    const change = () => setIsNarrow(narrow.matches);
    narrow.addEventListener("change", change);
    return () => narrow.removeEventListener("change", change);
  }, []);
  return isNarrow ? 68 : 40;
}

/**
 * Keeps the rows in sight where they are when others are put in above them.
 *
 * Returns how many came in above and were not scrolled to yet.
 */
function useKeptPlace(
  scroller: RefObject<HTMLDivElement | null>,
  rows: readonly Row[],
  rowHeight: number,
  place: Place,
): number {
  const [unseen, setUnseen] = useState(0);
  const before = useRef({ rows, scrollTop: place.scrollTop });
  useLayoutEffect(() => {
    const element = scroller.current;
    const { rows: old, scrollTop } = before.current;
    before.current.rows = rows;
    const first = old[Math.floor(scrollTop / rowHeight)];
    if (!element || old === rows || scrollTop === 0 || !first) {
      return;
    }
    const moved =
      rows.indexOf(first) < 0 ? rows.findIndex(({ id }) => id === first.id) : rows.indexOf(first);
    const by = moved - old.indexOf(first);
    if (moved >= 0 && by !== 0) {
      element.scrollTop = scrollTop + by * rowHeight;
      setUnseen((count) => Math.max(0, count + by));
    }
  }, [scroller, rows, rowHeight]);
  useEffect(() => {
    const element = scroller.current;
    const scrolled = () => {
      before.current.scrollTop = element?.scrollTop ?? 0;
      place.scrollTop = before.current.scrollTop;
      if (before.current.scrollTop < rowHeight) {
        setUnseen(0);
      }
    };
    element?.addEventListener("scroll", scrolled, { passive: true });
    return () => element?.removeEventListener("scroll", scrolled);
  }, [scroller, rowHeight, place]);
  return unseen;
}

function isOnControl(event: KeyboardEvent | globalThis.KeyboardEvent): boolean {
  return (event.target as HTMLElement).closest("button, a, input") !== null;
}
