"""POST /orders/change-status: whose orders, how they are answered, and what is refused."""

from app.domain.order import OrderStatus, ShippingMethod
from tests.contract.table import CHANGE, Placed, add, case, change, line, refuse, under
from tests.shop import ADMIN, CUSTOMER, LAMP, OTHER, STOOL, TABLE, UNKNOWN

FIRST, SECOND, THIRD = (f"674b46a8dc3d9360b4c32e{n:02x}" for n in (0x10, 0x20, 0x30))
STATUS = "must be 'pending', 'delivery' or 'completed'"
ID = "must be an id of 24 hex digits"


def _item(order_id: str, status: str) -> str:
    return f'{{"orderId":"{order_id}","status":"{status}"}}'


def _body(*items: str) -> str:
    return f'{{"items":[{",".join(items)}]}}'


def _one(id_: str = FIRST, number: int = 1, user: str = CUSTOMER, *, version: int = 0) -> Placed:
    return Placed(id_, (line(f"{id_[:-1]}f"),), number, user, version=version)


def _document(id_: str, status: str, version: int, user: str = CUSTOMER) -> str:
    return (
        f'{{"_id":"{id_}","user":"{user}","items":[{{"product":"{TABLE}","quantity":4,'
        f'"shipping":"Regular","_id":"{id_[:-1]}f"}}],"status":"{status}",'
        f'"address":"1 Main St, Carlton","createdAt":"2024-11-30T17:08:56.123Z","__v":{version}}}'
    )


ANSWERS = [
    case(
        "the documented change",
        Placed(
            "674b46a8dc3d9360b4c32ede",
            (line("674b46a8dc3d9360b4c32edf"),),
            user="672050a27def4d23ffcb5166",
        ),
        change(
            '{"items":[{"orderId":"674b46a8dc3d9360b4c32ede","status":"completed"}]}',
            '[{"_id":"674b46a8dc3d9360b4c32ede","user":"672050a27def4d23ffcb5166",'
            '"items":[{"product":"6555a1f49feeac7dccd9b1ee","quantity":4,"shipping":"Regular",'
            '"_id":"674b46a8dc3d9360b4c32edf"}],"status":"completed",'
            '"address":"1 Main St, Carlton","createdAt":"2024-11-30T17:08:56.123Z","__v":1}]',
        ),
        difference="version",
    ),
    case(
        "any status to any, and the same again is no change",
        _one(),
        *(
            change(_body(_item(FIRST, status)), f"[{_document(FIRST, status, version)}]")
            for status, version in (
                ("pending", 0),
                ("completed", 1),
                ("completed", 1),
                ("pending", 2),
                ("delivery", 3),
                ("pending", 4),
                ("delivery", 5),
                ("completed", 6),
                ("delivery", 7),
            )
        ),
        difference="version",
    ),
    case(
        "an imported version counts on",
        _one(version=41),
        change(_body(_item(FIRST, "delivery")), f"[{_document(FIRST, 'delivery', 42)}]"),
        difference="version",
    ),
    case(
        "any user's orders, ascending ids, each once",
        _one(SECOND, 1, OTHER),
        _one(THIRD, 1, ADMIN),
        _one(FIRST, 1),
        change(
            _body(
                *(_item(id_, "delivery") for id_ in (THIRD, FIRST, SECOND, FIRST.upper(), THIRD))
            ),
            f"[{_document(FIRST, 'delivery', 1)},{_document(SECOND, 'delivery', 1, OTHER)},"
            f"{_document(THIRD, 'delivery', 1, ADMIN)}]",
        ),
    ),
    case(
        "the last of twins wins, in whatever letter case",
        _one(),
        change(
            _body(
                _item(FIRST, "completed"),
                _item(UNKNOWN, "pending"),
                _item(FIRST.upper(), "delivery"),
            ),
            f"[{_document(FIRST, 'delivery', 1)}]",
        ),
        change(
            _body(_item(FIRST.upper(), "pending"), _item(FIRST, "delivery")),
            f"[{_document(FIRST, 'delivery', 1)}]",
        ),
    ),
    case(
        "unknown ids are ignored",
        _one(),
        change(
            _body(_item(UNKNOWN, "delivery"), _item(FIRST, "delivery"), _item("0" * 24, "pending")),
            f"[{_document(FIRST, 'delivery', 1)}]",
        ),
        change(_body(_item(UNKNOWN, "delivery")), "[]"),
    ),
    case("an empty list", _one(), change(_body(), "[]")),
    case(
        "more ids than a statement can hold",
        _one(),
        change(
            _body(
                *(_item(f"{n:024x}", "delivery") for n in range(12_000)), _item(FIRST, "completed")
            ),
            f"[{_document(FIRST, 'completed', 1)}]",
        ),
    ),
    case(
        "items keep their order, ids and quantities; a product may stand there twice",
        Placed(
            FIRST,
            (
                line(
                    "b" * 24, STOOL, 2147483647, ShippingMethod.NEXT_DAY, name="stool", image=None
                ),
                line("a" * 24, LAMP, 1, ShippingMethod.BUDGET, name="lamp"),
                line("c" * 24, STOOL, 1, name="stool"),
            ),
            status=OrderStatus.COMPLETED,
        ),
        change(
            _body(_item(FIRST, "pending")),
            f'[{{"_id":"{FIRST}","user":"{CUSTOMER}","items":['
            f'{{"product":"{STOOL}","quantity":2147483647,"shipping":"Next day",'
            f'"_id":"{"b" * 24}"}},'
            f'{{"product":"{LAMP}","quantity":1,"shipping":"Budget","_id":"{"a" * 24}"}},'
            f'{{"product":"{STOOL}","quantity":1,"shipping":"Regular","_id":"{"c" * 24}"}}],'
            '"status":"pending","address":"1 Main St, Carlton",'
            '"createdAt":"2024-11-30T17:08:56.123Z","__v":1}]',
        ),
    ),
    case(
        "an order without items, and without an address",
        Placed(FIRST, (), address=""),
        change(
            _body(_item(FIRST, "completed")),
            f'[{{"_id":"{FIRST}","user":"{CUSTOMER}","items":[],"status":"completed","address":"",'
            '"createdAt":"2024-11-30T17:08:56.123Z","__v":1}]',
        ),
    ),
    *(
        case(
            f"createdAt has three decimals: {shown}",
            Placed(FIRST, (), created_at=f"{instant}+00:00"),
            change(
                _body(_item(FIRST, "pending")),
                f'[{{"_id":"{FIRST}","user":"{CUSTOMER}","items":[],"status":"pending",'
                f'"address":"1 Main St, Carlton","createdAt":"{shown}","__v":0}}]',
            ),
        )
        for instant, shown in (
            ("2024-11-30T17:08:56", "2024-11-30T17:08:56.000Z"),
            ("2024-11-30T17:08:56.120", "2024-11-30T17:08:56.120Z"),
            ("2024-12-31T23:59:59.999", "2024-12-31T23:59:59.999Z"),
        )
    ),
    case(
        "a new order starts at 0 and keeps its item's id",
        add(f'{{"items":[{{"product":"{TABLE}","shipping":"Budget"}}],"address":"x"}}'),
        *(
            change(
                _body(_item("<order 1>", status)),
                f'[{{"_id":"<order 1>","user":"{CUSTOMER}","items":[{{"product":"{TABLE}",'
                f'"quantity":1,"shipping":"Budget","_id":"<item 1.0>"}}],"status":"{status}",'
                f'"address":"x","createdAt":"<time 1>","__v":{version}}}]',
            )
            for status, version in (("pending", 0), ("delivery", 1))
        ),
    ),
    case(
        "fields that are not known are ignored at every level",
        _one(),
        change(
            f'{{"user":5,"items":[{{"orderId":"{FIRST}","status":"delivery","user":"{OTHER}",'
            '"__v":9,"address":"x","items":[]}],"orderId":7,"status":"completed"}',
            f"[{_document(FIRST, 'delivery', 1)}]",
        ),
    ),
]

REFUSED = [
    *(
        case(
            f"a change with {item[:70]}",
            _one(),
            # One bad item, and the good ones round it are not changed either.
            refuse(
                CHANGE,
                _body(
                    _item(FIRST, "completed"),
                    _item(FIRST, "delivery"),
                    item,
                    _item(FIRST, "pending"),
                ),
                f"items[2]{sentence}.",
            ),
            difference=difference,
        )
        for item, sentence, difference in (
            (_item(SECOND, "shipped"), f".status {STATUS}", "status-values"),
            (_item(SECOND, "Pending"), f".status {STATUS}", "status-values"),
            (_item(SECOND, "PENDING"), f".status {STATUS}", "status-values"),
            (_item(SECOND, "delivery "), f".status {STATUS}", "status-values"),
            (_item(SECOND, ""), f".status {STATUS}", "status-values"),
            (f'{{"orderId":"{SECOND}","status":null}}', f".status {STATUS}", "status-values"),
            (f'{{"orderId":"{SECOND}","status":1}}', f".status {STATUS}", "status-values"),
            (
                f'{{"orderId":"{SECOND}","status":["pending"]}}',
                f".status {STATUS}",
                "status-values",
            ),
            (f'{{"orderId":"{SECOND}"}}', ".status is missing", "status-values"),
            ('{"status":"pending"}', ".orderId is missing", "status-values"),
            ("{}", ".orderId is missing", "status-values"),
            (_item("abcdefghijkl", "pending"), f".orderId {ID}", "id-form"),
            (_item(SECOND[1:], "pending"), f".orderId {ID}", "refusals"),
            (_item(f"{SECOND}0", "pending"), f".orderId {ID}", "refusals"),
            (_item(f"{SECOND}\\n", "pending"), f".orderId {ID}", "refusals"),
            (_item(f"\\n{SECOND}", "pending"), f".orderId {ID}", "refusals"),
            (_item(f"{SECOND}\\u0000", "pending"), f".orderId {ID}", "refusals"),
            (_item(SECOND.replace("4", "\u0664"), "pending"), f".orderId {ID}", "refusals"),
            (_item("", "pending"), f".orderId {ID}", "refusals"),
            ('{"orderId":7,"status":"pending"}', ".orderId must be a string", "refusals"),
            ('{"orderId":null,"status":"pending"}', ".orderId must be a string", "refusals"),
            ("null", " must be an object", "refusals"),
            ("[]", " must be an object", "refusals"),
            (f'"{SECOND}"', " must be an object", "refusals"),
        )
    ),
    *(
        case(
            f"changes that are {body}",
            _one(),
            refuse(CHANGE, body, sentence),
            difference="refusals",
        )
        for body, sentence in (
            ("{}", "items is missing."),
            ('{"items":null}', "items must be a list."),
            ('{"items":{}}', "items must be a list."),
            (f'{{"items":{_item(FIRST, "pending")}}}', "items must be a list."),
            ('{"items":"pending"}', "items must be a list."),
        )
    ),
]

CASES = under("/orders/change-status", ANSWERS, REFUSED)
