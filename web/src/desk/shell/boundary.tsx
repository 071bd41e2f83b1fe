// What is shown in place of a page that broke, or whose code could not be loaded.
import { Unplug } from "lucide-react";
import { Component, type ReactNode } from "react";

interface Props {
  children: ReactNode;
}

export class Boundary extends Component<Props, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }

  override render(): ReactNode {
    if (!this.state.broken) {
      return this.props.children;
    }
    return (
      <main id="main" className="page" tabIndex={-1}>
        <div className="empty" role="alert">
          <Unplug aria-hidden />
          <h1>This page could not be shown</h1>
          <p>The service may be away, or run another version by now.</p>
          <button type="button" className="button" onClick={() => window.location.reload()}>
            Load it again
          </button>
        </div>
      </main>
    );
  }
}
