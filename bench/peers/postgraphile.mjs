// PostGraphile on the tables as they are: node postgraphile.mjs URL
// Operations name the user whose orders they want. Row-level security would make it safe, and slower.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

import pg from "pg";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

import { createKeys } from "./keys.mjs";
import { userOfDigest } from "./postgresql.mjs";

const pool = new pg.Pool({ connectionString: process.argv[2] });
await pool.query(await readFile(new URL("postgraphile.sql", import.meta.url), "utf8"));
const userOf = createKeys((digest) => userOfDigest(pool, digest));

const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ pool, schemas: ["public"] })],
  grafast: {
    context: async ({ node }) => {
      const userId = await userOf(node.req.headers.authorization);
      if (userId === undefined) throw new Error("Unauthorized");
      return { userId };
    },
  },
  grafserv: { graphqlPath: "/graphql", graphiql: false, watch: false },
};
const served = postgraphile(preset).createServ(grafserv);
const server = createServer();
await served.addTo(server);
server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
