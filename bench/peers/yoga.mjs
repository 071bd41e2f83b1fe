// GraphQL Yoga with graphql-jit in place of the executor: node yoga.mjs FILE
import { createServer } from "node:http";

import { useGraphQlJit } from "@envelop/graphql-jit";
import { GraphQLError } from "graphql";
import { createYoga } from "graphql-yoga";

import { createKeys } from "./keys.mjs";
import { schema } from "./schema.mjs";
import { openShop } from "./sqlite.mjs";

const shop = openShop(process.argv[2]);
const userOf = createKeys(shop.userOfDigest);
const yoga = createYoga({
  schema,
  plugins: [useGraphQlJit()],
  context: ({ request }) => {
    const userId = userOf(request.headers.get("authorization"));
    if (userId === undefined) {
      throw new GraphQLError("Unauthorized", { extensions: { http: { status: 401 } } });
    }
    return { shop, userId };
  },
  logging: false,
  graphiql: false,
  landingPage: false,
});

const server = createServer((request, response) => {
  if (request.url !== "/orders/get_all") {
    yoga(request, response);
    return;
  }
  const userId = userOf(request.headers.authorization);
  const body = JSON.stringify(
    userId === undefined ? { message: "Unauthorized" } : shop.restRows(userId),
  );
  response.writeHead(userId === undefined ? 401 : 200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
});

server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
