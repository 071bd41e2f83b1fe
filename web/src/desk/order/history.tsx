// The event log of an order, as a timeline.
import { MapPin, PackagePlus, RotateCcw, Trash2 } from "lucide-react";
import { formatMoment, statusNames } from "../format";
import type { EventSource, HistoryEntryFragment } from "../gql/graphql";
import { StatusShape } from "../shell/status";

const sourceNames: Readonly<Record<EventSource, string>> = {
  GRAPHQL: "through GraphQL",
  REST: "through REST",
  IMPORT: "by import",
};

interface Props {
  entries: readonly HistoryEntryFragment[];
  /** Whether there are more than are shown. */
  isCut: boolean;
}

export function History({ entries, isCut }: Props) {
  return (
    <>
      <ol className="timeline">
        {entries.map((entry) => (
          <li key={entry.id} data-status={entry.toStatus ?? undefined}>
            <span className="timeline-mark">
              <Icon entry={entry} />
            </span>
            <p>{sentenceFor(entry)}</p>
            <p className="muted">
              <time dateTime={entry.createdAt}>{formatMoment(entry.createdAt)}</time>
              {entry.actor && `, ${entry.actor.name}`}
              {`, ${sourceNames[entry.source] ?? ""}`}
            </p>
          </li>
        ))}
      </ol>
      {isCut && <p className="muted">The first {entries.length} entries.</p>}
    </>
  );
}

function Icon({ entry: { type, toStatus } }: { entry: HistoryEntryFragment }) {
  switch (type) {
    case "ADDRESS_CHANGED":
      return <MapPin aria-hidden />;
    case "DELETED":
      return <Trash2 aria-hidden />;
    case "RESTORED":
      return <RotateCcw aria-hidden />;
    case "CREATED":
      return <PackagePlus aria-hidden />;
    default:
      return toStatus && <StatusShape status={toStatus} />;
  }
}

function sentenceFor({ type, fromStatus, toStatus }: HistoryEntryFragment): string {
  switch (type) {
    case "CREATED":
      return "Placed";
    case "ADDRESS_CHANGED":
      return "Address corrected";
    case "DELETED":
      return "Deleted";
    case "RESTORED":
      return "Brought back";
    default:
      return fromStatus && toStatus
        ? `${statusNames[fromStatus]} → ${statusNames[toStatus]}`
        : "Changed";
  }
}
