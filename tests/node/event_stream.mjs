// The reference client of GraphQL over SSE: node event_stream.mjs URL KEY CURSOR COUNT
// Listens to COUNT events after CURSOR, in two parts. Prints what it saw as JSON.
import { createClient } from "graphql-sse";

const [url, key, after, count] = process.argv.slice(2);
const EVENTS = `subscription ($after: String) {
  orderEvents(after: $after) { cursor node { type } } }`;
const client = createClient({ url, headers: { Authorization: key }, retryAttempts: 0 });
const seen = { cursors: [] };
const variables = { after };

for (const until of [2, Number(count)]) {
  for await (const result of client.iterate({ query: EVENTS, variables })) {
    variables.after = result.data.orderEvents.cursor;
    seen.cursors.push(variables.after);
    if (seen.cursors.length === until) break;
  }
}
const once = async (of, query) => {
  const results = [];
  for await (const result of of.iterate({ query })) results.push(result);
  return results;
};
seen.query = await once(client, "{ scopes }");
seen.invalid = await once(client, "subscription { nothing }");
const refused = createClient({ url, headers: { Authorization: "ofk_wrong" }, retryAttempts: 0 });
seen.refused = await once(refused, "subscription { orderEvents { cursor } }");
client.dispose();
console.log(JSON.stringify(seen));
process.exit(0);
