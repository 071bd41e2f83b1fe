// The schema of those who are measured: the service's own, as far as the five requests go.
import { makeExecutableSchema } from "@graphql-tools/schema";

import { cursor } from "./values.mjs";

const typeDefs = `
  scalar DateTime
  scalar Decimal
  enum OrderStatus { PENDING DELIVERY COMPLETED }
  enum ShippingMethod { NEXT_DAY REGULAR BUDGET }
  type Money { amount: Decimal! currencyCode: String! }
  type OrderItem {
    id: ID!
    name: String!
    quantity: Int!
    shipping: ShippingMethod!
    unitPrice: Money!
  }
  type Order {
    id: ID!
    number: Int!
    status: OrderStatus!
    address: String!
    createdAt: DateTime!
    version: Int!
    total: Money!
    items: [OrderItem!]!
  }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type OrderConnection { nodes: [Order!]! pageInfo: PageInfo! totalCount: Int! }
  input OrderItemInput { productId: ID! quantity: Int! shipping: ShippingMethod! }
  input AddOrderInput { items: [OrderItemInput!]! address: String! }
  type UserError { code: String! message: String! }
  type AddOrderPayload { order: Order userErrors: [UserError!]! }
  type Query {
    order(id: ID!): Order
    orders(first: Int = 20): OrderConnection!
  }
  type Mutation { addOrder(input: AddOrderInput!): AddOrderPayload }
`;

const resolvers = {
  OrderStatus: { PENDING: "pending", DELIVERY: "delivery", COMPLETED: "completed" },
  ShippingMethod: { NEXT_DAY: "Next day", REGULAR: "Regular", BUDGET: "Budget" },
  Query: {
    order: (_, { id }, { shop, userId }) => shop.order(userId, id),
    orders: (_, { first }, { shop, userId }) => {
      const page = (orders) => ({ orders, first });
      const found = shop.orders(userId, first + 1);
      return found instanceof Promise ? found.then(page) : page(found);
    },
  },
  OrderConnection: {
    nodes: ({ orders, first }) => orders.slice(0, first),
    pageInfo: ({ orders, first }) => {
      const last = orders[Math.min(first, orders.length) - 1];
      return {
        hasNextPage: orders.length > first,
        endCursor: last === undefined ? null : cursor(last),
      };
    },
    totalCount: (_, __, { shop, userId }) => shop.countOrders(userId),
  },
  Order: {
    items: (order, _, { shop }) => shop.itemsOf(order),
  },
  Mutation: {
    addOrder: (_, { input }, { shop, userId }) => {
      const payload = (order) =>
        order === null
          ? { order, userErrors: [{ code: "NOT_FOUND", message: "names no product" }] }
          : { order, userErrors: [] };
      const placed = shop.addOrder(userId, input);
      return placed instanceof Promise ? placed.then(payload) : payload(placed);
    },
  },
};

export const schema = makeExecutableSchema({ typeDefs, resolvers });
