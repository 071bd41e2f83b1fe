// The GraphQL client of one signed-in key: a cache of things by their ids, and how it is kept right.
import { cacheExchange } from "@urql/exchange-graphcache";
import { createClient as createStreamClient } from "graphql-sse";
import { Client, type CombinedError, fetchExchange, mapExchange, subscriptionExchange } from "urql";
import type { OrderStatusChange } from "./gql/graphql";
import { endpoint, fetchByDocumentId } from "./transport";

// What has no id of its own is a part of what it stands in.
const parts = [
  "ChangeOrderAddressPayload",
  "ChangeOrderStatusPayload",
  "DeleteOrdersPayload",
  "Money",
  "OrderConnection",
  "OrderEventConnection",
  "OrderEventEdge",
  "OrderStats",
  "OrderStatsPoint",
  "OrderStatusStats",
  "PageInfo",
  "ProductStats",
  "RestoreOrdersPayload",
  "UserError",
];

export interface ClientOptions {
  key: string;
  /** The key does not work, or not any more. */
  onRefused: () => void;
  /** A stream of events was opened. */
  onStreamOpened: () => void;
  /** A stream ended without an error. */
  onStreamEnded: () => void;
}

export function createClient(options: ClientOptions): Client {
  const { key, onRefused, onStreamOpened, onStreamEnded } = options;
  const headers = { authorization: key };
  const streams = createStreamClient({
    url: endpoint,
    headers,
    // Who listens tries again, from where it was.
    retryAttempts: 0,
    fetchFn: async (input: RequestInfo, init: RequestInit) => {
      const response = await fetchByDocumentId(input, init);
      if (response.ok && response.headers.get("content-type")?.includes("event-stream")) {
        onStreamOpened();
      }
      return response;
    },
  });
  return new Client({
    url: endpoint,
    preferGetMethod: false,
    fetch: fetchByDocumentId,
    fetchOptions: {
      headers: {
        ...headers,
        accept: "application/graphql-response+json, application/json;q=0.9",
      },
    },
    exchanges: [
      mapExchange({
        onResult({ error }) {
          if (error && codesOf(error).includes("UNAUTHENTICATED")) {
            onRefused();
          }
        },
      }),
      cacheExchange({
        keys: Object.fromEntries(parts.map((name) => [name, () => null])),
        optimistic: {
          changeOrderStatus: ({ input }, cache) => ({
            __typename: "ChangeOrderStatusPayload",
            orders: (input as { changes: OrderStatusChange[] }).changes.map(
              ({ orderId, status }) => {
                const order = { __typename: "Order", id: orderId };
                return {
                  ...order,
                  status,
                  version: cache.resolve(order, "version"),
                  updatedAt: cache.resolve(order, "updatedAt"),
                };
              },
            ),
            userErrors: [],
          }),
        },
      }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe(sink) {
            const { query = "", operationName, variables, extensions } = request;
            const unsubscribe = streams.subscribe(
              {
                query,
                ...(operationName && { operationName }),
                ...(variables && { variables }),
                ...(extensions && { extensions }),
              },
              {
                next: (result) => sink.next(result as Parameters<typeof sink.next>[0]),
                error: (error) => sink.error(error),
                // urql would give its last result once more, and the cache what is old by then.
                complete: onStreamEnded,
              },
            );
            return { unsubscribe };
          },
        }),
      }),
    ],
  });
}

export function codesOf(error: CombinedError): string[] {
  return error.graphQLErrors.map(({ extensions }) => String(extensions.code));
}

/** A sentence for a person about what went wrong. */
export function sentenceOf(error: CombinedError): string {
  if (error.networkError) {
    return "The service can't be reached.";
  }
  return error.graphQLErrors[0]?.message ?? "Something went wrong.";
}
