// The periods that figures are shown for: whole days of the caller's zone, up to the end of today.
import type { DateTimeRange, StatsInterval } from "../gql/graphql";

export type Span = "7" | "30" | "90" | "365";

export const spans: readonly { span: Span; name: string }[] = [
  { span: "7", name: "7 days" },
  { span: "30", name: "30 days" },
  { span: "90", name: "90 days" },
  { span: "365", name: "1 year" },
];

interface Bounds extends DateTimeRange {
  gte: string;
  lt: string;
}

export interface FiguresPeriod {
  range: Bounds;
  /** As many days before. */
  before: Bounds;
  interval: StatsInterval;
}

export function periodOf(span: Span): FiguresPeriod {
  const days = Number(span);
  const today = new Date();
  const start = (daysAgo: number) =>
    new Date(today.getFullYear(), today.getMonth(), today.getDate() - daysAgo).toISOString();
  return {
    range: { gte: start(days - 1), lt: start(-1) },
    before: { gte: start(2 * days - 1), lt: start(days - 1) },
    interval: span === "365" ? "WEEK" : "DAY",
  };
}
