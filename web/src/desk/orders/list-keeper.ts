// The list that was looked at last stays open, so that the way back to it takes no time.
import type { OrderList } from "./order-list";

export interface Place {
  scrollTop: number;
  activeId: string | null;
}

interface Kept {
  address: string;
  list: OrderList;
  place: Place;
}

export class ListKeeper {
  #kept: Kept | null = null;

  /** The address of the list that was looked at last. */
  get address(): string {
    return this.#kept?.address ?? "/";
  }

  /** The list of that address, if it was the last; else another one in its place. */
  keep(address: string, make: () => OrderList): Kept {
    if (this.#kept?.address !== address) {
      this.close();
      this.#kept = { address, list: make(), place: { scrollTop: 0, activeId: null } };
    }
    return this.#kept;
  }

  close(): void {
    this.#kept?.list.close();
    this.#kept = null;
  }
}
