"""What holds for all four paths: keys, methods, spelling, bodies, sizes, CORS."""

import gzip

from tests.contract.table import (
    ADD,
    CHANGE,
    DELETE,
    GET_ALL,
    PATHS,
    POSTS,
    TEXT,
    Options,
    Placed,
    Sql,
    call,
    case,
    delete,
    get_all,
    line,
    refuse,
)
from tests.shop import TABLE

UNAUTHORIZED = '{"message":"Unauthorized"}'
FORBIDDEN = '{"message":"Forbidden"}'
NOT_ADMIN = "unauthorized user, you are not an administrator"
NEEDS = "This needs a key with the scope orders:{}."
NOTHING_HERE = "There is nothing here."
OTHER_METHOD = "This path takes another method."
NO_JSON = "The request body is not valid JSON."
NO_OBJECT = "The request body must be a JSON object."
NO_JSON_TYPE = "The Content-Type must be application/json."
COMPRESSED = "The request body must not be compressed."
TOO_LARGE = "The request body must not be larger than 1000000 bytes."

PLAIN_JSON = "application/json"

NOTHING = '{"orderId":[]}'
# A body that each path takes.
GOOD = {
    GET_ALL: None,
    ADD: f'{{"items":[{{"product":"{TABLE}","shipping":"Regular"}}],"address":"x"}}',
    CHANGE: '{"items":[]}',
    DELETE: NOTHING,
}
ORDER = Placed("674b46a8dc3d9360b4c32ede", (line("674b46a8dc3d9360b4c32edf"),))
ROWS = (
    f'[{{"orderId":"674b46a8dc3d9360b4c32ede","productId":"{TABLE}",'
    '"image":"1700110836527.webp","name":"brown table","price":30,"quantity":4,'
    '"shipping":"Regular","status":"pending","createdAt":"November 30, 2024","orderNum":1}]'
)
BOM = b"\xef\xbb\xbf"


def _padded(size: int) -> bytes:
    """A deletion of nothing, `size` bytes long."""
    return NOTHING.encode().ljust(size)


# Made as the legacy backend made them for an administrator, but without the claim `admin`.
TOKEN_WITHOUT_ADMIN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJ1c2VyIjp7ImlkIjoiMDAwMDAwMDAwMDAwMDAwMDAwMDAwMGFkIn19."
    "4v5wx9ndqTpIDe8kxp4a6kCPGdHPA4-8i9E6MQsYZ34"
)

NO_KEY = Options(status=401)
WRONG = Options(status=403)
KEYS = [
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
        call(CHANGE, '{"items":[]}', FORBIDDEN, status=403, key=TOKEN_WITHOUT_ADMIN),
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

METHODS = [
    *(
        case(
            f"{path}: {wrong} is 405",
            call(
                (wrong, path),
                None,
                "" if wrong == "HEAD" else f'{{"msg":"{OTHER_METHOD}"}}',
                status=405,
                key=key,
                answer_type=PLAIN_JSON,
                answer_headers={"allow": "GET, HEAD" if method == "GET" else method},
            ),
            difference="statuses",
        )
        for method, path in PATHS
        for wrong, key in (
            ("GET", None),
            ("POST", "<key customer>"),
            ("HEAD", None),
            ("PUT", "<key admin>"),
            ("PATCH", "wrong"),
            ("DELETE", "<key admin>"),
            ("TRACE", None),
        )
        if wrong != method and (wrong, method) != ("HEAD", "GET")
    ),
    case(
        "HEAD answers as GET does, without the body",
        ORDER,
        call(
            ("HEAD", "/orders/get_all"), None, "", answer_headers={"content-length": f"{len(ROWS)}"}
        ),
        call(("HEAD", "/orders/get_all"), None, "", status=401, key=None),
    ),
    *(
        case(
            f"{path}: OPTIONS that is no preflight is 405",
            call(
                ("OPTIONS", path),
                None,
                f'{{"msg":"{OTHER_METHOD}"}}',
                status=405,
                answer_type=PLAIN_JSON,
            ),
            difference="options",
        )
        for _, path in PATHS
    ),
    *(
        case(
            f"{path}: a preflight is answered without a key",
            call(
                ("OPTIONS", path),
                None,
                "",
                status=204,
                key=None,
                answer_type="",
                headers={
                    "Origin": "https://shop.example",
                    "Access-Control-Request-Method": method,
                    "Access-Control-Request-Headers": "authorization,content-type",
                },
                answer_headers={
                    "access-control-allow-methods": "GET, HEAD, POST",
                    "access-control-allow-headers": "Authorization, Content-Type",
                },
            ),
        )
        for method, path in PATHS
    ),
    case(
        "any origin may send other headers too",
        call(
            ("OPTIONS", "/orders/add"),
            None,
            "",
            status=204,
            key=None,
            answer_type="",
            headers={
                "Origin": "null",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "x-requested-with, b\xe4d, authorization",
            },
            answer_headers={
                "access-control-allow-headers": "Authorization, Content-Type, x-requested-with"
            },
        ),
    ),
    case(
        "answers are not kept by a tag, and carry the request's id",
        ORDER,
        get_all(
            ROWS,
            headers={"If-None-Match": "*", "X-Request-Id": "trace-1.2_3"},
            answer_headers={"x-request-id": "trace-1.2_3"},
        ),
        difference="headers",
    ),
]

SPELLING = [
    *(
        case(f"{path} is {method} {spelled}", call((method, spelled), GOOD[method, path], answer))
        for (method, path), answer in (
            (GET_ALL, "[]"),
            (DELETE, '{"acknowledged":true,"deletedCount":0}'),
        )
        for spelled in (
            f"{path}/",
            path.upper(),
            f"{path.title()}/",
            f"{path}?page=2&x",
            f"{path}/?",
        )
    ),
    case(
        "/orders/add in other spellings",
        *(
            call(("POST", spelled), GOOD[ADD], "ORDER SUCCESS", answer_type=TEXT)
            for spelled in ("/Orders/Add", "/orders/add/", "/ORDERS/ADD/?x=1")
        ),
    ),
    case(
        "/orders/change-status in other spellings",
        *(
            call(("POST", spelled), '{"items":[]}', "[]", key="<key admin>")
            for spelled in ("/Orders/Change-Status", "/orders/change-status/")
        ),
    ),
    *(
        case(
            f"nothing is at {path}",
            call(
                ("GET", path),
                None,
                f'{{"msg":"{NOTHING_HERE}"}}',
                status=404,
                answer_type=PLAIN_JSON,
            ),
            difference="statuses",
        )
        for path in (
            "/orders",
            "/orders/get-all",
            "/orders/get_all//",
            "//orders/get_all",
            "/orders/get_all/x",
            "/orders/get_all%0A",
            "/orders%2Fget_all",
            "/orders/get_all%00",
            "/orders/%FF",
            "/stats/orders/all/1",
        )
    ),
]

BODIES = [
    *(
        case(
            f"{path}: {name} is 400",
            refuse((method, path), body, NO_JSON),
            difference=difference,
        )
        for method, path in POSTS
        for name, body, difference in (
            ("no body", b"", "refusals"),
            ("half an object", "{", "refusals"),
            ("two objects", "{} {}", "refusals"),
            ("a comma too many", '{"items":[],}', "refusals"),
            ("a single quote", "{'items':[]}", "refusals"),
            ("a comment", '{"items":[]}//', "refusals"),
            ("a form", "items=1&address=x", "refusals"),
            ("NaN", '{"items":[NaN]}', "refusals"),
            ("Infinity", '{"x":-Infinity}', "refusals"),
            ("a number beyond all", '{"x":1e400}', "extremes"),
            ("a tab in a string", '{"x":"\t"}', "refusals"),
            ("a NUL byte", b'{"x":1}\0', "refusals"),
            ("a lone surrogate", r'{"x":"\ud800"}', "unicode"),
            ("a pair of surrogates the wrong way", r'{"x":"\udc00\ud800"}', "unicode"),
            ("invalid UTF-8", b'{"x":"\xff"}', "unicode"),
            ("an overlong byte sequence", b'{"x":"\xc0\xaf"}', "unicode"),
            ("a surrogate as bytes", b'{"x":"\xed\xa0\x80"}', "unicode"),
            ("deep nesting of lists", '{"x":' + "[" * 50_000 + "]" * 50_000 + "}", "extremes"),
            ("deep nesting of objects", '{"x":' * 50_000 + "1" + "}" * 50_000, "extremes"),
            ("a long way down and not back", "[" * 100_000, "refusals"),
            ("UTF-16", NOTHING.encode("utf-16"), "encoding"),
        )
    ),
    *(
        case(
            f"{path}: a body that is {body} is 400",
            refuse((method, path), body, NO_OBJECT),
            difference="refusals",
        )
        for method, path in POSTS
        for body in ("null", "1", '"x"', "[]", "true", "[{}]")
    ),
    *(
        case(
            f"{path}: Content-Type {name} is 415",
            refuse((method, path), GOOD[method, path], NO_JSON_TYPE, status=415, content_type=sent),
            difference="statuses",
        )
        for method, path in POSTS
        for name, sent in (
            ("left out", None),
            ("empty", ""),
            ("text", "text/plain"),
            ("of a form", "application/x-www-form-urlencoded"),
            ("of a multipart form", "multipart/form-data; boundary=x"),
            ("json alone", "json"),
            ("JSON of another kind", "application/vnd.api+json"),
            ("JSON and another", "application/json, text/plain"),
            ("of bytes that are no text", "application/json\xff"),
        )
    ),
    *(
        case(f"Content-Type {name} is taken", delete(NOTHING, 0, content_type=sent))
        for name, sent in (
            ("with a charset", "application/json; charset=utf-8"),
            ("with a charset in upper case", "application/json;charset=UTF-8"),
            ("with a quoted charset", 'application/json; charset="utf-8"'),
            ("in other letter case", "Application/JSON"),
            ("with any parameter", "application/json; q=\xff; x"),
        )
    ),
    case(
        "the name of a charset is not looked at: the body is UTF-8",
        Placed(ORDER.id, ORDER.items, address="x"),
        delete(NOTHING, 0, content_type="application/json; charset=utf-16"),
        delete(NOTHING, 0, content_type="application/json; charset=latin1"),
        difference="encoding",
    ),
    *(
        case(
            f"{path}: a compressed body is 415",
            refuse(
                (method, path),
                gzip.compress((GOOD[method, path] or "").encode(), mtime=0),
                COMPRESSED,
                status=415,
                headers={"Content-Encoding": "gzip"},
            ),
            difference="encoding",
        )
        for method, path in POSTS
    ),
    case(
        "a body that says it is as it is",
        delete(NOTHING, 0, headers={"Content-Encoding": "identity"}),
    ),
    *(
        case(f"a body {name} is taken", delete(body, 0))
        for name, body in (
            ("with CRLF and spaces", b'\r\n {"orderId" :\t[\r\n] }\r\n '),
            ("after a byte order mark", BOM + NOTHING.encode()),
            ("in chunks", (b'{"orde', b"r", b'Id":[]}')),
            ("with a name twice, the last one", '{"orderId":5,"orderId":[]}'),
            ("with an escaped name", r'{"\u006frderId":[]}'),
            ("with fields that are not known", '{"orderId":[],"__proto__":{"x":1},"":null}'),
            ("nested in what is not known", '{"orderId":[],"x":' + "[" * 500 + "]" * 500 + "}"),
            ("with a long number in what is not known", '{"x":' + "9" * 300 + ',"orderId":[]}'),
        )
    ),
    case("field names are exact", refuse(DELETE, '{"orderid":[]}', "orderId is missing.")),
    case(
        "one byte order mark, not two",
        refuse(DELETE, BOM + BOM + NOTHING.encode(), NO_JSON),
    ),
    case(
        "a GET's body is not looked at",
        ORDER,
        call(GET_ALL, "{", ROWS),
        call(GET_ALL, "x" * 3_000_000, ROWS),
        difference="get-body",
    ),
]

SIZES = [
    case("a body of 100 kB is taken", delete(_padded(102_400), 0)),
    case("a body of 1 MB is taken", delete(_padded(1_000_000), 0), difference="size"),
    case(
        "a body of 1 MB in chunks is taken",
        delete((_padded(500_000), b" " * 500_000), 0),
        difference="size",
    ),
    *(
        case(
            f"{path}: {name} is 413",
            refuse((method, path), body, TOO_LARGE, status=413),
            difference="statuses",
        )
        for method, path in POSTS
        for name, body in (
            ("a byte more than 1 MB", _padded(1_000_001)),
            ("2 MB", _padded(2_000_000)),
            ("2 MB in chunks", (b" " * 100_000,) * 20),
        )
    ),
]

SERVICE = [
    case(
        "a database that can't answer is 503",
        Sql("ALTER TABLE api_keys RENAME TO away", undo="ALTER TABLE away RENAME TO api_keys"),
        refuse(ADD, GOOD[ADD], "The service is not ready. Try again in a moment.", status=503),
        difference="unavailable",
    ),
]

CASES = [*KEYS, *METHODS, *SPELLING, *BODIES, *SIZES, *SERVICE]
