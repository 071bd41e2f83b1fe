// How the shop's values are written: amounts, days, cursors, ids, and the words that orders are found by.
import { randomBytes } from "node:crypto";

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

const money = (minor, currencyCode) => ({ amount: (minor / 100).toFixed(2), currencyCode });

// `at` is text as SQLite has it, 2024-11-30T14:03:20.123456Z, or without what is below a millisecond.
export const longDate = (at) =>
  `${MONTHS[Number(at.slice(5, 7)) - 1]} ${Number(at.slice(8, 10))}, ${at.slice(0, 4)}`;

const milliseconds = (at) => `${at.slice(0, 23)}Z`;

export function cursor({ placedAt, id }) {
  const microseconds = `${Date.parse(milliseconds(placedAt))}${placedAt.slice(23, -1).padEnd(3, "0")}`;
  return Buffer.from(`created_at:${microseconds}:${id}`).toString("base64url");
}

// An ObjectId: the time, what tells this process from others, a counter.
const PROCESS = randomBytes(5).toString("hex");
let counter = randomBytes(3).readUIntBE(0, 3);

export function newId() {
  counter = (counter + 1) & 0xffffff;
  const time = Math.floor(Date.now() / 1000).toString(16);
  return time + PROCESS + counter.toString(16).padStart(6, "0");
}

// The service's rules for texts in ASCII, which all of this shop's are.
export function wordsOf(texts) {
  const words = new Set();
  for (const text of texts) {
    for (const word of text.toLowerCase().match(/[a-z0-9]+/g) ?? []) {
      words.add(word.slice(0, 64).replaceAll("z", "zz"));
    }
  }
  return [...words].join(" ");
}

// Rows of orders with their values as GraphQL has them; what is read with them later, they share.
export function ordersFrom(rows) {
  const page = { orders: rows, items: undefined };
  for (const row of rows) {
    row.createdAt = milliseconds(row.placedAt);
    row.total = money(row.totalMinor, row.currency);
    row.page = page;
  }
  return rows;
}

export function pricedItems(rows, order) {
  for (const row of rows) row.unitPrice = money(row.unitPriceMinor, order.currency);
  return rows;
}

// The row of an order's item as the REST path answers it.
export const restRow = (row) => ({
  orderId: row.orderId,
  productId: row.productId,
  image: row.image,
  name: row.name,
  price: row.unitPriceMinor / 100,
  quantity: row.quantity,
  shipping: row.shipping,
  status: row.status,
  createdAt: longDate(row.createdAt),
  orderNum: row.number,
});
