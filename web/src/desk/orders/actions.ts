// What can be done with orders, many at a time, and what became of each.
import type { AnyVariables, Client, CombinedError, OperationResult } from "urql";
import { sentenceOf } from "../client";
import { countOf, statusNames } from "../format";
import { readFragment } from "../gql";
import {
  ChangeStatusDocument,
  DeleteDocument,
  OrderLineFragmentDoc,
  type OrderStatus,
  RestoreDocument,
} from "../gql/graphql";

/** What has to be known of an order to change it, and to tell what became of that. */
export interface Handle {
  id: string;
  number: number;
  status: OrderStatus;
  version: number;
  customer?: { name: string } | null;
}

export interface Result {
  id: string;
  name: string;
  done: boolean;
  text: string;
}

export interface Outcome {
  /** Which of several; it changes with each. */
  id: number;
  title: string;
  results: readonly Result[];
  /** Takes back what was done. */
  undo: (() => Promise<Outcome>) | null;
}

// The service takes as many at once.
const AT_ONCE = 100;

let outcomes = 0;

interface UserError {
  field: string[];
  message: string;
}

/** Set each order's status, unless somebody else changed the order meanwhile. */
export async function changeStatus(
  client: Client,
  orders: readonly (Handle & { to: OrderStatus })[],
  { undoing = false } = {},
): Promise<Outcome> {
  const { results, changed } = await inParts(orders, async (part) => {
    const changes = part.map(({ id, to, version }) => ({
      orderId: id,
      status: to,
      expectedVersion: version,
    }));
    const answer = await client.mutation(ChangeStatusDocument, { changes }).toPromise();
    const payload = answer.data?.changeOrderStatus;
    const versions = new Map(payload?.orders.map(({ id, version }) => [id, version]));
    const told = tellEach(part, answer, payload?.userErrors, ({ status, to }) =>
      status === to
        ? `Was ${statusNames[to].toLowerCase()} already`
        : `${statusNames[status]} → ${statusNames[to]}`,
    );
    const done = part.filter(({ id, status, to }) => versions.has(id) && status !== to);
    return {
      results: told,
      changed: done.map((order) => ({
        ...order,
        status: order.to,
        to: order.status,
        version: versions.get(order.id) ?? order.version,
      })),
    };
  });
  const to = new Set(orders.map((order) => order.to));
  const [only] = to;
  return {
    id: ++outcomes,
    title: titleOf(
      results,
      undoing
        ? "set back"
        : to.size === 1 && only
          ? `set to ${statusNames[only].toLowerCase()}`
          : "set",
    ),
    results,
    undo:
      changed.length > 0 && !undoing
        ? () => changeStatus(client, changed, { undoing: true })
        : null,
  };
}

interface Deletion {
  /** Whether the caller may bring orders back. */
  canRestore: boolean;
  /** Shows or hides orders before the service has answered. */
  leaveOut: (ids: Iterable<string>, out: boolean) => void;
}

export async function deleteOrders(
  client: Client,
  orders: readonly Handle[],
  { canRestore, leaveOut }: Deletion,
): Promise<Outcome> {
  leaveOut(idsOf(orders), true);
  const { results, changed } = await inParts(orders, async (part) => {
    const answer = await client.mutation(DeleteDocument, { ids: idsOf(part) }).toPromise();
    const payload = answer.data?.deleteOrders;
    const deleted = new Set(payload?.deletedIds);
    return {
      results: tellEach(part, answer, payload?.userErrors, () => "Deleted"),
      changed: part.filter(({ id }) => deleted.has(id)),
    };
  });
  const deleted = new Set(idsOf(changed));
  leaveOut(
    idsOf(orders).filter((id) => !deleted.has(id)),
    false,
  );
  return {
    id: ++outcomes,
    title: titleOf(results, "deleted"),
    results,
    undo: changed.length > 0 && canRestore ? () => restoreOrders(client, changed, leaveOut) : null,
  };
}

export async function restoreOrders(
  client: Client,
  orders: readonly Pick<Handle, "id" | "number" | "customer">[],
  leaveOut: Deletion["leaveOut"],
): Promise<Outcome> {
  const { results } = await inParts(orders, async (part) => {
    const answer = await client.mutation(RestoreDocument, { ids: idsOf(part) }).toPromise();
    const payload = answer.data?.restoreOrders;
    const restored = readFragment(OrderLineFragmentDoc, payload?.orders ?? []);
    leaveOut(idsOf(restored), false);
    return {
      results: tellEach(part, answer, payload?.userErrors, () => "Restored"),
      changed: [],
    };
  });
  return { id: ++outcomes, title: titleOf(results, "restored"), results, undo: null };
}

async function inParts<Order, Changed>(
  orders: readonly Order[],
  change: (part: readonly Order[]) => Promise<{ results: Result[]; changed: Changed[] }>,
): Promise<{ results: Result[]; changed: Changed[] }> {
  const results: Result[] = [];
  const changed: Changed[] = [];
  for (let start = 0; start < orders.length; start += AT_ONCE) {
    const part = await change(orders.slice(start, start + AT_ONCE));
    results.push(...part.results);
    changed.push(...part.changed);
  }
  return { results, changed };
}

function tellEach<Order extends Pick<Handle, "id" | "number" | "customer">>(
  part: readonly Order[],
  { error, data }: OperationResult<unknown, AnyVariables>,
  refusals: readonly UserError[] = [],
  success: (order: Order) => string,
): Result[] {
  const failed = error && !data ? sentenceOf(error) : null;
  return part.map((order, position) => {
    const refusal = refusals.find(({ field }) => field[2] === String(position));
    const refused = failed ?? (refusal && explain(refusal)) ?? payloadError(error);
    return {
      id: order.id,
      name: nameOf(order),
      done: refused === null,
      text: refused ?? success(order),
    };
  });
}

function payloadError(error: CombinedError | undefined): string | null {
  return error ? sentenceOf(error) : null;
}

function explain({ field, message }: UserError): string {
  if (field.at(-1) === "expectedVersion") {
    return "Somebody else changed it meanwhile";
  }
  return message.endsWith("names no order.") ? "It is not there any more" : message;
}

export function nameOf({ number, customer }: Pick<Handle, "number" | "customer">): string {
  return customer ? `#${number} of ${customer.name}` : `#${number}`;
}

function titleOf(results: readonly Result[], what: string): string {
  const done = results.filter((result) => result.done).length;
  const failed = results.length - done;
  if (failed === 0) {
    return `${countOf(done, "order")} ${what}.`;
  }
  return done === 0
    ? `${countOf(failed, "order")} could not be ${what}.`
    : `${countOf(done, "order")} ${what}, ${failed} could not be.`;
}

function idsOf(orders: readonly { id: string }[]): string[] {
  return orders.map(({ id }) => id);
}
