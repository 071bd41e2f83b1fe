import { Dialog } from "./dialog";

const keys: readonly (readonly [readonly string[], string])[] = [
  [["j", "↓"], "Next order"],
  [["k", "↑"], "Previous order"],
  [["Enter"], "Open the order"],
  [["Space", "x"], "Select the order; with Shift, all up to it"],
  [["a"], "Select all loaded orders"],
  [["1", "2", "3"], "Set selected orders to pending, in delivery, completed"],
  [["Delete"], "Delete selected orders"],
  [["z"], "Undo"],
  [["Esc"], "Clear the selection"],
  [["/"], "Search"],
  [["?"], "This help"],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl className="keys">
        {keys.map(([names, what]) => (
          <div key={what}>
            <dt>
              {names.map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
