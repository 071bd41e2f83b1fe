// Fastify and Mercurius with its just-in-time compiler: node mercurius.mjs FILE, or a URL of PostgreSQL
import fastify from "fastify";
import mercurius from "mercurius";

import { createKeys } from "./keys.mjs";
import { schema } from "./schema.mjs";

const place = process.argv[2];
const engine = place.startsWith("postgresql:") ? "./postgresql.mjs" : "./sqlite.mjs";
const { openShop } = await import(engine);
const shop = openShop(place);
const userOf = createKeys(shop.userOfDigest);
const app = fastify();

app.decorateRequest("userId", "");
app.addHook("onRequest", (request, reply, done) => {
  const goOn = (userId) => {
    if (userId === undefined) {
      reply.code(401).send({ message: "Unauthorized" });
      return;
    }
    request.userId = userId;
    done();
  };
  const found = userOf(request.headers.authorization);
  if (found instanceof Promise) found.then(goOn, done);
  else goOn(found);
});
app.register(mercurius, {
  schema,
  jit: 1,
  context: (request) => ({ shop, userId: request.userId }),
});
app.get("/orders/get_all", (request) => shop.restRows(request.userId));

console.log(await app.listen({ host: "127.0.0.1", port: 0 }));
