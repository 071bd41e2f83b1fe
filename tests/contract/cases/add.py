"""POST /orders/add: what is taken, how it is kept, and what is refused."""

import json
from typing import Any

from tests.contract.table import ADD, Case, Sql, add, case, change, get_all, refuse, under
from tests.shop import ADMIN, CUSTOMER, LAMP, STOOL, TABLE, UNKNOWN

ITEM = {"product": TABLE, "quantity": 2, "shipping": "Regular"}
SHIPPING = "must be 'Next day', 'Regular' or 'Budget'"
WHOLE = "must be a whole number"
RANGE = "must be a whole number from 1 to 2147483647"
ID = "must be an id of 24 hex digits"
_SHORTEST = f'{{"product":"{TABLE}","shipping":"Budget"}}'
_MOST_IN_100_KB = 102_400 // (len(_SHORTEST) + 1)


def _body(*items: Any, address: Any = "1 Main St", **more: Any) -> str:
    return json.dumps({"items": items, "address": address, **more}, ensure_ascii=False)


def _rows(*rows: tuple[str, str, str, str, int, str]) -> str:
    """The rows of the customer's first order: product, image, name, price, quantity, shipping."""
    return (
        "["
        + ",".join(
            f'{{"orderId":"<order 1>","productId":"{product}","image":{image},"name":"{name}",'
            f'"price":{price},"quantity":{quantity},"shipping":"{shipping}","status":"pending",'
            '"createdAt":"<date 1>","orderNum":1}'
            for product, image, name, price, quantity, shipping in rows
        )
        + "]"
    )


def _table(quantity: int, shipping: str = "Regular") -> tuple[str, str, str, str, int, str]:
    return (TABLE, '"1700110836527.webp"', "brown table", "30", quantity, shipping)


def _stored(address: str) -> Case:
    """An address comes back in change-status byte for byte."""
    return case(
        f"the address {address[:20]!r} is kept byte for byte",
        add(_body(ITEM, address=address)),
        change(
            '{"items":[{"orderId":"<order 1>","status":"pending"}]}',
            f'[{{"_id":"<order 1>","user":"{CUSTOMER}","items":[{{"product":"{TABLE}",'
            '"quantity":2,"shipping":"Regular","_id":"<item 1.0>"}],"status":"pending",'
            f'"address":{_printed(address)},"createdAt":"<time 1>","__v":0}}]',
        ),
    )


def _printed(text: str) -> str:
    # As JSON.stringify writes it; Python's json differs in DEL only, which is in none of these.
    return json.dumps(text, ensure_ascii=False)


TAKEN = [
    case(
        "the documented order",
        add(
            '{"items":[{"product":"6555a1f49feeac7dccd9b1ee","quantity":2,"shipping":"Regular"}],'
            '"address":"1 Main St, Carlton"}',
            answer_headers={"content-length": "13"},
        ),
        get_all(_rows(_table(2))),
        difference="add-type",
    ),
    *(
        case(
            f"quantity {quantity[12:] or 'left out'} is {kept}",
            add(
                f'{{"items":[{{"product":"{TABLE}","shipping":"Budget"{quantity}}}],"address":"x"}}'
            ),
            get_all(_rows(_table(kept, "Budget"))),
        )
        for quantity, kept in (
            ("", 1),
            (',"quantity":1', 1),
            (',"quantity":2.0', 2),
            (',"quantity":2e0', 2),
            (',"quantity":20E-1', 2),
            (',"quantity":1.0e3', 1000),
            (',"quantity":2147483647', 2147483647),
            (',"quantity":2147483647.0', 2147483647),
        )
    ),
    *(
        case(
            f"shipping {shipping}",
            add(_body({**ITEM, "shipping": shipping})),
            get_all(_rows(_table(2, shipping))),
        )
        for shipping in ("Next day", "Regular", "Budget")
    ),
    case(
        "the same product twice stays two rows, in the order sent",
        add(_body(ITEM, {**ITEM, "product": STOOL}, {**ITEM, "quantity": 3}, ITEM)),
        get_all(
            _rows(_table(2), (STOOL, "null", "stool", "19.99", 2, "Regular"), _table(3), _table(2))
        ),
    ),
    case(
        "100 items keep their order",
        add(
            _body(
                *(
                    {**ITEM, "product": (TABLE, LAMP)[n % 3 % 2], "quantity": n + 1}
                    for n in range(100)
                )
            )
        ),
        get_all(
            _rows(
                *(
                    (LAMP, '"lamp.webp"', "lamp", "0.1", n + 1, "Regular")
                    if n % 3 % 2
                    else _table(n + 1)
                    for n in range(100)
                )
            )
        ),
    ),
    case(
        "as many items as a body of 100 kB holds",
        add(
            f'{{"items":[{",".join([_SHORTEST] * _MOST_IN_100_KB)}],"address":"x"}}',
        ),
        get_all(_rows(*[_table(1, "Budget")] * _MOST_IN_100_KB)),
    ),
    case(
        "2,000 items",
        add(_body(*[ITEM] * 2_000)),
        get_all(_rows(*[_table(2)] * 2_000)),
    ),
    case(
        "an id in any letter case",
        add(_body({**ITEM, "product": TABLE.upper()}, {**ITEM, "product": TABLE.title()})),
        get_all(_rows(_table(2), _table(2))),
    ),
    case(
        "fields that are not known are ignored at every level",
        add(
            _body(
                {
                    **ITEM,
                    "price": 0.01,
                    "_id": UNKNOWN,
                    "name": "free",
                    "image": {"x": [None]},
                    "status": "completed",
                },
                user=ADMIN,
                status="completed",
                _id=UNKNOWN,
                createdAt="2001-01-01",
                orderNum=99,
                price=0,
                __v=7,
                orderId=[UNKNOWN],
            )
        ),
        get_all(_rows(_table(2))),
        get_all("[]", key="<key admin>"),
    ),
    case(
        "each caller counts their own orders",
        add(_body(ITEM), key="<key admin>"),
        add(_body(ITEM), key="<key other>"),
        add(_body(ITEM)),
        get_all(_rows(_table(2))),
    ),
    *(
        _stored(address)
        for address in (
            "1 Main St, Carlton",
            " 1 Main St \t",
            "1 Main St\r\nCarlton\n",
            "Stra\u00dfe \U0001f3e0\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "\u00e9 and e\u0301, \u212b and A\u030a",
            "\u202e\u2028\ufeff</script>\x01\x1f",
            "\"quoted\" \\ back \\u0000 'x'); DROP TABLE orders;--",
            "\ufffd\uffff\U0010ffff",
            "x",
            "\u0645" * 40_000,
        )
    ),
]


def _shown(body: str) -> str:
    return body.replace(json.dumps(ITEM), "item")


def _refusals(name: str, difference: str | None, *rows: tuple[str, str]) -> list[Case]:
    return [
        case(f"{name} {_shown(body)}", refuse(ADD, body, sentence), difference=difference)
        for body, sentence in rows
    ]


def _items(difference: str | None, *rows: tuple[dict[str, Any], str]) -> list[Case]:
    """Orders whose second item is refused; the first one is good, and is not taken either."""
    return [
        case(
            f"item with {json.dumps(spoilt)}",
            refuse(ADD, _body(ITEM, {**ITEM, **spoilt}), f"items[1].{sentence}."),
            difference=difference,
        )
        for spoilt, sentence in rows
    ]


REFUSED = [
    *_refusals(
        "order",
        "add-values",
        ("{}", "items is missing."),
        ('{"address":"x"}', "items is missing."),
        ('{"items":null,"address":"x"}', "items must be a list."),
        ('{"items":{},"address":"x"}', "items must be a list."),
        (json.dumps({"items": ITEM, "address": "x"}), "items must be a list."),
        ('{"items":"","address":"x"}', "items must be a list."),
        ('{"items":[],"address":"x"}', "items must hold at least one item."),
        ('{"items":[null],"address":"x"}', "items[0] must be an object."),
        ('{"items":[[]],"address":"x"}', "items[0] must be an object."),
        ('{"items":["' + TABLE + '"],"address":"x"}', "items[0] must be an object."),
        ('{"items":[{}],"address":"x"}', "items[0].product is missing."),
        (_body(ITEM, address=5), "address must be a string."),
        (_body(ITEM, address=True), "address must be a string."),
        (_body(ITEM, address=[]), "address must be a string."),
        (_body(ITEM, address="a\0b"), "address must not contain the character NUL."),
    ),
    *_refusals(
        "order",
        "refusals",
        (json.dumps({"items": [ITEM]}), "address is missing."),
        (_body(ITEM, address=None), "address must be a string."),
        (_body(ITEM, address=""), "address must not be blank."),
    ),
    *_refusals(
        "order",
        "blank-address",
        (_body(ITEM, address=" "), "address must not be blank."),
        (_body(ITEM, address=" \r\n\t "), "address must not be blank."),
        (_body(ITEM, address="\u3000\u00a0"), "address must not be blank."),
    ),
    *_items(
        "add-values",
        ({"product": UNKNOWN}, "product names no product"),
        ({"quantity": None}, f"quantity {WHOLE}"),
        ({"quantity": ""}, f"quantity {WHOLE}"),
        ({"quantity": "2"}, f"quantity {WHOLE}"),
        ({"quantity": True}, f"quantity {WHOLE}"),
        ({"quantity": 1.5}, f"quantity {WHOLE}"),
        ({"quantity": 1.0000000000000002}, f"quantity {WHOLE}"),
        ({"quantity": []}, f"quantity {WHOLE}"),
        ({"quantity": {}}, f"quantity {WHOLE}"),
        ({"quantity": 1e308}, f"quantity {RANGE}"),
        ({"quantity": 2**31}, f"quantity {RANGE}"),
        ({"quantity": 2**63}, f"quantity {RANGE}"),
        ({"quantity": 2**64}, f"quantity {RANGE}"),
        ({"quantity": 10**40}, f"quantity {RANGE}"),
    ),
    *_items(
        "refusals",
        ({"quantity": 0}, f"quantity {RANGE}"),
        ({"quantity": -0.0}, f"quantity {RANGE}"),
        ({"quantity": -1}, f"quantity {RANGE}"),
        ({"quantity": -(2**63) - 1}, f"quantity {RANGE}"),
        ({"shipping": "regular"}, f"shipping {SHIPPING}"),
        ({"shipping": "Regular "}, f"shipping {SHIPPING}"),
        ({"shipping": "NEXT_DAY"}, f"shipping {SHIPPING}"),
        ({"shipping": ""}, f"shipping {SHIPPING}"),
        ({"shipping": None}, f"shipping {SHIPPING}"),
        ({"shipping": ["Regular"]}, f"shipping {SHIPPING}"),
        ({"product": TABLE[1:]}, f"product {ID}"),
        ({"product": f"{TABLE}0"}, f"product {ID}"),
        ({"product": f"{TABLE[:-1]}g"}, f"product {ID}"),
        ({"product": f" {TABLE[:-1]}"}, f"product {ID}"),
        ({"product": f"0x{TABLE[2:]}"}, f"product {ID}"),
        ({"product": ""}, f"product {ID}"),
        ({"product": f"{TABLE}\n"}, f"product {ID}"),
        ({"product": TABLE.replace("5", "\u0665")}, f"product {ID}"),
        ({"product": TABLE.replace("5", "\uff15")}, f"product {ID}"),
        ({"product": 5}, "product must be a string"),
        ({"product": None}, "product must be a string"),
        ({"product": {"$oid": TABLE}}, "product must be a string"),
    ),
    *_items("id-form", ({"product": "table12chars"}, f"product {ID}")),
    *(
        case(
            f"an item without {field}",
            refuse(
                ADD,
                _body({name: value for name, value in ITEM.items() if name != field}),
                f"items[0].{field} is missing.",
            ),
            difference=difference,
        )
        for field, difference in (("product", "add-values"), ("shipping", "refusals"))
    ),
    case(
        "a product that was taken out of the catalogue",
        Sql("UPDATE products SET deleted_at = '2025-01-01T00:00:00.000000Z'"),
        refuse(ADD, _body(ITEM), "items[0].product names no product."),
        difference="add-values",
    ),
    case(
        "2,001 items",
        refuse(ADD, _body(*[ITEM] * 2_001), "items must hold at most 2000 items."),
        difference="items",
    ),
    case(
        "a sum that no order can hold",
        Sql("UPDATE products SET price_minor = 900000000000000"),
        refuse(ADD, _body(ITEM), "items add up to more than an order can hold."),
        difference="total",
    ),
    case(
        "a refused order uses up no number",
        refuse(
            ADD, _body({**ITEM, "quantity": 0}), f"items[0].quantity {RANGE}.", key="<key customer>"
        ),
        refuse(
            ADD,
            _body({**ITEM, "product": UNKNOWN}),
            "items[0].product names no product.",
            key="<key customer>",
        ),
        add(_body(ITEM)),
        get_all(_rows(_table(2))),
    ),
]

CASES = under("/orders/add", TAKEN, REFUSED)
