// Where the order goes; while it is pending, that can be corrected.
import { Pencil } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useMutation } from "urql";
import { sentenceOf } from "../client";
import { ChangeAddressDocument, type OrderLineFragment } from "../gql/graphql";

interface Props {
  order: OrderLineFragment;
  mayChange: boolean;
}

export function Address({ order, mayChange }: Props) {
  const [typed, setTyped] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [{ fetching }, change] = useMutation(ChangeAddressDocument);
  const ids = { field: useId(), problem: useId() };

  if (typed === null || !mayChange) {
    return (
      <div className="address-shown">
        <address>{order.address}</address>
        {mayChange && (
          <button
            type="button"
            className="icon-button"
            aria-label="Correct the address"
            title="Correct the address"
            onClick={() => setTyped(order.address)}
          >
            <Pencil aria-hidden />
          </button>
        )}
      </div>
    );
  }
  const save = async (event: FormEvent) => {
    event.preventDefault();
    const { data, error } = await change({
      orderId: order.id,
      address: typed,
      expectedVersion: order.version,
    });
    const refusal = data?.changeOrderAddress?.userErrors[0];
    if (error || refusal) {
      setProblem(error ? sentenceOf(error) : refusedFor(refusal?.field.at(-1)));
    } else {
      setProblem(null);
      setTyped(null);
    }
  };
  return (
    <form className="address-form" onSubmit={save}>
      <label className="visually-hidden" htmlFor={ids.field}>
        Address
      </label>
      <textarea
        id={ids.field}
        className="field"
        rows={3}
        value={typed}
        // biome-ignore lint/a11y/noAutofocus: the button that was pressed asked for it
        autoFocus
        aria-invalid={problem !== null}
        aria-describedby={ids.problem}
        onChange={({ target }) => setTyped(target.value)}
      />
      <p id={ids.problem} className="field-problem" role="alert">
        {problem}
      </p>
      <div className="form-actions">
        <button type="submit" className="button primary small" disabled={fetching}>
          Save
        </button>
        <button
          type="button"
          className="button small"
          onClick={() => {
            setProblem(null);
            setTyped(null);
          }}
        >
          Cancel
        </button>
      </div>
    </form>
  );
}

function refusedFor(field: string | undefined): string {
  switch (field) {
    case "address":
      return "Enter an address.";
    case "expectedVersion":
      return "Somebody else changed this order meanwhile. Look at it, and save again.";
    default:
      return "This order can’t be changed any more.";
  }
}
