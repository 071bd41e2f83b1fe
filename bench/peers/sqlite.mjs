// The shop in a file of SQLite, by better-sqlite3. All statements are prepared once.
import Database from "better-sqlite3";

import { newId, ordersFrom, pricedItems, restRow, wordsOf } from "./values.mjs";

const ORDER = `id, user_id AS userId, order_number AS number, status, address,
  created_at AS placedAt, version, total_minor AS totalMinor, currency`;
const ITEM = "id, name, quantity, shipping, unit_price_minor AS unitPriceMinor";

export function openShop(path) {
  const database = new Database(path, { timeout: 5_000 });
  for (const pragma of [
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "foreign_keys = ON",
    "cache_size = -65536",
    "mmap_size = 268435456",
  ]) {
    database.pragma(pragma);
  }
  const one = database.prepare(`SELECT ${ORDER} FROM orders WHERE user_id = ? AND id = ?`);
  const some = database.prepare(`SELECT ${ORDER} FROM orders WHERE user_id = ?
    ORDER BY created_at DESC, id DESC LIMIT ?`);
  const count = database.prepare("SELECT count(*) FROM orders WHERE user_id = ?").pluck();
  const itemsOfOne = database.prepare(`SELECT ${ITEM} FROM order_items
    WHERE user_id = ? AND order_id = ? ORDER BY position`);
  const itemsOfSome = database.prepare(`SELECT order_id AS orderId, ${ITEM} FROM order_items
    WHERE user_id = ? AND order_id IN (SELECT value FROM json_each(?)) ORDER BY order_id, position`);
  const all = database.prepare(`SELECT o.id AS orderId, o.status, o.created_at AS createdAt,
      o.order_number AS number, i.product_id AS productId, i.image, i.name,
      i.unit_price_minor AS unitPriceMinor, i.quantity, i.shipping
    FROM orders o JOIN order_items i ON i.user_id = o.user_id AND i.order_id = o.id
    WHERE o.user_id = ? ORDER BY o.order_number DESC, i.position`);
  const key = database
    .prepare("SELECT user_id FROM api_keys WHERE sha256 = ? AND revoked_at IS NULL")
    .pluck();
  const product = database.prepare(`SELECT id, name, image, price_minor AS priceMinor
    FROM products WHERE id = ? AND deleted_at IS NULL`);
  const customer = database.prepare("SELECT name, email FROM users WHERE id = ?");
  const nextNumber = database
    .prepare(
      `INSERT INTO order_counters (user_id, last_order_number) VALUES (?, 1)
       ON CONFLICT (user_id) DO UPDATE SET last_order_number = last_order_number + 1
       RETURNING last_order_number`,
    )
    .pluck();
  const addOrder = database.prepare(`INSERT INTO orders (user_id, id, order_number, status, address,
    currency, total_minor, version, created_at, updated_at)
    VALUES (?, ?, ?, 'pending', ?, 'USD', ?, 0, ?, ?)`);
  const addItem = database.prepare(`INSERT INTO order_items (user_id, order_id, position, id,
    product_id, name, image, unit_price_minor, quantity, shipping)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const addWords = database.prepare(
    "INSERT INTO order_words (user_id, order_id, words) VALUES (?, ?, ?)",
  );
  const addEvent = database.prepare(`INSERT INTO order_events (id, user_id, order_id, order_version,
    type, source, to_status, actor_id, occurred_at)
    VALUES (?, ?, ?, 0, 'created', 'graphql', 'pending', ?, ?)`);

  const place = database.transaction((userId, input) => {
    const products = input.items.map((item) => product.get(item.productId));
    if (products.includes(undefined)) return null;
    const id = newId();
    const at = `${new Date().toISOString().slice(0, 23)}000Z`;
    const number = nextNumber.get(userId);
    const totalMinor = products.reduce(
      (sum, { priceMinor }, position) => sum + priceMinor * input.items[position].quantity,
      0,
    );
    addOrder.run(userId, id, number, input.address, totalMinor, at, at);
    products.forEach((bought, position) => {
      const { quantity, shipping } = input.items[position];
      const { name, image, priceMinor } = bought;
      addItem.run(
        ...[userId, id, position, newId(), bought.id, name, image, priceMinor, quantity, shipping],
      );
    });
    const { name, email } = customer.get(userId);
    const texts = [name, email ?? "", ...products.map((bought) => bought.name), input.address];
    addWords.run(userId, id, wordsOf(texts));
    addEvent.run(newId(), userId, id, userId, at);
    const order = { id, userId, number, status: "pending", address: input.address };
    return ordersFrom([{ ...order, placedAt: at, version: 0, totalMinor, currency: "USD" }])[0];
  });

  // All of a page's items, by their order: one statement takes a third of the time of one for each.
  function itemsOfPage(orders) {
    const found = new Map(orders.map(({ id }) => [id, []]));
    const ids = JSON.stringify([...found.keys()]);
    for (const item of itemsOfSome.all(orders[0].userId, ids)) found.get(item.orderId).push(item);
    return found;
  }

  function itemsOf({ id, userId, page }) {
    if (page.orders.length === 1) return itemsOfOne.all(userId, id);
    page.items ??= itemsOfPage(page.orders);
    return page.items.get(id);
  }

  return {
    userOfDigest: (digest) => key.get(digest),
    order: (userId, id) => ordersFrom(one.all(userId, id))[0] ?? null,
    orders: (userId, size) => ordersFrom(some.all(userId, size)),
    countOrders: (userId) => count.get(userId),
    itemsOf: (order) => pricedItems(itemsOf(order), order),
    // Immediate: one that begins by reading could not write if another process wrote meanwhile.
    addOrder: place.immediate,
    restRows: (userId) => all.all(userId).map(restRow),
  };
}
