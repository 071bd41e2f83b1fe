// Figures over a period: how many orders, for how much, where they stand and what sells.
import { RefreshCw, ServerCrash } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useQuery } from "urql";
import { Link } from "wouter";
import { sentenceOf } from "../client";
import {
  formatCount,
  formatDay,
  formatMoney,
  formatRoundMoney,
  statusNames,
  timeZone,
} from "../format";
import { FiguresDocument, type FiguresQuery, type OrderStatus } from "../gql/graphql";
import { addressOf, type Period } from "../orders/conditions";
import { useSession } from "../session/session";
import { StatusShape } from "../shell/status";
import { Bars } from "./bars";
import { Change } from "./change";
import { periodOf, type Span, spans } from "./period";
import { TimeChart } from "./time-chart";

const REFRESH_AFTER_MS = 2_000;
const listPeriods: Partial<Record<Span, Period>> = { "7": "7d", "30": "30d", "90": "90d" };

export function Dashboard() {
  const { can, feed } = useSession();
  const [span, setSpan] = useState<Span>("90");
  // Worked out again with each refresh: midnight passes.
  const [asked, setAsked] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what `asked` is for
  const period = useMemo(() => periodOf(span), [span, asked]);
  const [{ data, error, operation }, ask] = useQuery({
    query: FiguresDocument,
    variables: {
      filter: { createdAt: period.range },
      before: { createdAt: period.before },
      interval: period.interval,
      timeZone,
    },
    requestPolicy: "cache-and-network",
  });
  useEffect(() => {
    document.title = "Dashboard - Orders desk";
  }, []);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      setAsked((count) => count + 1);
      ask({ requestPolicy: "network-only" });
    };
    const stops = [
      feed.onEvent(() => {
        timer ??= setTimeout(() => {
          timer = undefined;
          refresh();
        }, REFRESH_AFTER_MS);
      }),
      feed.onReturn(refresh),
    ];
    return () => {
      clearTimeout(timer);
      for (const stop of stops) {
        stop();
      }
    };
  }, [feed, ask]);

  // The last figures stay while those of another period are under way.
  const [shown, setShown] = useState<FiguresQuery | undefined>(data);
  if (data && data !== shown) {
    setShown(data);
  }
  return (
    <main id="main" className="page dashboard" tabIndex={-1}>
      <div className="page-head">
        <h1>Dashboard</h1>
        <p className="muted">{can("ADMIN") ? "All customers" : "Your orders"}</p>
        <div className="page-actions">
          <fieldset className="toggles">
            <legend className="visually-hidden">Period</legend>
            {spans.map(({ span: one, name }) => (
              <button
                key={one}
                type="button"
                className="toggle"
                aria-pressed={one === span}
                onClick={() => setSpan(one)}
              >
                {name}
              </button>
            ))}
          </fieldset>
        </div>
      </div>
      {shown ? (
        <Figures
          figures={shown.stats}
          before={shown.before}
          span={span}
          isWaiting={!data || operation?.variables.filter.createdAt?.gte !== period.range.gte}
        />
      ) : error ? (
        <div className="empty" role="alert">
          <ServerCrash aria-hidden />
          <h2>The figures could not be loaded</h2>
          <p>{sentenceOf(error)}</p>
          <button
            type="button"
            className="button"
            onClick={() => ask({ requestPolicy: "network-only" })}
          >
            <RefreshCw aria-hidden />
            Try again
          </button>
        </div>
      ) : (
        <div className="tiles" role="status" aria-label="Loading">
          {["orders", "revenue", "average", "open"].map((name) => (
            <div key={name} className="card tile">
              <span className="bone" />
              <span className="bone large" />
            </div>
          ))}
        </div>
      )}
    </main>
  );
}

interface FiguresProps {
  figures: FiguresQuery["stats"];
  before: FiguresQuery["before"];
  span: Span;
  isWaiting: boolean;
}

function Figures({ figures, before, span, isWaiting }: FiguresProps) {
  const { orderCount, total, byStatus, series, topProducts } = figures;
  const currency = total.currencyCode;
  const open = byStatus
    .filter(({ status }) => status !== "COMPLETED")
    .reduce((sum, one) => sum + one.orderCount, 0);
  const period = listPeriods[span];
  const ordersOf = (status: OrderStatus) =>
    addressOf({ statuses: [status], ...(period && { period }) });
  return (
    <div className="figures" aria-busy={isWaiting}>
      <div className="tiles">
        <Tile name="Orders" value={formatCount(orderCount)}>
          <Change now={orderCount} before={before.orderCount} />
        </Tile>
        <Tile name="Revenue" value={formatMoney(total)}>
          <Change now={Number(total.amount)} before={Number(before.total.amount)} />
        </Tile>
        <Tile name="Average order" value={formatMoney(mean(total, orderCount))}>
          <Change
            now={Number(mean(total, orderCount).amount)}
            before={before.orderCount ? Number(before.total.amount) / before.orderCount : 0}
          />
        </Tile>
        <Tile name="Not completed" value={formatCount(open)}>
          <span className="muted">of this period’s orders</span>
        </Tile>
      </div>
      <TimeChart
        title={span === "365" ? "Orders per week" : "Orders per day"}
        kind="bars"
        points={series.map(({ start, orderCount: count }) => ({ start, value: count }))}
        format={formatCount}
      />
      <TimeChart
        title={span === "365" ? "Revenue per week" : "Revenue per day"}
        kind="line"
        points={series.map(({ start, total: sum }) => ({ start, value: Number(sum.amount) }))}
        format={(value) => formatRoundMoney(value, currency)}
      />
      <section className="card" aria-labelledby="by-status">
        <h2 id="by-status">By status</h2>
        <Bars
          rows={byStatus.map((one) => ({
            key: one.status,
            name: (
              <Link href={ordersOf(one.status)} className="status" data-status={one.status}>
                <StatusShape status={one.status} />
                {statusNames[one.status]}
              </Link>
            ),
            size: one.orderCount,
            value: formatCount(one.orderCount),
            more: formatRoundMoney(one.total.amount, currency),
            status: one.status,
          }))}
          heads={["Status", "Orders", "Revenue"]}
        />
      </section>
      <section className="card" aria-labelledby="top-products">
        <h2 id="top-products">Top products</h2>
        {topProducts.length === 0 ? (
          <p className="muted">Nothing was ordered since {formatDay(periodOf(span).range.gte)}.</p>
        ) : (
          <Bars
            rows={topProducts.map((one) => ({
              key: one.productId,
              name: <Link href={addressOf({ product: one.productId })}>{one.name}</Link>,
              size: one.quantity,
              value: formatCount(one.quantity),
              more: formatRoundMoney(one.total.amount, currency),
            }))}
            heads={["Product", "Units", "Revenue"]}
          />
        )}
      </section>
    </div>
  );
}

function mean({ amount, currencyCode }: { amount: string; currencyCode: string }, count: number) {
  return { amount: (count ? Number(amount) / count : 0).toFixed(2), currencyCode };
}

function Tile({
  name,
  value,
  children,
}: {
  name: string;
  value: string;
  children: React.ReactNode;
}) {
  return (
    <section className="card tile" aria-label={name}>
      <h2>{name}</h2>
      <p className="tile-value">{value}</p>
      <p className="tile-note">{children}</p>
    </section>
  );
}
