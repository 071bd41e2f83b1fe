"""What only a socket can show: requests that are no HTTP, end early, or are spelt unusually."""

from dataclasses import dataclass

HOST = b"Host: x\r\n"
KEY = HOST + b"Authorization: <key customer>\r\n"
JSON = KEY + b"Content-Type: application/json\r\n"
CHUNKED = JSON + b"Transfer-Encoding: chunked\r\n\r\n"
NOT_HTTP = b"Invalid HTTP request received."
TOO_LARGE = b'{"msg":"Address and headers must not be larger than 65536 bytes."}'
NONE_DELETED = b'{"acknowledged":true,"deletedCount":0}'
DELETE = b"POST /orders/delete HTTP/1.1\r\n"
GET = b"GET /orders/get_all HTTP/1.1\r\n"
CLOSE = b"Connection: close\r\n"


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes for a connection, and the status and the body that come back.

    With status 0 nothing comes back: the client has shut its side before the request's end.
    """

    name: str
    sent: bytes
    status: int
    body: bytes
    difference: str | None = None


CASES = [
    *(
        Raw(name, sent, 400, NOT_HTTP, "not-http")
        for name, sent in (
            ("a method in lower case", GET.replace(b"GET", b"get") + KEY + b"\r\n"),
            ("a method that is none", GET.replace(b"GET", b"FETCH") + KEY + b"\r\n"),
            (
                "a path with bytes that are no text",
                b"GET /orders/\xff HTTP/1.1\r\n" + KEY + b"\r\n",
            ),
            ("a path with a space", b"GET /orders /get_all HTTP/1.1\r\n" + KEY + b"\r\n"),
            ("a control character in the key", GET + HOST + b"Authorization: a\x01b\r\n\r\n"),
            ("a NUL byte in the key", GET + HOST + b"Authorization: a\0b\r\n\r\n"),
            ("a header without a colon", GET + KEY + b"Authorization\r\n\r\n"),
            ("two lengths", DELETE + JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
            ("a negative length", DELETE + JSON + b"Content-Length: -2\r\n\r\n{}"),
            ("a length that is none", DELETE + JSON + b"Content-Length: two\r\n\r\n{}"),
            (
                "a length beyond all",
                DELETE + JSON + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n",
            ),
            ("a chunk without a length", DELETE + CHUNKED + b'5\r\n{"ord\r\nzz\r\n'),
            ("a chunk longer than it says", DELETE + CHUNKED + b'2\r\n{"orderId":[]}\r\n0\r\n\r\n'),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        )
    ),
    Raw(
        "a body that ends early", DELETE + JSON + b'Content-Length: 50\r\n\r\n{"orderId":[', 0, b""
    ),
    Raw("chunks that end early", DELETE + CHUNKED + b'5\r\n{"ord\r\n', 0, b""),
    Raw(
        "chunks, with extensions and a trailer",
        DELETE + CLOSE + CHUNKED + b'5;x=1\r\n{"ord\r\n00a\r\nerId":[]} \r\n0\r\nX-Sum: 1\r\n\r\n',
        200,
        NONE_DELETED,
    ),
    Raw(
        "a body byte by byte after Expect",
        DELETE + CLOSE + JSON + b'Expect: 100-continue\r\nContent-Length: 14\r\n\r\n{"orderId":[]}',
        100,
        NONE_DELETED,
    ),
    *(
        Raw(name, sent, 431, TOO_LARGE, "headers-size")
        for name, sent in (
            ("a header that does not end", GET + KEY + b"X: " + b"x" * 400_000),
            ("a header over the limit", GET + KEY + b"X: " + b"x" * 65_536 + b"\r\n\r\n"),
            ("many headers", GET + KEY + b"X-Y: abcdefgh\r\n" * 5_000 + b"\r\n"),
            ("a long address", GET.replace(b"all", b"all?" + b"x" * 70_000)),
            ("a name of a header that does not end", GET + KEY + b"x" * 400_000),
        )
    ),
    Raw(
        "headers just under the limit",
        GET + CLOSE + KEY + b"X: " + b"x" * 65_300 + b"\r\n\r\n",
        200,
        b"[]",
    ),
    Raw(
        "many requests at once, together over the limit",
        (GET + KEY + b"\r\n") * 700 + GET + CLOSE + KEY + b"\r\n",
        200,
        b"[]",
    ),
    Raw("HTTP/1.0", b"GET /orders/get_all HTTP/1.0\r\n" + KEY + b"\r\n", 200, b"[]"),
    Raw(
        "a whole address in place of the path",
        b"GET http://elsewhere.example/orders/get_all?x HTTP/1.1\r\n" + CLOSE + KEY + b"\r\n",
        200,
        b"[]",
    ),
    Raw(
        "names of headers in other letter case, values without a space",
        GET + CLOSE + b"HOST:x\r\naUTHORIZATION:<key customer>\r\n\r\n",
        200,
        b"[]",
    ),
    Raw(
        "two Authorization headers, the first one counts",
        GET + CLOSE + KEY + b"Authorization: ofk_other\r\n\r\n",
        200,
        b"[]",
    ),
    Raw(
        "two Authorization headers, the first one is empty",
        GET + CLOSE + HOST + b"Authorization:\r\nAuthorization: <key customer>\r\n\r\n",
        401,
        b'{"message":"Unauthorized"}',
    ),
    Raw(
        "two requests at once",
        GET + KEY + b"\r\n" + GET + CLOSE + HOST + b"\r\n",
        200,
        b'{"message":"Unauthorized"}',
    ),
    Raw(
        "a body that is declared larger than all, and not sent",
        DELETE + CLOSE + JSON + b"Content-Length: 999999999999\r\n\r\n",
        413,
        b'{"msg":"The request body must not be larger than 1000000 bytes."}',
    ),
]
