import { useQuery } from "urql";
import { ProductNameDocument } from "../gql/graphql";
import { Chip } from "./chip";

export function ProductChip({ id, onRemove }: { id: string; onRemove: () => void }) {
  const [{ data, fetching }] = useQuery({ query: ProductNameDocument, variables: { id } });
  const name = data?.products[0]?.name ?? (fetching ? "…" : "one of the past");
  return <Chip kind="Product" name={name} onRemove={onRemove} />;
}
