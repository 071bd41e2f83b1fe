// One order: what was bought, where it goes, and all that happened to it.
import { ArrowLeft, PackageX, ServerCrash, Trash2 } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { useQuery } from "urql";
import { Link } from "wouter";
import { sentenceOf } from "../client";
import { formatMoment, statuses, statusNames } from "../format";
import { readFragment } from "../gql";
import {
  HistoryEntryFragmentDoc,
  OrderDocument,
  OrderLineFragmentDoc,
  type OrderStatus,
} from "../gql/graphql";
import { changeStatus, deleteOrders, restoreOrders } from "../orders/actions";
import { addressOf } from "../orders/conditions";
import { DeleteDialog } from "../orders/delete-dialog";
import { useSession } from "../session/session";
import { useOutcomes } from "../shell/outcome";
import { StatusBadge, StatusShape } from "../shell/status";
import { Address } from "./address";
import { History } from "./history";
import { Items } from "./items";

export function OrderPage({ id }: { id: string }) {
  const { can, client, feed } = useSession();
  const { run, busy } = useOutcomes();
  const [deleting, setDeleting] = useState(false);
  const [{ data, error, fetching }, ask] = useQuery({
    query: OrderDocument,
    variables: { id },
    requestPolicy: "cache-and-network",
  });
  const refresh = useCallback(() => ask({ requestPolicy: "network-only" }), [ask]);
  useEffect(() => feed.onEvent(({ orderId }) => orderId === id && refresh()), [feed, id, refresh]);
  useEffect(() => feed.onReturn(refresh), [feed, refresh]);

  const found = data?.order;
  const order = readFragment(OrderLineFragmentDoc, found);
  const title = order ? `Order #${order.number}` : "Order";
  useEffect(() => {
    document.title = `${title} - Orders desk`;
  }, [title]);

  const mayChange = can("ADMIN");
  // Nothing to leave out: the page follows the order itself.
  const leaveOut = refresh;
  if (!found || !order) {
    return (
      <main id="main" className="page order" tabIndex={-1}>
        <BackLink />
        {error ? (
          <div className="empty" role="alert">
            <ServerCrash aria-hidden />
            <h1>The order could not be loaded</h1>
            <p>{sentenceOf(error)}</p>
            <button type="button" className="button" onClick={refresh}>
              Try again
            </button>
          </div>
        ) : fetching ? (
          <OrderGhost />
        ) : (
          <div className="empty" role="status">
            <PackageX aria-hidden />
            <h1>There is no such order</h1>
            <p>It may have been deleted.</p>
            {mayChange && (
              <button
                type="button"
                className="button"
                disabled={busy}
                onClick={() =>
                  void run(async () => {
                    const outcome = await restoreOrders(client, [{ id, number: 0 }], leaveOut);
                    refresh();
                    return outcome;
                  })
                }
              >
                Bring it back
              </button>
            )}
          </div>
        )}
      </main>
    );
  }

  const mayDelete = can("ORDERS_WRITE");
  const setStatus = (to: OrderStatus) => run(() => changeStatus(client, [{ ...order, to }]));
  return (
    <main id="main" className="page order" tabIndex={-1}>
      <BackLink />
      <div className="page-head">
        <h1>{title}</h1>
        <StatusBadge status={order.status} />
        <p className="muted">
          Placed <time dateTime={order.createdAt}>{formatMoment(order.createdAt)}</time>
        </p>
        <div className="page-actions">
          {mayChange && (
            <fieldset className="toggles">
              <legend className="visually-hidden">Status</legend>
              {statuses.map((status) => (
                <button
                  key={status}
                  type="button"
                  className="toggle"
                  data-status={status}
                  aria-pressed={status === order.status}
                  disabled={busy}
                  onClick={() => status !== order.status && void setStatus(status)}
                >
                  <StatusShape status={status} />
                  {statusNames[status]}
                </button>
              ))}
            </fieldset>
          )}
          {mayDelete && (
            <button
              type="button"
              className="button danger"
              disabled={busy}
              onClick={() => setDeleting(true)}
            >
              <Trash2 aria-hidden />
              Delete …
            </button>
          )}
        </div>
      </div>
      <div className="order-columns">
        <Items order={found} />
        <div className="order-side">
          <section className="card" aria-labelledby="delivery">
            <h2 id="delivery">Delivery</h2>
            <Address order={order} mayChange={order.status === "PENDING" && can("ORDERS_WRITE")} />
          </section>
          <section className="card" aria-labelledby="customer">
            <h2 id="customer">Customer</h2>
            {found.customer && order.customer ? (
              <>
                <p>{order.customer.name}</p>
                {found.customer.email && (
                  <p>
                    <a href={`mailto:${found.customer.email}`}>{found.customer.email}</a>
                  </p>
                )}
                {mayChange && (
                  <p>
                    <Link href={addressOf({ customer: order.customer.id })}>All their orders</Link>
                  </p>
                )}
              </>
            ) : (
              <p className="muted">This customer is not there any more.</p>
            )}
          </section>
          <section className="card" aria-labelledby="history">
            <h2 id="history">History</h2>
            <History
              entries={readFragment(HistoryEntryFragmentDoc, found.events.nodes)}
              isCut={found.events.pageInfo.hasNextPage}
            />
          </section>
          <dl className="small-print">
            <div>
              <dt>Id</dt>
              <dd className="mono">{order.id}</dd>
            </div>
            {order.externalId && (
              <div>
                <dt>Customer’s own id</dt>
                <dd className="mono">{order.externalId}</dd>
              </div>
            )}
            <div>
              <dt>Version</dt>
              <dd>{order.version}</dd>
            </div>
          </dl>
        </div>
      </div>
      {deleting && (
        <DeleteDialog
          orders={[order]}
          canRestore={mayChange}
          onCancel={() => setDeleting(false)}
          onConfirm={() => {
            setDeleting(false);
            void run(async () => {
              const outcome = await deleteOrders(client, [order], {
                canRestore: mayChange,
                leaveOut: () => undefined,
              });
              refresh();
              return outcome;
            });
          }}
        />
      )}
    </main>
  );
}

/** Back to the list as it was left, with its conditions. */
function BackLink() {
  const { lists } = useSession();
  return (
    <Link href={lists.address} className="back">
      <ArrowLeft aria-hidden />
      Orders
    </Link>
  );
}

function OrderGhost() {
  return (
    <div className="order-ghost" role="status" aria-label="Loading">
      <span className="bone" />
      <span className="bone" />
      <span className="bone" />
    </div>
  );
}
