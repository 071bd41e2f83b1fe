// The reference client of GraphQL over WebSocket: node websocket.mjs URL KEY CURSOR COUNT
// Listens to COUNT events after CURSOR; breaks the connection after the second, and the client goes
// on by itself from the cursor it has by then. Prints what it saw as JSON.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, key, after, count] = process.argv.slice(2);
const EVENTS = `subscription ($after: String) {
  orderEvents(after: $after) { cursor node { type } } }`;
const seen = { acks: 0, cursors: [], codes: [] };
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: key },
  lazyCloseTimeout: 1000,
  keepAlive: 200,
  shouldRetry: () => true,
  retryWait: async () => {},
  on: {
    connected: () => (seen.acks += 1),
    closed: (event) => seen.codes.push(event.code),
  },
});

const once = (query) =>
  new Promise((resolve) => {
    const results = [];
    client.subscribe(
      { query },
      {
        next: (result) => results.push(result),
        error: (errors) => resolve({ errors: errors.map((error) => error.extensions.code) }),
        complete: () => resolve({ results }),
      },
    );
  });

const variables = { after };
for await (const result of client.iterate({ query: EVENTS, variables })) {
  variables.after = result.data.orderEvents.cursor;
  seen.cursors.push(variables.after);
  if (seen.cursors.length === 2) client.terminate();
  if (seen.cursors.length === Number(count)) break;
}
seen.query = await once("{ scopes }");
seen.invalid = await once("subscription { nothing }");
await client.dispose();

const refused = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: "ofk_wrong" },
  retryAttempts: 0,
});
seen.refused = await new Promise((resolve) =>
  refused.subscribe(
    { query: "{ scopes }" },
    { next: resolve, complete: resolve, error: (event) => resolve(event.code) },
  ),
);
console.log(JSON.stringify(seen));
process.exit(0);
