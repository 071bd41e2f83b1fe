// What can be done with the selected orders.
import { Trash2, X } from "lucide-react";
import { countOf, statuses, statusNames } from "../format";
import type { OrderStatus } from "../gql/graphql";
import { StatusShape } from "../shell/status";

interface Props {
  count: number;
  busy: boolean;
  setStatus?: (status: OrderStatus) => void;
  remove?: () => void;
  clear: () => void;
}

export function BulkBar({ count, busy, setStatus, remove, clear }: Props) {
  return (
    <>
      <p className="visually-hidden" role="status">
        {count > 0 && `${countOf(count, "order")} selected.`}
      </p>
      {count > 0 && (
        <div className="bulk" role="toolbar" aria-label="Selected orders">
          <p>
            <strong>{count}</strong> selected
          </p>
          {setStatus && (
            <fieldset className="bulk-statuses">
              <legend className="visually-hidden">Set to</legend>
              <span aria-hidden="true">Set to</span>
              {statuses.map((status) => (
                <button
                  key={status}
                  type="button"
                  className="button small"
                  data-status={status}
                  disabled={busy}
                  onClick={() => setStatus(status)}
                >
                  <StatusShape status={status} />
                  {statusNames[status]}
                </button>
              ))}
            </fieldset>
          )}
          {remove && (
            <button type="button" className="button small danger" disabled={busy} onClick={remove}>
              <Trash2 aria-hidden />
              Delete …
            </button>
          )}
          <button
            type="button"
            className="icon-button"
            aria-label="Clear the selection"
            onClick={clear}
          >
            <X aria-hidden />
          </button>
        </div>
      )}
    </>
  );
}
