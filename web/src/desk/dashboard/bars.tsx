import type { ReactNode } from "react";
import type { OrderStatus } from "../gql/graphql";

interface BarRow {
  key: string;
  name: ReactNode;
  size: number;
  value: string;
  more: string;
  status?: OrderStatus;
}

interface Props {
  rows: readonly BarRow[];
  heads: readonly [string, string, string];
}

/** A table whose rows are drawn as bars, for a few things to compare. */
export function Bars({ rows, heads }: Props) {
  const largest = Math.max(1, ...rows.map(({ size }) => size));
  return (
    <table className="bars">
      <thead>
        <tr>
          <th scope="col">{heads[0]}</th>
          <td className="bar-cell" />
          <th scope="col" className="amount">
            {heads[1]}
          </th>
          <th scope="col" className="amount">
            {heads[2]}
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, name, size, value, more, status }) => (
          <tr key={key}>
            <th scope="row">{name}</th>
            <td className="bar-cell" aria-hidden="true">
              <svg width="100%" height="8" data-status={status}>
                <title>{value}</title>
                <rect width={`${(100 * size) / largest}%`} height="8" rx="2" />
              </svg>
            </td>
            <td className="amount">{value}</td>
            <td className="amount muted">{more}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
