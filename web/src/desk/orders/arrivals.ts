import { useEffect, useRef, useState } from "react";
import { countOf } from "../format";
import type { ListState } from "./order-list";

const GATHER_MS = 3_000;

/** What a screen reader is told of new orders: now and then, and not of each by itself. */
export function useArrivals({ rows, arrived }: ListState): string {
  const [text, setText] = useState("");
  const told = useRef(0);
  const shown = rows.reduce((count, { id }) => count + Number(arrived.has(id)), 0);
  useEffect(() => {
    if (shown <= told.current) {
      told.current = shown;
      return;
    }
    const timer = setTimeout(() => {
      setText(`${countOf(shown - told.current, "order")} appeared in the list.`);
      told.current = shown;
    }, GATHER_MS);
    return () => clearTimeout(timer);
  }, [shown]);
  return text;
}
