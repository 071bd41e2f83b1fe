// How amounts, times and words of the schema are shown to people.
import type { OrderStatus, ShippingMethod } from "./gql/graphql";

const whole = new Intl.NumberFormat();
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const shortDayOfYear = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  year: "numeric",
});
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function formatCount(count: number): string {
  return whole.format(count);
}

/** "1 order", "1,204 orders". */
export function countOf(count: number, noun: string, plural = `${noun}s`): string {
  return `${whole.format(count)} ${count === 1 ? noun : plural}`;
}

/** The exact amount: the text is never put through a float of ours. */
export function formatMoney(money: { amount: string; currencyCode: string }): string {
  return moneyFormat(money.currencyCode, 2).format(money.amount as Intl.StringNumericLiteral);
}

/** The same to read at a glance: without cents. */
export function formatRoundMoney(amount: string | number, currencyCode: string): string {
  return moneyFormat(currencyCode, 0).format(amount as Intl.StringNumericLiteral);
}

// Made once each: making one takes longer than a row.
const moneyFormats = new Map<string, Intl.NumberFormat>();

function moneyFormat(currency: string, digits: number): Intl.NumberFormat {
  const name = `${currency} ${digits}`;
  const known = moneyFormats.get(name);
  if (known) {
    return known;
  }
  const format = new Intl.NumberFormat(undefined, {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  moneyFormats.set(name, format);
  return format;
}

export function formatMoment(instant: string): string {
  return moment.format(new Date(instant));
}

export function formatDay(instant: string | Date): string {
  return day.format(new Date(instant));
}

/** The clock for today, else the day, with its year when that is another. */
export function formatShortMoment(instant: string): string {
  const then = new Date(instant);
  const now = new Date();
  if (then.toDateString() === now.toDateString()) {
    return clock.format(then);
  }
  return (then.getFullYear() === now.getFullYear() ? shortDay : shortDayOfYear).format(then);
}

export function formatShortDay(instant: string | Date): string {
  return shortDay.format(new Date(instant));
}

export const statuses = ["PENDING", "DELIVERY", "COMPLETED"] as const satisfies OrderStatus[];

export const statusNames: Readonly<Record<OrderStatus, string>> = {
  PENDING: "Pending",
  DELIVERY: "In delivery",
  COMPLETED: "Completed",
};

export const shippingMethods = [
  "NEXT_DAY",
  "REGULAR",
  "BUDGET",
] as const satisfies ShippingMethod[];

export const shippingNames: Readonly<Record<ShippingMethod, string>> = {
  NEXT_DAY: "Next day",
  REGULAR: "Regular",
  BUDGET: "Budget",
};

/** "2 × oak desk, 1 × teak stool": what was bought, in a line. */
export function itemsInWords(items: readonly { name: string; quantity: number }[]): string {
  return items.map(({ name, quantity }) => `${quantity} × ${name}`).join(", ");
}
