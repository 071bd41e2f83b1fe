import { type MouseEvent, memo } from "react";
import { Link } from "wouter";
import { formatMoment, formatMoney, formatShortMoment, itemsInWords } from "../format";
import { StatusBadge } from "../shell/status";
import type { Row } from "./order-list";

interface Props {
  id: string;
  row: Row;
  index: number;
  top: number;
  height: number;
  isActive: boolean;
  isSelected: boolean;
  isNew: boolean;
  selectable: boolean;
  withCustomer: boolean;
  onPick: (event: MouseEvent) => void;
  onOpen: () => void;
}

export function OrderRow(props: Props) {
  const { id, row, index, top, height, isActive, isSelected, isNew, selectable } = props;
  const open = (event: MouseEvent) => {
    // What can be clicked by itself, and text that is being marked, is left alone.
    const isMarking = window.getSelection()?.isCollapsed === false;
    if (!(event.target as HTMLElement).closest("a, input, .select") && !isMarking) {
      props.onOpen();
    }
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid has the keys
    <div
      id={id}
      role="row"
      className="row"
      aria-rowindex={index + 2}
      aria-selected={selectable ? isSelected : undefined}
      data-active={isActive || undefined}
      data-new={isNew || undefined}
      style={{ height, transform: `translateY(${top}px)` }}
      onClick={open}
    >
      {selectable && (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the grid has the keys
        <div
          role="gridcell"
          className="cell select"
          onClick={(event) => {
            props.onPick(event);
          }}
        >
          <input
            type="checkbox"
            tabIndex={-1}
            aria-label={`Select order ${row.number}`}
            checked={isSelected}
            readOnly
          />
        </div>
      )}
      <Cells row={row} withCustomer={props.withCustomer} />
    </div>
  );
}

/** What changes with the order alone, and not with the selection or the place. */
const Cells = memo(function Cells({ row, withCustomer }: { row: Row; withCustomer: boolean }) {
  const items = itemsInWords(row.items);
  return (
    <>
      <div role="gridcell" className="cell number">
        <Link href={`/orders/${row.id}`} tabIndex={-1}>
          #{row.number}
        </Link>
      </div>
      <div role="gridcell" className="cell placed">
        <time dateTime={row.createdAt} title={formatMoment(row.createdAt)}>
          {formatShortMoment(row.createdAt)}
        </time>
      </div>
      {withCustomer && (
        <div role="gridcell" className="cell customer">
          {row.customer?.name ?? <span className="muted">gone</span>}
        </div>
      )}
      <div role="gridcell" className="cell items" title={items}>
        {items}
      </div>
      <div role="gridcell" className="cell address" title={row.address}>
        {row.address}
      </div>
      <div role="gridcell" className="cell state">
        <StatusBadge status={row.status} />
      </div>
      <div role="gridcell" className="cell total">
        {formatMoney(row.total)}
      </div>
    </>
  );
});
