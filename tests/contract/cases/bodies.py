"""What is taken as a body: text, encoding, Content-Type, size."""

import gzip

from tests.contract.cases.samples import GOOD, NOTHING, ORDER, ROWS
from tests.contract.table import DELETE, GET_ALL, POSTS, Placed, call, case, delete, refuse

NO_JSON = "The request body is not valid JSON."
TOO_DEEP = "The request body must not nest deeper than 100 levels."
NO_OBJECT = "The request body must be a JSON object."
NO_JSON_TYPE = "The Content-Type must be application/json."
COMPRESSED = "The request body must not be compressed."
TOO_LARGE = "The request body must not be larger than 1000000 bytes."
BOM = b"\xef\xbb\xbf"


def _padded(size: int) -> bytes:
    """A deletion of nothing, `size` bytes long."""
    return NOTHING.encode().ljust(size)


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
            ("UTF-16", NOTHING.encode("utf-16"), "encoding"),
        )
    ),
    *(
        case(
            f"{path}: {name} is 400",
            refuse((method, path), body, TOO_DEEP),
            difference="extremes",
        )
        for method, path in POSTS
        for name, body in (
            ("deep nesting of lists", '{"x":' + "[" * 50_000 + "]" * 50_000 + "}"),
            ("deep nesting of objects", '{"x":' * 50_000 + "1" + "}" * 50_000),
            ("a long way down and not back", "[" * 100_000),
            ("a level too many", '{"orderId":[],"x":' + "[" * 100 + "]" * 100 + "}"),
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
            ("nested in what is not known", '{"orderId":[],"x":' + "[" * 99 + "]" * 99 + "}"),
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

CASES = [*BODIES, *SIZES]
