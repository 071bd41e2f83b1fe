// Who is signed in. The key is kept for this tab alone, and only in its session storage.
import { createContext, use } from "react";
import type { Client } from "urql";
import type { Scope, ViewerQuery } from "../gql/graphql";
import type { LiveFeed } from "../live";
import type { ListKeeper } from "../orders/list-keeper";

const STORED_AS = "orders-desk-key";

export interface Session {
  viewer: ViewerQuery["me"];
  can: (scope: Scope) => boolean;
  client: Client;
  feed: LiveFeed;
  lists: ListKeeper;
  signOut: () => void;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = use(SessionContext);
  if (!session) {
    throw new Error("only shown to who is signed in");
  }
  return session;
}

export function storedKey(): string | null {
  return sessionStorage.getItem(STORED_AS);
}

export function storeKey(key: string | null): void {
  if (key === null) {
    sessionStorage.removeItem(STORED_AS);
  } else {
    sessionStorage.setItem(STORED_AS, key);
  }
}
