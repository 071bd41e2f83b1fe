import { Trash2 } from "lucide-react";
import { countOf } from "../format";
import { Dialog } from "../shell/dialog";
import { type Handle, nameOf } from "./actions";

interface Props {
  orders: readonly Handle[];
  canRestore: boolean;
  onCancel: () => void;
  onConfirm: () => void;
}

const NAMED = 5;

export function DeleteDialog({ orders, canRestore, onCancel, onConfirm }: Props) {
  const others = orders.length - NAMED;
  const one = orders.length === 1;
  return (
    <Dialog
      title={`Delete ${countOf(orders.length, "order")}?`}
      onClose={onCancel}
      actions={
        <>
          <button type="button" className="button" data-begin onClick={onCancel}>
            Cancel
          </button>
          <button type="button" className="button danger solid" onClick={onConfirm}>
            <Trash2 aria-hidden />
            Delete
          </button>
        </>
      }
    >
      <ul className="delete-list">
        {orders.slice(0, NAMED).map((order) => (
          <li key={order.id}>{nameOf(order)}</li>
        ))}
        {others > 0 && <li className="muted">and {countOf(others, "more", "more")}</li>}
      </ul>
      <p>
        {one ? "It leaves every list." : "They leave every list."}{" "}
        {canRestore
          ? `You can bring ${one ? "it" : "them"} back with Undo.`
          : `Only an administrator can bring ${one ? "it" : "them"} back.`}
      </p>
    </Dialog>
  );
}
