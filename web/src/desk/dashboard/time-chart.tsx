// A chart over time by uPlot, with the same as a table for who can't see it.
import "uplot/dist/uPlot.min.css";
import { useEffect, useId, useRef, useState } from "react";
import uPlot from "uplot";
import { formatDay, formatShortDay } from "../format";

interface Point {
  start: string;
  value: number;
}

interface Props {
  title: string;
  kind: "bars" | "line";
  points: readonly Point[];
  format: (value: number) => string;
}

const HEIGHT = 200;

export function TimeChart({ title, kind, points, format }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const [at, setAt] = useState<number | null>(null);
  const scheme = useColours();
  const titleId = useId();
  const formatted = useRef(format);
  formatted.current = format;

  useEffect(() => {
    const element = place.current;
    if (!element || !scheme) {
      return;
    }
    const style = getComputedStyle(element);
    const [line, grid, text] = ["--accent", "--line", "--muted"].map((name) =>
      colourOf(element, name),
    );
    const font = `11px ${style.fontFamily}`;
    const axis = {
      stroke: text ?? "",
      font,
      grid: { stroke: grid ?? "", width: 1 },
      ticks: { show: false },
    };
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        padding: [8, 4, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { show: kind === "line" }, drag: { x: false, y: false } },
        scales: {
          x: { time: true, range: widened },
          y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 26,
            space: 70,
            values: (_plot, splits) =>
              splits.map((split) => formatShortDay(new Date(split * 1000))),
          },
          {
            ...axis,
            size: kind === "bars" ? 40 : 64,
            space: 40,
            // Half an order, or half a dollar, is no value to name.
            incrs: [1, 2, 5]
              .flatMap((step) => Array.from({ length: 12 }, (_, power) => step * 10 ** power))
              .sort((one, other) => one - other),
            values: (_plot, splits) => splits.map((split) => formatted.current(split)),
          },
        ],
        series: [
          {},
          {
            stroke: line ?? "",
            width: kind === "line" ? 2 : 0,
            fill: kind === "line" ? `color-mix(in srgb, ${line} 12%, transparent)` : (line ?? ""),
            points: { show: false },
            ...(kind === "bars" && {
              paths: uPlot.paths.bars?.({ size: [0.7, 40], radius: 0.15 }) ?? (() => null),
            }),
          },
        ],
        hooks: { setCursor: [({ cursor }) => setAt(cursor.idx ?? null)] },
      },
      [[], []],
      element,
    );
    plot.current = chart;
    const resizing = new ResizeObserver(() => {
      chart.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    resizing.observe(element);
    return () => {
      resizing.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [kind, scheme]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a plot that was made anew is empty
  useEffect(() => {
    plot.current?.setData([
      points.map(({ start }) => Date.parse(start) / 1000),
      points.map(({ value }) => value),
    ]);
  }, [points, kind, scheme]);

  const pointed = at === null ? undefined : points[at];
  return (
    <section className="card chart" aria-labelledby={titleId}>
      <div className="chart-head">
        <h2 id={titleId}>{title}</h2>
        <p aria-hidden="true">
          {pointed && (
            <>
              <span className="muted">{formatDay(pointed.start)}</span>{" "}
              <strong>{format(pointed.value)}</strong>
            </>
          )}
        </p>
      </div>
      <div ref={place} className="plot" aria-hidden="true" style={{ height: HEIGHT }} />
      <details className="chart-table">
        <summary>As a table</summary>
        <div className="chart-table-scroll">
          <table>
            <caption className="visually-hidden">{title}</caption>
            <thead>
              <tr>
                <th scope="col">From</th>
                <th scope="col" className="amount">
                  {title.split(" ")[0]}
                </th>
              </tr>
            </thead>
            <tbody>
              {points.map(({ start, value }) => (
                <tr key={start}>
                  <th scope="row">{formatDay(start)}</th>
                  <td className="amount">{format(value)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  );
}

/** Half a bar's room at both ends. */
function widened(plot: uPlot, low: number, high: number): uPlot.Range.MinMax {
  const room = (high - low) / Math.max(1, plot.data[0].length - 1) / 2;
  return [low - room, high + room];
}

/** A custom property as a canvas takes it: `light-dark()` is worked out by the browser. */
function colourOf(element: HTMLElement, property: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${property})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** Changes when the page's colours do. */
function useColours(): string {
  const [colours, setColours] = useState(coloursNow);
  useEffect(() => {
    const change = () => setColours(coloursNow());
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const themed = new MutationObserver(change);
    dark.addEventListener("change", change);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      dark.removeEventListener("change", change);
      themed.disconnect();
    };
  }, []);
  return colours;
}

function coloursNow(): string {
  const { theme } = document.documentElement.dataset;
  if (theme === "light" || theme === "dark") {
    return theme;
  }
  return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
