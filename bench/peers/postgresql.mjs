// The shop in PostgreSQL, by pg: a pool, and statements that each connection prepares once.
import pg from "pg";

import { newId, ordersFrom, pricedItems, restRow, wordsOf } from "./values.mjs";

const INT8 = 20;
const ORDER = `id, user_id AS "userId", order_number AS number, status, address,
  created_at AS "placedAt", version, total_minor AS "totalMinor", currency`;
const ITEM = `order_id AS "orderId", id, name, quantity, shipping,
  unit_price_minor AS "unitPriceMinor"`;

// Amounts are far below what a double holds exactly.
pg.types.setTypeParser(INT8, Number);

const statement = (name, text) => ({ name, text });

const KEY = statement(
  "key",
  "SELECT user_id FROM api_keys WHERE sha256 = $1 AND revoked_at IS NULL",
);
const ONE = statement("one", `SELECT ${ORDER} FROM orders WHERE user_id = $1 AND id = $2`);
const SOME = statement(
  "some",
  `SELECT ${ORDER} FROM orders WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2`,
);
const COUNT = statement("count", "SELECT count(*) FROM orders WHERE user_id = $1");
const ITEMS = statement(
  "items",
  `SELECT ${ITEM} FROM order_items WHERE user_id = $1 AND order_id = ANY($2)
   ORDER BY order_id, position`,
);
const ALL = statement(
  "all",
  `SELECT o.id AS "orderId", o.status, o.created_at AS "createdAt", o.order_number AS number,
     i.product_id AS "productId", i.image, i.name, i.unit_price_minor AS "unitPriceMinor",
     i.quantity, i.shipping
   FROM orders o JOIN order_items i ON i.user_id = o.user_id AND i.order_id = o.id
   WHERE o.user_id = $1 ORDER BY o.order_number DESC, i.position`,
);
const PRODUCTS = statement(
  "products",
  `SELECT id, name, image, price_minor AS "priceMinor" FROM products
   WHERE id = ANY($1) AND deleted_at IS NULL`,
);
const CUSTOMER = statement("customer", "SELECT name, email FROM users WHERE id = $1");
const NUMBER = statement(
  "number",
  `INSERT INTO order_counters AS c (user_id, last_order_number) VALUES ($1, 1)
   ON CONFLICT (user_id) DO UPDATE SET last_order_number = c.last_order_number + 1
   RETURNING last_order_number AS number`,
);
const ADD_ORDER = statement(
  "add order",
  `INSERT INTO orders (user_id, id, order_number, status, address, currency, total_minor, version,
     created_at, updated_at) VALUES ($1, $2, $3, 'pending', $4, 'USD', $5, 0, $6, $6)`,
);
const ADD_ITEMS = statement(
  "add items",
  `INSERT INTO order_items (user_id, order_id, position, id, product_id, name, image,
     unit_price_minor, quantity, shipping)
   SELECT $1, $2, place - 1, id, product_id, name, image, unit_price_minor, quantity, shipping
   FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::int[], $9::text[])
     WITH ORDINALITY
     AS t(id, product_id, name, image, unit_price_minor, quantity, shipping, place)`,
);
const ADD_WORDS = statement(
  "add words",
  "INSERT INTO order_words (user_id, order_id, words) VALUES ($1, $2, $3)",
);
const ADD_EVENT = statement(
  "add event",
  `INSERT INTO order_events (id, user_id, order_id, order_version, type, source, to_status,
     actor_id, occurred_at) VALUES ($1, $2, $3, 0, 'created', 'graphql', 'pending', $2, $4)`,
);

const rowsOf = async (client, prepared, ...values) =>
  (await client.query({ ...prepared, values })).rows;

export async function userOfDigest(client, digest) {
  const [row] = await rowsOf(client, KEY, digest);
  return row?.user_id;
}

function orders(rows) {
  for (const row of rows) row.placedAt = row.placedAt.toISOString();
  return ordersFrom(rows);
}

export function openShop(url) {
  const pool = new pg.Pool({ connectionString: url });

  async function inTransaction(work) {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      const result = await work(client);
      await client.query("COMMIT");
      return result;
    } catch (error) {
      await client.query("ROLLBACK");
      throw error;
    } finally {
      client.release();
    }
  }

  async function place(client, userId, { items, address }) {
    const asked = items.map(({ productId }) => productId);
    const found = await rowsOf(client, PRODUCTS, asked);
    const [{ name, email }] = await rowsOf(client, CUSTOMER, userId);
    const products = new Map(found.map((product) => [product.id, product]));
    const bought = asked.map((productId) => products.get(productId));
    if (bought.includes(undefined)) return null;
    const id = newId();
    const placedAt = new Date();
    const totalMinor = bought.reduce(
      (sum, { priceMinor }, position) => sum + priceMinor * items[position].quantity,
      0,
    );
    const [{ number }] = await rowsOf(client, NUMBER, userId);
    const of = (rows, field) => rows.map((row) => row[field]);
    const texts = [name, email ?? "", ...of(bought, "name"), address];
    await rowsOf(client, ADD_ORDER, userId, id, number, address, totalMinor, placedAt);
    await rowsOf(
      client,
      ADD_ITEMS,
      ...[userId, id, bought.map(newId), of(bought, "id"), of(bought, "name")],
      ...[of(bought, "image"), of(bought, "priceMinor"), of(items, "quantity")],
      of(items, "shipping"),
    );
    await rowsOf(client, ADD_WORDS, userId, id, wordsOf(texts));
    await rowsOf(client, ADD_EVENT, newId(), userId, id, placedAt);
    const order = { id, userId, number, status: "pending", address, placedAt };
    return orders([{ ...order, version: 0, totalMinor, currency: "USD" }])[0];
  }

  async function itemsOfPage(page) {
    const found = new Map(page.map(({ id }) => [id, []]));
    const rows = await rowsOf(pool, ITEMS, page[0].userId, [...found.keys()]);
    for (const item of rows) found.get(item.orderId).push(item);
    return found;
  }

  return {
    userOfDigest: (digest) => userOfDigest(pool, digest),
    order: async (userId, id) => orders(await rowsOf(pool, ONE, userId, id))[0] ?? null,
    orders: async (userId, size) => orders(await rowsOf(pool, SOME, userId, size)),
    countOrders: async (userId) => (await rowsOf(pool, COUNT, userId))[0].count,
    itemsOf: async (order) => {
      order.page.items ??= itemsOfPage(order.page.orders);
      return pricedItems((await order.page.items).get(order.id), order);
    },
    addOrder: (userId, input) => inTransaction((client) => place(client, userId, input)),
    restRows: async (userId) => {
      const rows = await rowsOf(pool, ALL, userId);
      for (const row of rows) row.createdAt = row.createdAt.toISOString();
      return rows.map(restRow);
    },
  };
}
