"""Whose key: who is let in, who is refused and how, and when the key is looked at."""

import jwt

from tests.contract.cases.samples import GOOD, NOTHING, ORDER, ROWS
from tests.contract.table import (
    ADD,
    CHANGE,
    DELETE,
    GET_ALL,
    PATHS,
    POSTS,
    Options,
    call,
    case,
    get_all,
    refuse,
)
from tests.shop import ADMIN

UNAUTHORIZED = '{"message":"Unauthorized"}'
FORBIDDEN = '{"message":"Forbidden"}'
NOT_ADMIN = "unauthorized user, you are not an administrator"
NEEDS = "This needs a key with the scope orders:{}."
LEGACY_SECRET = "a secret of the legacy backend's own"
# As the legacy backend made them for an administrator, but without the claim `admin`.
TOKEN_WITHOUT_ADMIN = jwt.encode({"user": {"id": ADMIN}, "exp": 2**40}, LEGACY_SECRET)
NO_KEY = Options(status=401)
WRONG = Options(status=403)

CASES = [
    *(
        case(f"{path}: {name}", call((method, path), GOOD[method, path], answer, **options))
        for method, path in PATHS
        for name, answer, options in (
            ("no key is 401", UNAUTHORIZED, NO_KEY | {"key": None}),
            ("an empty key is 401", UNAUTHORIZED, NO_KEY | {"key": ""}),
            ("a blank key is 401", UNAUTHORIZED, NO_KEY | {"key": " \t "}),
            ("an unknown key is 403", FORBIDDEN, WRONG | {"key": "ofk_unknown"}),
            ("a key in upper case is 403", FORBIDDEN, WRONG | {"key": "<key customer upper>"}),
            ("a key in lower case is 403", FORBIDDEN, WRONG | {"key": "<key customer lower>"}),
            ("a key cut short is 403", FORBIDDEN, WRONG | {"key": "<key customer short>"}),
            ("a key and a letter is 403", FORBIDDEN, WRONG | {"key": "<key admin>x"}),
            ("a key and a word is 403", FORBIDDEN, WRONG | {"key": "<key admin> x"}),
            ("two keys are 403", FORBIDDEN, WRONG | {"key": "<key admin>,<key admin>"}),
            ("a revoked key is 403", FORBIDDEN, WRONG | {"key": "<key revoked>"}),
            ("an expired key is 403", FORBIDDEN, WRONG | {"key": "<key expired>"}),
            ("Bearer alone is 403", FORBIDDEN, WRONG | {"key": "Bearer"}),
            ("another scheme is 403", FORBIDDEN, WRONG | {"key": "Basic <key admin>"}),
            ("bytes that are no text are 403", FORBIDDEN, WRONG | {"key": "\xff\xfe\xe2\x82"}),
            ("a no-break space alone is 403", FORBIDDEN, WRONG | {"key": "\xa0"}),
            ("a no-break space after it is 403", FORBIDDEN, WRONG | {"key": "<key admin>\xa0"}),
            ("a next-line byte before it is 403", FORBIDDEN, WRONG | {"key": "\x85<key admin>"}),
            ("a very long key is 403", FORBIDDEN, WRONG | {"key": "k" * 20_000}),
        )
    ),
    case("whitespace round a key is no part of it", ORDER, get_all(ROWS, key=" \t<key customer> ")),
    case(
        "a key after Bearer is taken",
        ORDER,
        get_all(ROWS, key="Bearer <key customer>"),
        get_all(ROWS, key="bearer   <key customer>"),
        difference="bearer",
    ),
    case(
        "a legacy token without the claim is no administrator's",
        refuse(CHANGE, '{"items":[]}', NOT_ADMIN, status=403, key=TOKEN_WITHOUT_ADMIN),
        difference="admin-claim",
    ),
    case(
        "a key may lack a scope",
        refuse(GET_ALL, None, NEEDS.format("read"), status=403, key="<key writer>"),
        refuse(ADD, GOOD[ADD], NEEDS.format("write"), status=403, key="<key reader>"),
        refuse(DELETE, NOTHING, NEEDS.format("write"), status=403, key="<key reader>"),
        difference="scopes",
    ),
    *(
        case(
            f"change-status is not for the {who}",
            *(
                refuse(CHANGE, body, NOT_ADMIN, status=403, key=f"<key {who}>")
                for body in ('{"items":[]}', "{", " " * 1_500_000)
            ),
        )
        for who in ("customer", "reader", "writer")
    ),
    *(
        case(
            f"{path}: the key is checked before the body is read",
            *(
                call((method, path), body, answer, status=status, key=key)
                for status, answer, key in ((401, UNAUTHORIZED, None), (403, FORBIDDEN, "wrong"))
                for body in ("{", "\x00", " " * 3_000_000)
            ),
            difference="key-first",
        )
        for method, path in POSTS
    ),
]
