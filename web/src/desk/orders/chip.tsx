import { X } from "lucide-react";

interface Props {
  kind: string;
  name: string;
  onRemove: () => void;
}

/** A condition that is shown by its name and can be taken away. */
export function Chip({ kind, name, onRemove }: Props) {
  return (
    <span className="chip">
      <span className="muted">{kind}</span> {name}
      <button
        type="button"
        className="icon-button"
        aria-label={`Any ${kind.toLowerCase()}`}
        onClick={onRemove}
      >
        <X aria-hidden />
      </button>
    </span>
  );
}
