// What is around every page: where one can go, who one is, and whether the service is there.
import { ChartColumn, CircleHelp, LogOut, Package } from "lucide-react";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { Link, Route, Switch, useLocation, useRoute } from "wouter";
import { OrderPage } from "../order/order-page";
import { OrdersPage } from "../orders/orders-page";
import { useSession } from "../session/session";
import { Boundary } from "./boundary";
import { AwayBanner, LiveSign } from "./connection";
import { Help } from "./help";
import { isTyping } from "./keys";
import { Mark } from "./mark";
import { OutcomeBar, OutcomeProvider, useOutcomes } from "./outcome";
import { ThemeButton } from "./theme";

// With its charts it is a fifth of the desk, and not what one comes for first.
const Dashboard = lazy(async () => ({
  default: (await import("../dashboard/dashboard")).Dashboard,
}));

export function Shell() {
  return (
    <OutcomeProvider>
      <Frame />
    </OutcomeProvider>
  );
}

function Frame() {
  const [helpIsOpen, setHelpIsOpen] = useState(false);
  const { undo } = useOutcomes();
  const [address] = useLocation();
  // Where a link led to is where one goes on, also for who does not see it.
  const left = useRef(address);
  useEffect(() => {
    if (left.current !== address) {
      left.current = address;
      document.getElementById("main")?.focus({ preventScroll: true });
    }
  }, [address]);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (isTyping(event)) {
        return;
      }
      if (event.key === "?") {
        setHelpIsOpen(true);
      } else if (event.key === "z") {
        undo();
      }
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [undo]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="top">
        <Link href="/" className="brand" aria-label="Orders desk">
          <Mark />
          <span>Orders desk</span>
        </Link>
        <nav aria-label="Pages">
          <NavLink href="/" also="/orders/:id" icon={<Package aria-hidden />} name="Orders" />
          <NavLink href="/dashboard" icon={<ChartColumn aria-hidden />} name="Dashboard" />
        </nav>
        <div className="top-end">
          <LiveSign />
          <ThemeButton />
          <button
            type="button"
            className="icon-button"
            aria-label="Keyboard help"
            title="Keyboard help (?)"
            onClick={() => setHelpIsOpen(true)}
          >
            <CircleHelp aria-hidden />
          </button>
          <Viewer />
        </div>
      </header>
      <AwayBanner />
      <Boundary key={address}>
        <Switch>
          <Route path="/" component={OrdersPage} />
          <Route path="/orders/:id">{({ id }) => <OrderPage key={id} id={id} />}</Route>
          <Route path="/dashboard">
            <Suspense fallback={<main id="main" className="page" aria-busy="true" />}>
              <Dashboard />
            </Suspense>
          </Route>
          <Route>
            <main id="main" className="page">
              <div className="empty">
                <h1>There is nothing here</h1>
                <p>
                  <Link href="/">All orders</Link>
                </p>
              </div>
            </main>
          </Route>
        </Switch>
      </Boundary>
      <OutcomeBar />
      {helpIsOpen && <Help onClose={() => setHelpIsOpen(false)} />}
    </div>
  );
}

interface NavLinkProps {
  href: string;
  also?: string;
  icon: React.ReactNode;
  name: string;
}

function NavLink({ href, also, icon, name }: NavLinkProps) {
  const [isHere] = useRoute(href);
  const [isNear] = useRoute(also ?? href);
  return (
    <Link href={href} aria-current={isHere ? "page" : isNear ? "true" : undefined}>
      {icon}
      <span>{name}</span>
    </Link>
  );
}

function Viewer() {
  const { viewer, can, signOut } = useSession();
  return (
    <div className="viewer">
      <p>
        <span className="viewer-name">{viewer.name}</span>
        <span className="viewer-role">{can("ADMIN") ? "Administrator" : "Customer"}</span>
      </p>
      <button
        type="button"
        className="icon-button"
        aria-label="Sign out"
        title="Sign out"
        onClick={signOut}
      >
        <LogOut aria-hidden />
      </button>
    </div>
  );
}
