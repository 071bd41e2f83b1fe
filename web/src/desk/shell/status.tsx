import { statusNames } from "../format";
import type { OrderStatus } from "../gql/graphql";

const shapes: Readonly<Record<OrderStatus, React.ReactNode>> = {
  PENDING: <circle cx="6" cy="6" r="4.25" />,
  DELIVERY: (
    <>
      <circle cx="6" cy="6" r="4.25" />
      <path className="fill" d="M6 1.75a4.25 4.25 0 0 1 0 8.5z" />
    </>
  ),
  COMPLETED: (
    <>
      <circle className="fill" cx="6" cy="6" r="4.25" />
      <path className="tick" d="M4 6.2l1.5 1.4L8.2 4.7" />
    </>
  ),
};

/** A status by name, colour and shape. */
export function StatusBadge({ status }: { status: OrderStatus }) {
  return (
    <span className="status" data-status={status}>
      <StatusShape status={status} />
      {statusNames[status]}
    </span>
  );
}

export function StatusShape({ status }: { status: OrderStatus }) {
  return (
    <svg className="status-shape" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      {shapes[status]}
    </svg>
  );
}
