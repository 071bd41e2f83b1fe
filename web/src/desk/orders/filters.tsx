// What the list is narrowed by. All of it stands in the address, so that it can be kept and shared.
import { Search } from "lucide-react";
import { type RefObject, useEffect, useId, useRef, useState } from "react";
import { useLocation } from "wouter";
import { shippingMethods, shippingNames, statuses, statusNames } from "../format";
import type { ShippingMethod } from "../gql/graphql";
import { useSession } from "../session/session";
import { StatusShape } from "../shell/status";
import { addressOf, type Conditions, type Period, periodNames, periods } from "./conditions";
import { CustomerFilter } from "./customer-filter";
import { ProductChip } from "./product-chip";

const SEARCH_AFTER_MS = 250;
const BETWEEN = "between";

interface Props {
  conditions: Conditions;
  searchField: RefObject<HTMLInputElement | null>;
}

export function Filters({ conditions, searchField }: Props) {
  const { can } = useSession();
  const [, navigate] = useLocation();
  const change = (changes: Partial<Conditions>) =>
    navigate(addressOf({ ...conditions, ...changes }), { replace: true });
  return (
    <search className="filters" aria-label="Which orders">
      <SearchField
        text={conditions.search}
        onSearch={(search) => change({ search })}
        field={searchField}
      />
      <fieldset className="toggles">
        <legend className="visually-hidden">Status</legend>
        {statuses.map((status) => {
          const isOn = conditions.statuses.includes(status);
          return (
            <button
              key={status}
              type="button"
              className="toggle"
              data-status={status}
              aria-pressed={isOn}
              onClick={() =>
                change({
                  statuses: isOn
                    ? conditions.statuses.filter((other) => other !== status)
                    : statuses.filter((one) => one === status || conditions.statuses.includes(one)),
                })
              }
            >
              <StatusShape status={status} />
              {statusNames[status]}
            </button>
          );
        })}
      </fieldset>
      <select
        className="field"
        aria-label="Shipping"
        value={conditions.shipping ?? ""}
        onChange={({ target }) =>
          change({ shipping: (target.value || null) as ShippingMethod | null })
        }
      >
        <option value="">Any shipping</option>
        {shippingMethods.map((method) => (
          <option key={method} value={method}>
            {shippingNames[method]}
          </option>
        ))}
      </select>
      <PlacedFilter conditions={conditions} change={change} />
      {can("ADMIN") && <CustomerFilter id={conditions.customer} change={change} />}
      {conditions.product && (
        <ProductChip id={conditions.product} onRemove={() => change({ product: null })} />
      )}
    </search>
  );
}

interface SearchProps {
  text: string;
  onSearch: (text: string) => void;
  field: RefObject<HTMLInputElement | null>;
}

function SearchField({ text, onSearch, field }: SearchProps) {
  const [typed, setTyped] = useState(text);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The address changed by other means: a link, the way back, "Clear".
  useEffect(() => setTyped(text), [text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = (next: string) => {
    setTyped(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onSearch(next), SEARCH_AFTER_MS);
  };
  return (
    <div className="search">
      <Search aria-hidden />
      <input
        ref={field}
        className="field"
        type="search"
        aria-label="Search by address, item or customer"
        placeholder="Address, item or customer"
        aria-keyshortcuts="/"
        value={typed}
        onChange={({ target }) => type(target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            event.currentTarget.blur();
          }
        }}
      />
      <span className="search-key" aria-hidden>
        <kbd>/</kbd>
      </span>
    </div>
  );
}

interface PlacedProps {
  conditions: Conditions;
  change: (changes: Partial<Conditions>) => void;
}

function PlacedFilter({ conditions: { period, from, to }, change }: PlacedProps) {
  const [isOpen, setIsOpen] = useState(false);
  const ids = { from: useId(), to: useId() };
  const between = isOpen || from !== "" || to !== "";
  return (
    <div className="placed">
      <select
        className="field"
        aria-label="Placed"
        value={period ?? (between ? BETWEEN : "")}
        onChange={({ target: { value } }) => {
          setIsOpen(value === BETWEEN);
          change({
            period: value === BETWEEN || value === "" ? null : (value as Period),
            from: "",
            to: "",
          });
        }}
      >
        <option value="">Any time</option>
        {periods.map((one) => (
          <option key={one} value={one}>
            {periodNames[one]}
          </option>
        ))}
        <option value={BETWEEN}>Between …</option>
      </select>
      {between && !period && (
        <>
          <label className="visually-hidden" htmlFor={ids.from}>
            From
          </label>
          <input
            id={ids.from}
            className="field"
            type="date"
            value={from}
            max={to || undefined}
            onChange={({ target }) => change({ from: target.value })}
          />
          <label htmlFor={ids.to}>to</label>
          <input
            id={ids.to}
            className="field"
            type="date"
            value={to}
            min={from || undefined}
            onChange={({ target }) => change({ to: target.value })}
          />
        </>
      )}
    </div>
  );
}
