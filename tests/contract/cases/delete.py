"""POST /orders/delete: whose orders, how they are counted, and what is refused."""

from tests.contract.table import DELETE, Placed, Sql, case, delete, get_all, line, refuse, under
from tests.shop import ADMIN, CUSTOMER, OTHER, UNKNOWN

FIRST, SECOND, THIRD = (f"674b46a8dc3d9360b4c32e{n:02x}" for n in (0x10, 0x20, 0x30))
ID = "must be an id of 24 hex digits"


def _ids(*ids: str) -> str:
    return f'{{"orderId":[{",".join(f"{chr(34)}{id_}{chr(34)}" for id_ in ids)}]}}'


def _one(id_: str = FIRST, number: int = 1, user: str = CUSTOMER) -> Placed:
    return Placed(id_, (line(f"{id_[:-1]}f"),), number, user)


ANSWERS = [
    case(
        "the documented deletion",
        _one("674b46f1dc3d9360b4c32ee2"),
        _one("674b46a8dc3d9360b4c32ede", 2, OTHER),
        delete(
            '{"orderId":["674b46f1dc3d9360b4c32ee2","674b46a8dc3d9360b4c32ede"]}',
            2,
            key="<key admin>",
        ),
        get_all("[]"),
        get_all("[]", key="<key other>"),
    ),
    case(
        "unknown and repeated ids are ignored, in whatever letter case",
        _one(),
        _one(SECOND, 2),
        delete(_ids(FIRST, UNKNOWN, SECOND.upper(), FIRST.upper(), FIRST, "0" * 24), 2),
        delete(_ids(FIRST, SECOND), 0),
        get_all("[]"),
    ),
    case("an empty list", _one(), delete(_ids(), 0)),
    case(
        "more ids than a statement can hold",
        _one(),
        delete(_ids(*(f"{n:024x}" for n in range(30_000)), FIRST), 1),
    ),
    case(
        "an administrator deletes anyone's",
        _one(FIRST, 1, OTHER),
        _one(SECOND, 1, ADMIN),
        _one(THIRD, 1),
        delete(_ids(FIRST, SECOND, THIRD), 3, key="<key admin>"),
        get_all("[]", key="<key admin>"),
        get_all("[]"),
    ),
    case(
        "a plain user deletes their own",
        _one(),
        delete(_ids(FIRST), 1),
        get_all("[]"),
        difference="delete-own",
    ),
    case(
        "another's order counts as unknown, and is still there",
        _one(FIRST, 1, OTHER),
        _one(SECOND, 1),
        delete(_ids(FIRST, SECOND), 1),
        delete(_ids(FIRST), 0),
        delete(_ids(FIRST), 1, key="<key other>"),
        difference="delete-own",
    ),
    case(
        "an order without items, or with a product that is gone",
        Placed(FIRST, ()),
        _one(SECOND, 2),
        Sql("DELETE FROM products"),
        delete(_ids(FIRST, SECOND), 2),
    ),
    case(
        "fields that are not known are ignored",
        _one(FIRST, 1, OTHER),
        delete(f'{{"orderId":["{FIRST}"],"user":"{OTHER}","admin":true,"items":5}}', 0),
    ),
]

REFUSED = [
    *(
        case(f"ids with {value}", _one(), refuse(DELETE, body, sentence), difference=difference)
        for value, sentence, difference in (
            ('"abcdefghijkl"', f"orderId[2] {ID}.", "id-form"),
            ('""', f"orderId[2] {ID}.", "refusals"),
            (f'"{SECOND}\\n"', f"orderId[2] {ID}.", "refusals"),
            (f'" {SECOND}"', f"orderId[2] {ID}.", "refusals"),
            (f'"{SECOND[1:]}"', f"orderId[2] {ID}.", "refusals"),
            (f'"{SECOND}a"', f"orderId[2] {ID}.", "refusals"),
            (f'"{SECOND[:-1]}\u0664"', f"orderId[2] {ID}.", "refusals"),
            ("5", "orderId[2] must be a string.", "refusals"),
            ("null", "orderId[2] must be a string.", "refusals"),
            ("[]", "orderId[2] must be a string.", "refusals"),
            (f'{{"orderId":"{SECOND}"}}', "orderId[2] must be a string.", "refusals"),
        )
        # A good one before it twice, and one after it: none of them goes.
        for body in (f'{{"orderId":["{FIRST}","{FIRST}",{value},"{FIRST}"]}}',)
    ),
    *(
        case(
            f"ids that are {body}", _one(), refuse(DELETE, body, sentence), difference="delete-list"
        )
        for body, sentence in (
            ("{}", "orderId is missing."),
            ('{"orderID":[]}', "orderId is missing."),
            ('{"orderId":null}', "orderId must be a list."),
            ('{"orderId":{}}', "orderId must be a list."),
            (f'{{"orderId":"{FIRST}"}}', "orderId must be a list."),
            (f'{{"orderId":{{"$in":["{FIRST}"]}}}}', "orderId must be a list."),
        )
    ),
]

CASES = under("/orders/delete", ANSWERS, REFUSED)
