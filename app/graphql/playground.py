"""What the playground begins with, and the page that has it where `web/` was not built.

That page is Strawberry's GraphiQL. It loads from the address that Strawberry chose for it, so a
browser needs the internet for it; the service does not.
"""

from typing import TypedDict

import orjson
from strawberry.http.ides import get_graphql_ide_html

_EXAMPLES = {
    "orders": """# The newest orders you may see, a page at a time.
query Orders($first: Int = 5, $after: String) {
  orders(first: $first, after: $after, filter: { status: [PENDING, DELIVERY] }) {
    totalCount
    pageInfo { hasNextPage endCursor }
    nodes {
      id number status createdAt
      customer { name }
      total { amount currencyCode }
      items { name quantity shipping unitPrice { amount } product { price { amount } } }
    }
  }
}
""",
    "search": """# Each word begins a word of the address, an item, the customer's name or e-mail.
query Search($words: String = "carlton oak") {
  orders(filter: { search: $words }, sort: TOTAL_DESC, first: 5) {
    totalCount
    nodes { id number address total { amount } items { name } }
  }
}
""",
    "me": """# Who is calling, and their latest orders.
query Me {
  scopes
  me {
    id name email isAdmin
    apiKeys { id name prefix scopes lastUsedAt revokedAt }
    orders(first: 3) { nodes { id number status total { amount } } }
  }
}
""",
    "stats": """# Figures over the orders you may see, per day of a time zone.
query Stats($filter: OrderFilter) {
  stats(filter: $filter) {
    orderCount
    total { amount currencyCode }
    byStatus { status orderCount }
    series(interval: WEEK, timeZone: "Europe/Berlin") { start orderCount total { amount } }
    topProducts(first: 3) { name quantity total { amount } }
  }
}
""",
    "products": """# The catalogue: ids for addOrder.
query Products($search: String) {
  products(search: $search, first: 10) { id name price { amount currencyCode } }
}
""",
    "addOrder": """# Put a product's id into the variables below.
# Sent again with the same key, it answers with the first order.
mutation AddOrder($input: AddOrderInput!) {
  addOrder(input: $input) {
    order { id number total { amount } items { name quantity } }
    userErrors { code field message }
  }
}
""",
    "changeOrderStatus": """# Needs an administrator's key.
mutation ChangeOrderStatus($input: ChangeOrderStatusInput!) {
  changeOrderStatus(input: $input) {
    orders { id status version }
    userErrors { code field message }
  }
}
""",
    "changeOrderAddress": """# While the order is pending.
mutation ChangeOrderAddress($input: ChangeOrderAddressInput!) {
  changeOrderAddress(input: $input) {
    order { id address version }
    userErrors { code field message }
  }
}
""",
    "deleteOrders": """mutation DeleteOrders($input: DeleteOrdersInput!) {
  deleteOrders(input: $input) {
    deletedIds
    userErrors { code field message }
  }
}
""",
    "restoreOrders": """# Needs an administrator's key. Brings back what was deleted.
mutation RestoreOrders($input: RestoreOrdersInput!) {
  restoreOrders(input: $input) {
    orders { id number status version events { nodes { type createdAt actor { name } } } }
    userErrors { code field message }
  }
}
""",
    "createApiKey": """# The key itself is shown this once, as the secret.
mutation CreateApiKey($input: CreateApiKeyInput!) {
  createApiKey(input: $input) {
    secret
    apiKey { id name prefix scopes expiresAt }
    userErrors { code field message }
  }
}
""",
    "revokeApiKey": """# Put a key's id into the variables below: the tab of me shows yours.
mutation RevokeApiKey($input: RevokeApiKeyInput!) {
  revokeApiKey(input: $input) {
    apiKey { id name revokedAt }
    userErrors { code field message }
  }
}
""",
    "orderEvents": """# Runs until you stop it: place or change an order in another tab.
subscription OrderEvents {
  orderEvents {
    cursor
    node { type orderId fromStatus toStatus source createdAt actor { name } order { number } }
  }
}
""",
    "events": """# Everything that happened, oldest first. Needs an administrator's key.
query Events($after: String) {
  events(first: 20, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { type orderId fromStatus toStatus source createdAt actor { name } }
  }
}
""",
    "one order": """# Any object by its id.
query One($id: ID!) {
  order(id: $id) {
    number status address version updatedAt
    events { nodes { type toStatus createdAt actor { name } } }
  }
  node(id: $id) { __typename id }
  nodes(ids: [$id]) { __typename }
}
""",
}
_NO_ID = "000000000000000000000000"
_VARIABLES: dict[str, object] = {
    "orders": {"first": 5},
    "stats": {
        "filter": {"createdAt": {"gte": "2026-01-01T00:00:00Z", "lt": "2027-01-01T00:00:00Z"}}
    },
    "products": {"search": "table"},
    "addOrder": {
        "input": {
            "items": [{"productId": _NO_ID, "quantity": 2, "shipping": "REGULAR"}],
            "address": "1 Main St, Carlton",
            "externalId": None,
            "idempotencyKey": None,
        }
    },
    "changeOrderStatus": {
        "input": {
            "changes": [{"orderId": _NO_ID, "status": "COMPLETED"}],
            "onError": "SKIP_FAILED",
        }
    },
    "changeOrderAddress": {
        "input": {"orderId": _NO_ID, "address": "2 Elm Ave, Carlton", "expectedVersion": 0}
    },
    "deleteOrders": {"input": {"ids": [_NO_ID], "onError": "SKIP_FAILED"}},
    "createApiKey": {"input": {"name": "a script", "scopes": ["ORDERS_READ"]}},
    "revokeApiKey": {"input": {"id": _NO_ID}},
    "restoreOrders": {"input": {"ids": [_NO_ID], "onError": "SKIP_FAILED"}},
    "one order": {"id": _NO_ID},
}

# What of Strawberry's page is replaced, and by what. A page that has no such place any more is
# served as it is: a test fails then, the playground still works.
_STATE = """query: query,
          variables: variables,
          headers: headers,"""
_COMPONENT = "function GraphiQLWithExplorer() {"


class Tab(TypedDict):
    """An example, as GraphiQL takes it: an operation, and JSON."""

    query: str
    headers: str
    variables: str


class Start(TypedDict):
    """What GraphiQL shows at first, by the names that it has for it."""

    defaultTabs: list[Tab]
    defaultHeaders: str


def playground_start(key: str | None) -> Start:
    """An example of each field at the root of the schema, in a tab of its own.

    Args:
        key: What to put into the header `Authorization` of each tab; None leaves a place for it.
    """
    headers = _indented({"Authorization": key or "your API key"})
    tabs = [
        Tab(query=text, headers=headers, variables=_indented(_VARIABLES.get(name, {})))
        for name, text in _EXAMPLES.items()
    ]
    return Start(defaultTabs=tabs, defaultHeaders=headers)


def playground_page(start: Start) -> str:
    """The page that needs the internet."""
    # "</" would end the script element that this stands in.
    state = orjson.dumps(start).decode().replace("</", "<\\/")
    page = get_graphql_ide_html("graphiql")
    page = page.replace("<title>Strawberry GraphiQL</title>", "<title>orders-graphql</title>")
    page = page.replace(
        _COMPONENT,
        f"const startState = parameters.q ? {{ query: parameters.q }} : {state};\n\n"
        f"      {_COMPONENT}",
    )
    page = page.replace(_STATE, "...startState,")
    # The key stays out of the browser's storage.
    return page.replace(
        "shouldPersistHeaders: true,",
        "shouldPersistHeaders: false, showPersistHeadersSettings: false,",
    )


def _indented(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
