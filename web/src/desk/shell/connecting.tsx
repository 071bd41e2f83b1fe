// Shown after a reload of the page, until the service has said whose the key is.
import { Mark } from "./mark";

export function Connecting({ problem }: { problem: string | null }) {
  return (
    <main className="sign-in" aria-busy={problem === null}>
      <div className="connecting">
        <Mark />
        <h1 className="visually-hidden">Orders desk</h1>
        <p role="status">{problem ? `${problem} It is tried again every few seconds.` : null}</p>
      </div>
    </main>
  );
}
