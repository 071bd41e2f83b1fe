import { TrendingDown, TrendingUp } from "lucide-react";

const percent = new Intl.NumberFormat(undefined, {
  style: "percent",
  maximumFractionDigits: 0,
  signDisplay: "exceptZero",
});

/** How a figure stands beside the one of the period before. */
export function Change({ now, before }: { now: number; before: number }) {
  if (before === 0) {
    return <span className="muted">none in the period before</span>;
  }
  const ratio = now / before - 1;
  const Icon = ratio < 0 ? TrendingDown : TrendingUp;
  return (
    <>
      <span className="change" data-direction={Math.sign(Math.round(ratio * 100))}>
        <Icon aria-hidden />
        {percent.format(ratio)}
      </span>{" "}
      <span className="muted">from the period before</span>
    </>
  );
}
