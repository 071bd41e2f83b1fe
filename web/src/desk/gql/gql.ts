/* eslint-disable */
import * as types from './graphql';
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';

/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "query Figures($filter: OrderFilter!, $before: OrderFilter!, $interval: StatsInterval!, $timeZone: String!) {\n  stats(filter: $filter) {\n    orderCount\n    total {\n      amount\n      currencyCode\n    }\n    byStatus {\n      status\n      orderCount\n      total {\n        amount\n        currencyCode\n      }\n    }\n    series(interval: $interval, timeZone: $timeZone) {\n      start\n      orderCount\n      total {\n        amount\n      }\n    }\n    topProducts(first: 8) {\n      productId\n      name\n      quantity\n      total {\n        amount\n        currencyCode\n      }\n    }\n  }\n  before: stats(filter: $before) {\n    orderCount\n    total {\n      amount\n    }\n  }\n}": typeof types.FiguresDocument,
    "subscription OrderEvents($after: String) {\n  orderEvents(after: $after) {\n    cursor\n    node {\n      id\n      type\n      orderId\n      fromStatus\n      toStatus\n      order {\n        ...OrderLine\n      }\n    }\n  }\n}": typeof types.OrderEventsDocument,
    "fragment HistoryEntry on OrderEvent {\n  id\n  type\n  fromStatus\n  toStatus\n  source\n  createdAt\n  actor {\n    id\n    name\n  }\n}": typeof types.HistoryEntryFragmentDoc,
    "fragment OrderItems on Order {\n  total {\n    amount\n    currencyCode\n  }\n  items {\n    id\n    name\n    productId\n    quantity\n    shipping\n    unitPrice {\n      amount\n      currencyCode\n    }\n    total {\n      amount\n      currencyCode\n    }\n  }\n}": typeof types.OrderItemsFragmentDoc,
    "query Order($id: ID!) {\n  order(id: $id) {\n    ...OrderLine\n    ...OrderItems\n    customer {\n      id\n      email\n    }\n    events(first: 100) {\n      nodes {\n        ...HistoryEntry\n      }\n      pageInfo {\n        hasNextPage\n      }\n    }\n  }\n}\n\nmutation ChangeAddress($orderId: ID!, $address: String!, $expectedVersion: Int!) {\n  changeOrderAddress(\n    input: {orderId: $orderId, address: $address, expectedVersion: $expectedVersion}\n  ) {\n    order {\n      ...OrderLine\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}": typeof types.OrderDocument,
    "mutation ChangeStatus($changes: [OrderStatusChange!]!) {\n  changeOrderStatus(input: {changes: $changes, onError: SKIP_FAILED}) {\n    orders {\n      id\n      status\n      version\n      updatedAt\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}\n\nmutation Delete($ids: [ID!]!) {\n  deleteOrders(input: {ids: $ids, onError: SKIP_FAILED}) {\n    deletedIds\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}\n\nmutation Restore($ids: [ID!]!) {\n  restoreOrders(input: {ids: $ids, onError: SKIP_FAILED}) {\n    orders {\n      ...OrderLine\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}": typeof types.ChangeStatusDocument,
    "query CustomersOfOrders($search: String!) {\n  orders(first: 100, filter: {search: $search}) {\n    nodes {\n      id\n      customer {\n        id\n        name\n        email\n      }\n    }\n  }\n}\n\nquery Customer($id: ID!) {\n  node(id: $id) {\n    id\n    ... on User {\n      name\n      email\n    }\n  }\n}": typeof types.CustomersOfOrdersDocument,
    "fragment OrderLine on Order {\n  id\n  number\n  status\n  version\n  address\n  externalId\n  createdAt\n  updatedAt\n  total {\n    amount\n    currencyCode\n  }\n  customer {\n    id\n    name\n  }\n  items {\n    id\n    name\n    quantity\n    shipping\n  }\n}": typeof types.OrderLineFragmentDoc,
    "query Orders($first: Int!, $after: String, $filter: OrderFilter, $sort: OrderSort!) {\n  orders(first: $first, after: $after, filter: $filter, sort: $sort) {\n    nodes {\n      ...OrderLine\n    }\n    pageInfo {\n      endCursor\n      hasNextPage\n    }\n  }\n}\n\nquery OrderCount($filter: OrderFilter) {\n  orders(first: 0, filter: $filter) {\n    totalCount\n  }\n}": typeof types.OrdersDocument,
    "query ProductName($id: ID!) {\n  products(ids: [$id]) {\n    id\n    name\n  }\n}": typeof types.ProductNameDocument,
    "query Viewer {\n  scopes\n  me {\n    id\n    name\n    email\n    isAdmin\n  }\n}": typeof types.ViewerDocument,
};
const documents: Documents = {
    "query Figures($filter: OrderFilter!, $before: OrderFilter!, $interval: StatsInterval!, $timeZone: String!) {\n  stats(filter: $filter) {\n    orderCount\n    total {\n      amount\n      currencyCode\n    }\n    byStatus {\n      status\n      orderCount\n      total {\n        amount\n        currencyCode\n      }\n    }\n    series(interval: $interval, timeZone: $timeZone) {\n      start\n      orderCount\n      total {\n        amount\n      }\n    }\n    topProducts(first: 8) {\n      productId\n      name\n      quantity\n      total {\n        amount\n        currencyCode\n      }\n    }\n  }\n  before: stats(filter: $before) {\n    orderCount\n    total {\n      amount\n    }\n  }\n}": types.FiguresDocument,
    "subscription OrderEvents($after: String) {\n  orderEvents(after: $after) {\n    cursor\n    node {\n      id\n      type\n      orderId\n      fromStatus\n      toStatus\n      order {\n        ...OrderLine\n      }\n    }\n  }\n}": types.OrderEventsDocument,
    "fragment HistoryEntry on OrderEvent {\n  id\n  type\n  fromStatus\n  toStatus\n  source\n  createdAt\n  actor {\n    id\n    name\n  }\n}": types.HistoryEntryFragmentDoc,
    "fragment OrderItems on Order {\n  total {\n    amount\n    currencyCode\n  }\n  items {\n    id\n    name\n    productId\n    quantity\n    shipping\n    unitPrice {\n      amount\n      currencyCode\n    }\n    total {\n      amount\n      currencyCode\n    }\n  }\n}": types.OrderItemsFragmentDoc,
    "query Order($id: ID!) {\n  order(id: $id) {\n    ...OrderLine\n    ...OrderItems\n    customer {\n      id\n      email\n    }\n    events(first: 100) {\n      nodes {\n        ...HistoryEntry\n      }\n      pageInfo {\n        hasNextPage\n      }\n    }\n  }\n}\n\nmutation ChangeAddress($orderId: ID!, $address: String!, $expectedVersion: Int!) {\n  changeOrderAddress(\n    input: {orderId: $orderId, address: $address, expectedVersion: $expectedVersion}\n  ) {\n    order {\n      ...OrderLine\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}": types.OrderDocument,
    "mutation ChangeStatus($changes: [OrderStatusChange!]!) {\n  changeOrderStatus(input: {changes: $changes, onError: SKIP_FAILED}) {\n    orders {\n      id\n      status\n      version\n      updatedAt\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}\n\nmutation Delete($ids: [ID!]!) {\n  deleteOrders(input: {ids: $ids, onError: SKIP_FAILED}) {\n    deletedIds\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}\n\nmutation Restore($ids: [ID!]!) {\n  restoreOrders(input: {ids: $ids, onError: SKIP_FAILED}) {\n    orders {\n      ...OrderLine\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}": types.ChangeStatusDocument,
    "query CustomersOfOrders($search: String!) {\n  orders(first: 100, filter: {search: $search}) {\n    nodes {\n      id\n      customer {\n        id\n        name\n        email\n      }\n    }\n  }\n}\n\nquery Customer($id: ID!) {\n  node(id: $id) {\n    id\n    ... on User {\n      name\n      email\n    }\n  }\n}": types.CustomersOfOrdersDocument,
    "fragment OrderLine on Order {\n  id\n  number\n  status\n  version\n  address\n  externalId\n  createdAt\n  updatedAt\n  total {\n    amount\n    currencyCode\n  }\n  customer {\n    id\n    name\n  }\n  items {\n    id\n    name\n    quantity\n    shipping\n  }\n}": types.OrderLineFragmentDoc,
    "query Orders($first: Int!, $after: String, $filter: OrderFilter, $sort: OrderSort!) {\n  orders(first: $first, after: $after, filter: $filter, sort: $sort) {\n    nodes {\n      ...OrderLine\n    }\n    pageInfo {\n      endCursor\n      hasNextPage\n    }\n  }\n}\n\nquery OrderCount($filter: OrderFilter) {\n  orders(first: 0, filter: $filter) {\n    totalCount\n  }\n}": types.OrdersDocument,
    "query ProductName($id: ID!) {\n  products(ids: [$id]) {\n    id\n    name\n  }\n}": types.ProductNameDocument,
    "query Viewer {\n  scopes\n  me {\n    id\n    name\n    email\n    isAdmin\n  }\n}": types.ViewerDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 *
 *
 * @example
 * ```ts
 * const query = graphql(`query GetUser($id: ID!) { user(id: $id) { name } }`);
 * ```
 *
 * The query argument is unknown!
 * Please regenerate the types.
 */
export function graphql(source: string): unknown;

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query Figures($filter: OrderFilter!, $before: OrderFilter!, $interval: StatsInterval!, $timeZone: String!) {\n  stats(filter: $filter) {\n    orderCount\n    total {\n      amount\n      currencyCode\n    }\n    byStatus {\n      status\n      orderCount\n      total {\n        amount\n        currencyCode\n      }\n    }\n    series(interval: $interval, timeZone: $timeZone) {\n      start\n      orderCount\n      total {\n        amount\n      }\n    }\n    topProducts(first: 8) {\n      productId\n      name\n      quantity\n      total {\n        amount\n        currencyCode\n      }\n    }\n  }\n  before: stats(filter: $before) {\n    orderCount\n    total {\n      amount\n    }\n  }\n}"): (typeof documents)["query Figures($filter: OrderFilter!, $before: OrderFilter!, $interval: StatsInterval!, $timeZone: String!) {\n  stats(filter: $filter) {\n    orderCount\n    total {\n      amount\n      currencyCode\n    }\n    byStatus {\n      status\n      orderCount\n      total {\n        amount\n        currencyCode\n      }\n    }\n    series(interval: $interval, timeZone: $timeZone) {\n      start\n      orderCount\n      total {\n        amount\n      }\n    }\n    topProducts(first: 8) {\n      productId\n      name\n      quantity\n      total {\n        amount\n        currencyCode\n      }\n    }\n  }\n  before: stats(filter: $before) {\n    orderCount\n    total {\n      amount\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "subscription OrderEvents($after: String) {\n  orderEvents(after: $after) {\n    cursor\n    node {\n      id\n      type\n      orderId\n      fromStatus\n      toStatus\n      order {\n        ...OrderLine\n      }\n    }\n  }\n}"): (typeof documents)["subscription OrderEvents($after: String) {\n  orderEvents(after: $after) {\n    cursor\n    node {\n      id\n      type\n      orderId\n      fromStatus\n      toStatus\n      order {\n        ...OrderLine\n      }\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "fragment HistoryEntry on OrderEvent {\n  id\n  type\n  fromStatus\n  toStatus\n  source\n  createdAt\n  actor {\n    id\n    name\n  }\n}"): (typeof documents)["fragment HistoryEntry on OrderEvent {\n  id\n  type\n  fromStatus\n  toStatus\n  source\n  createdAt\n  actor {\n    id\n    name\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "fragment OrderItems on Order {\n  total {\n    amount\n    currencyCode\n  }\n  items {\n    id\n    name\n    productId\n    quantity\n    shipping\n    unitPrice {\n      amount\n      currencyCode\n    }\n    total {\n      amount\n      currencyCode\n    }\n  }\n}"): (typeof documents)["fragment OrderItems on Order {\n  total {\n    amount\n    currencyCode\n  }\n  items {\n    id\n    name\n    productId\n    quantity\n    shipping\n    unitPrice {\n      amount\n      currencyCode\n    }\n    total {\n      amount\n      currencyCode\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query Order($id: ID!) {\n  order(id: $id) {\n    ...OrderLine\n    ...OrderItems\n    customer {\n      id\n      email\n    }\n    events(first: 100) {\n      nodes {\n        ...HistoryEntry\n      }\n      pageInfo {\n        hasNextPage\n      }\n    }\n  }\n}\n\nmutation ChangeAddress($orderId: ID!, $address: String!, $expectedVersion: Int!) {\n  changeOrderAddress(\n    input: {orderId: $orderId, address: $address, expectedVersion: $expectedVersion}\n  ) {\n    order {\n      ...OrderLine\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}"): (typeof documents)["query Order($id: ID!) {\n  order(id: $id) {\n    ...OrderLine\n    ...OrderItems\n    customer {\n      id\n      email\n    }\n    events(first: 100) {\n      nodes {\n        ...HistoryEntry\n      }\n      pageInfo {\n        hasNextPage\n      }\n    }\n  }\n}\n\nmutation ChangeAddress($orderId: ID!, $address: String!, $expectedVersion: Int!) {\n  changeOrderAddress(\n    input: {orderId: $orderId, address: $address, expectedVersion: $expectedVersion}\n  ) {\n    order {\n      ...OrderLine\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation ChangeStatus($changes: [OrderStatusChange!]!) {\n  changeOrderStatus(input: {changes: $changes, onError: SKIP_FAILED}) {\n    orders {\n      id\n      status\n      version\n      updatedAt\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}\n\nmutation Delete($ids: [ID!]!) {\n  deleteOrders(input: {ids: $ids, onError: SKIP_FAILED}) {\n    deletedIds\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}\n\nmutation Restore($ids: [ID!]!) {\n  restoreOrders(input: {ids: $ids, onError: SKIP_FAILED}) {\n    orders {\n      ...OrderLine\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}"): (typeof documents)["mutation ChangeStatus($changes: [OrderStatusChange!]!) {\n  changeOrderStatus(input: {changes: $changes, onError: SKIP_FAILED}) {\n    orders {\n      id\n      status\n      version\n      updatedAt\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}\n\nmutation Delete($ids: [ID!]!) {\n  deleteOrders(input: {ids: $ids, onError: SKIP_FAILED}) {\n    deletedIds\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}\n\nmutation Restore($ids: [ID!]!) {\n  restoreOrders(input: {ids: $ids, onError: SKIP_FAILED}) {\n    orders {\n      ...OrderLine\n    }\n    userErrors {\n      code\n      field\n      message\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query CustomersOfOrders($search: String!) {\n  orders(first: 100, filter: {search: $search}) {\n    nodes {\n      id\n      customer {\n        id\n        name\n        email\n      }\n    }\n  }\n}\n\nquery Customer($id: ID!) {\n  node(id: $id) {\n    id\n    ... on User {\n      name\n      email\n    }\n  }\n}"): (typeof documents)["query CustomersOfOrders($search: String!) {\n  orders(first: 100, filter: {search: $search}) {\n    nodes {\n      id\n      customer {\n        id\n        name\n        email\n      }\n    }\n  }\n}\n\nquery Customer($id: ID!) {\n  node(id: $id) {\n    id\n    ... on User {\n      name\n      email\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "fragment OrderLine on Order {\n  id\n  number\n  status\n  version\n  address\n  externalId\n  createdAt\n  updatedAt\n  total {\n    amount\n    currencyCode\n  }\n  customer {\n    id\n    name\n  }\n  items {\n    id\n    name\n    quantity\n    shipping\n  }\n}"): (typeof documents)["fragment OrderLine on Order {\n  id\n  number\n  status\n  version\n  address\n  externalId\n  createdAt\n  updatedAt\n  total {\n    amount\n    currencyCode\n  }\n  customer {\n    id\n    name\n  }\n  items {\n    id\n    name\n    quantity\n    shipping\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query Orders($first: Int!, $after: String, $filter: OrderFilter, $sort: OrderSort!) {\n  orders(first: $first, after: $after, filter: $filter, sort: $sort) {\n    nodes {\n      ...OrderLine\n    }\n    pageInfo {\n      endCursor\n      hasNextPage\n    }\n  }\n}\n\nquery OrderCount($filter: OrderFilter) {\n  orders(first: 0, filter: $filter) {\n    totalCount\n  }\n}"): (typeof documents)["query Orders($first: Int!, $after: String, $filter: OrderFilter, $sort: OrderSort!) {\n  orders(first: $first, after: $after, filter: $filter, sort: $sort) {\n    nodes {\n      ...OrderLine\n    }\n    pageInfo {\n      endCursor\n      hasNextPage\n    }\n  }\n}\n\nquery OrderCount($filter: OrderFilter) {\n  orders(first: 0, filter: $filter) {\n    totalCount\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query ProductName($id: ID!) {\n  products(ids: [$id]) {\n    id\n    name\n  }\n}"): (typeof documents)["query ProductName($id: ID!) {\n  products(ids: [$id]) {\n    id\n    name\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query Viewer {\n  scopes\n  me {\n    id\n    name\n    email\n    isAdmin\n  }\n}"): (typeof documents)["query Viewer {\n  scopes\n  me {\n    id\n    name\n    email\n    isAdmin\n  }\n}"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;