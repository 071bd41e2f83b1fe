"""How a path is called: methods, preflights, spelling, headers; and a service that can't answer."""

from tests.contract.cases.samples import GOOD, ORDER, ROWS
from tests.contract.table import ADD, DELETE, GET_ALL, PATHS, TEXT, Sql, call, case, get_all, refuse

UNAUTHORIZED = '{"message":"Unauthorized"}'
NOTHING_HERE = "There is nothing here."
OTHER_METHOD = "This path takes another method."
# What the framework's own answers say; it is UTF-8 too.
PLAIN_JSON = "application/json"

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
                    "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key",
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
                "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key,"
                " x-requested-with"
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

SERVICE = [
    case(
        "a database that can't answer is 503",
        Sql("ALTER TABLE api_keys RENAME TO away", undo="ALTER TABLE away RENAME TO api_keys"),
        # A key that nobody has been asked about yet.
        refuse(
            ADD,
            GOOD[ADD],
            "The service is not ready. Try again in a moment.",
            status=503,
            key="ofk_unknown",
        ),
        difference="unavailable",
    ),
]

CASES = [*METHODS, *SPELLING, *SERVICE]
