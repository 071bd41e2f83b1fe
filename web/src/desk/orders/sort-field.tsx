import type { OrderSort } from "../gql/graphql";

const sortNames: Readonly<Record<OrderSort, string>> = {
  CREATED_AT_DESC: "Newest first",
  CREATED_AT_ASC: "Oldest first",
  UPDATED_AT_DESC: "Last changed first",
  UPDATED_AT_ASC: "Longest unchanged first",
  TOTAL_DESC: "Largest total first",
  TOTAL_ASC: "Smallest total first",
};

interface Props {
  sort: OrderSort;
  onSort: (sort: OrderSort) => void;
}

export function SortField({ sort, onSort }: Props) {
  return (
    <select
      className="field"
      aria-label="Sorted by"
      value={sort}
      onChange={({ target }) => onSort(target.value as OrderSort)}
    >
      {Object.entries(sortNames).map(([value, name]) => (
        <option key={value} value={value}>
          {name}
        </option>
      ))}
    </select>
  );
}
