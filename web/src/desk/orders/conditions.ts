// What the list shows, as it stands in the address of the page.
import { shippingMethods, statuses } from "../format";
import type { OrderFilter, OrderSort, OrderStatus, ShippingMethod } from "../gql/graphql";

export const periods = ["today", "7d", "30d", "90d"] as const;
export type Period = (typeof periods)[number];

export const periodNames: Readonly<Record<Period, string>> = {
  today: "Today",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  "90d": "Last 90 days",
};

const sorts = [
  "CREATED_AT_DESC",
  "CREATED_AT_ASC",
  "UPDATED_AT_DESC",
  "UPDATED_AT_ASC",
  "TOTAL_DESC",
  "TOTAL_ASC",
] as const satisfies OrderSort[];

export interface Conditions {
  search: string;
  statuses: readonly OrderStatus[];
  shipping: ShippingMethod | null;
  period: Period | null;
  /** Days in the caller's zone, as a date input has them; the second one is included. */
  from: string;
  to: string;
  customer: string | null;
  product: string | null;
  sort: OrderSort;
}

export const noConditions: Conditions = {
  search: "",
  statuses: [],
  shipping: null,
  period: null,
  from: "",
  to: "",
  customer: null,
  product: null,
  sort: "CREATED_AT_DESC",
};

/** From the part of an address after the question mark; what has no meaning is passed over. */
export function readConditions(query: string): Conditions {
  const given = new URLSearchParams(query);
  const asked = given.get("status")?.split(",") ?? [];
  return {
    search: given.get("q") ?? "",
    statuses: statuses.filter((status) => asked.includes(status.toLowerCase())),
    shipping: oneOf(shippingMethods, given.get("shipping")?.toUpperCase()),
    period: oneOf(periods, given.get("placed")),
    from: dayOf(given.get("from")),
    to: dayOf(given.get("to")),
    customer: idOf(given.get("customer")),
    product: idOf(given.get("product")),
    sort: oneOf(sorts, given.get("sort")?.toUpperCase()) ?? noConditions.sort,
  };
}

/** The address of the list under these conditions, below `/desk`. */
export function addressOf(changes: Partial<Conditions>): string {
  const conditions = { ...noConditions, ...changes };
  const query = new URLSearchParams();
  const put = (name: string, value: string | null) => value && query.set(name, value);
  put("q", conditions.search);
  put("status", conditions.statuses.join(",").toLowerCase());
  put("shipping", conditions.shipping?.toLowerCase() ?? null);
  put("placed", conditions.period);
  put("from", conditions.from);
  put("to", conditions.to);
  put("customer", conditions.customer);
  put("product", conditions.product);
  put("sort", conditions.sort === noConditions.sort ? null : conditions.sort.toLowerCase());
  const text = query.toString().replaceAll("%2C", ",");
  return text ? `/?${text}` : "/";
}

export function hasConditions(conditions: Conditions): boolean {
  return addressOf({ ...conditions, sort: noConditions.sort }) !== "/";
}

/** The conditions as the service takes them. */
export function filterOf(conditions: Conditions): OrderFilter {
  const created = createdBetween(conditions);
  return {
    ...(conditions.search.trim() && { search: conditions.search.trim() }),
    ...(conditions.statuses.length > 0 && { status: [...conditions.statuses] }),
    ...(conditions.shipping && { shipping: [conditions.shipping] }),
    ...(created && { createdAt: created }),
    ...(conditions.customer && { customerIds: [conditions.customer] }),
    ...(conditions.product && { productIds: [conditions.product] }),
  };
}

function createdBetween({ period, from, to }: Conditions): OrderFilter["createdAt"] {
  if (period) {
    return { gte: startOfDay(period === "today" ? 0 : Number.parseInt(period, 10) - 1) };
  }
  if (!from && !to) {
    return null;
  }
  return {
    ...(from && { gte: new Date(`${from}T00:00`).toISOString() }),
    ...(to && { lt: dayAfter(to) }),
  };
}

/** The first instant of a day in the caller's zone, so many days ago. */
export function startOfDay(daysAgo: number): string {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() - daysAgo).toISOString();
}

function dayAfter(day: string): string {
  const start = new Date(`${day}T00:00`);
  return new Date(start.getFullYear(), start.getMonth(), start.getDate() + 1).toISOString();
}

function dayOf(text: string | null): string {
  return text && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : "";
}

function idOf(text: string | null): string | null {
  return text && /^[0-9a-f]{24}$/i.test(text) ? text.toLowerCase() : null;
}

function oneOf<Value extends string>(
  values: readonly Value[],
  text: string | null | undefined,
): Value | null {
  return values.find((value) => value === text) ?? null;
}
