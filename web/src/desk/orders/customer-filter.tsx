// Whose orders an administrator sees: everybody's, or one customer's.
import { useEffect, useId, useState } from "react";
import { useQuery } from "urql";
import { CustomerDocument, CustomersOfOrdersDocument } from "../gql/graphql";
import { Chip } from "./chip";
import type { Conditions } from "./conditions";

const LOOK_AFTER_MS = 200;

interface Props {
  id: string | null;
  change: (changes: Partial<Conditions>) => void;
}

interface Person {
  id: string;
  name: string;
  email: string | null;
}

export function CustomerFilter({ id, change }: Props) {
  return id ? (
    <CustomerChip id={id} onRemove={() => change({ customer: null })} />
  ) : (
    <CustomerSearch onFound={(customer) => change({ customer })} />
  );
}

function CustomerChip({ id, onRemove }: { id: string; onRemove: () => void }) {
  const [{ data, fetching }] = useQuery({ query: CustomerDocument, variables: { id } });
  const name = data?.node && "name" in data.node ? data.node.name : null;
  return <Chip kind="Customer" name={name ?? (fetching ? "…" : "unknown")} onRemove={onRemove} />;
}

function CustomerSearch({ onFound }: { onFound: (id: string) => void }) {
  const [typed, setTyped] = useState("");
  const [search, setSearch] = useState("");
  const listId = useId();
  useEffect(() => {
    const timer = setTimeout(() => setSearch(typed.trim()), LOOK_AFTER_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const [{ data }] = useQuery({
    query: CustomersOfOrdersDocument,
    variables: { search },
    pause: search === "",
  });
  const people = search === "" ? [] : peopleNamed(search, data?.orders.nodes ?? []);
  return (
    <>
      <input
        className="field customer-search"
        type="text"
        aria-label="Customer"
        placeholder="Any customer"
        list={listId}
        value={typed}
        autoComplete="off"
        onChange={({ target }) => {
          setTyped(target.value);
          const chosen = people.find((person) => labelOf(person) === target.value);
          if (chosen) {
            onFound(chosen.id);
          }
        }}
        onKeyDown={({ key }) => {
          const [only, ...others] = people;
          if (key === "Enter" && only && others.length === 0) {
            onFound(only.id);
          }
        }}
      />
      <datalist id={listId}>
        {people.map((person) => (
          <option key={person.id} value={labelOf(person)} />
        ))}
      </datalist>
    </>
  );
}

function labelOf({ name, email }: Person): string {
  return email ? `${name} (${email})` : name;
}

/** The orders' words may have been found in their addresses: each must begin one of the person's. */
function peopleNamed(
  search: string,
  orders: readonly { customer: Person | null }[],
): readonly Person[] {
  const words = wordsOf(search);
  const people = new Map<string, Person>();
  for (const { customer } of orders) {
    const its = customer ? wordsOf(`${customer.name} ${customer.email ?? ""}`) : [];
    if (customer && words.every((word) => its.some((other) => other.startsWith(word)))) {
      people.set(customer.id, customer);
    }
  }
  return [...people.values()];
}

function wordsOf(text: string): string[] {
  const plain = text
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase();
  return plain.match(/[\p{Letter}\p{Number}]+/gu) ?? [];
}
