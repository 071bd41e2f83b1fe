// Fastify and Mercurius with its just-in-time compiler: node mercurius.mjs FILE
import fastify from "fastify";
import mercurius from "mercurius";

import { createKeys } from "./keys.mjs";
import { schema } from "./schema.mjs";
import { openShop } from "./sqlite.mjs";

const shop = openShop(process.argv[2]);
const userOf = createKeys(shop.userOfDigest);
const app = fastify();

app.decorateRequest("userId", "");
app.addHook("onRequest", (request, reply, done) => {
  const userId = userOf(request.headers.authorization);
  if (userId === undefined) {
    reply.code(401).send({ message: "Unauthorized" });
    return;
  }
  request.userId = userId;
  done();
});
app.register(mercurius, {
  schema,
  jit: 1,
  context: (request) => ({ shop, userId: request.userId }),
});
app.get("/orders/get_all", (request, reply) => {
  reply.send(shop.restRows(request.userId));
});

console.log(await app.listen({ host: "127.0.0.1", port: 0 }));
