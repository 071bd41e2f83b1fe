"""`orders parity` between real servers: one that answers alike, and some with a seeded fault."""

import asyncio
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.db.engine import open_database
from tests.cli.test_commands import Done, Terminal
from tests.databases import sqlite_url
from tests.e2e.server import filled, running
from tests.shop import LAMP, TABLE, UNKNOWN

ITEM = {"product": LAMP, "quantity": 1, "shipping": "Budget"}
NO_FAULT = "SELECT 1"

Canned = tuple[int, Mapping[str, str], bytes]
ORDER = {"items": [ITEM], "address": "1 Main St"}


@dataclass(frozen=True)
class Pair:
    """A shop's server, and another one on a copy of its database."""

    legacy: str
    ours: str
    keys: Mapping[str, str]


def _change(path: Path, statement: str) -> None:
    async def change() -> None:
        database = open_database(sqlite_url(path))
        async with database.transaction() as connection:
            await connection.exec_driver_sql(statement)
        await database.dispose()

    asyncio.run(change())


@pytest.fixture(scope="module")
def start(
    migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Pair]]:
    """Starts a pair whose second database was changed by a statement; the first is for reading."""
    made = tmp_path_factory.mktemp("made")
    keys = filled(made, migrated)
    with ExitStack() as servers:

        def server(fault: str) -> str:
            folder = tmp_path_factory.mktemp("copy")
            shutil.copytree(made / "data", folder / "data")
            _change(folder / "data" / "orders.db", fault)
            return servers.enter_context(running(folder)).url

        legacy = server(NO_FAULT)
        yield lambda fault: Pair(legacy, server(fault), keys)


@pytest.fixture(scope="module")
def alike(start: Callable[[str], Pair]) -> Pair:
    return start(NO_FAULT)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def _parity(terminal: Terminal, pair: Pair, *calls: Mapping[str, Any], more: str = "") -> Done:
    (terminal.folder / "calls.jsonl").write_text("\n".join(map(json.dumps, calls)))
    arguments = ["--legacy", pair.legacy, "--ours", pair.ours, *more.split(), "calls.jsonl"]
    return terminal.run("parity", *arguments)


def _report(terminal: Terminal) -> Any:
    return json.loads((terminal.folder / "report.json").read_text())


def _all_calls(keys: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"path": "/orders/get_all", "key": keys["customer"]},
        {"path": "/orders/get_all", "headers": {"Authorization": f"Bearer {keys['other']}"}},
        {"path": "/orders/get_all"},
        {"method": "HEAD", "path": "/Orders/Get_All/?page=2", "key": keys["customer"]},
        {"method": "POST", "path": "/orders/add", "key": keys["customer"], "body": ORDER},
        {"method": "POST", "path": "/orders/add", "key": keys["customer"], "text": "{"},
        {"path": "/orders/get_all", "key": keys["customer"]},
    ]


class TestServersThatAnswerAlike:
    def test_nothing_is_found(self, terminal: Terminal, alike: Pair) -> None:
        done = _parity(terminal, alike, *_all_calls(alike.keys))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            "7 calls, 5 the same, 0 different, 2 writes not sent (--writes sends them).\n"
        )

    def test_writes_are_sent_when_asked_for_and_new_ids_masked(
        self, terminal: Terminal, alike: Pair, start: Callable[[str], Pair]
    ) -> None:
        pair = Pair(start(NO_FAULT).ours, start(NO_FAULT).ours, alike.keys)
        calls = _all_calls(pair.keys)
        found = _parity(terminal, pair, *calls, more="--writes --report report.json")
        assert found.returncode == 1
        assert [(d["source"], d["what"], d["place"]) for d in _report(terminal)["differences"]] == [
            ("line 7", "body", "$[0].orderId")
        ]
        masked = _parity(terminal, pair, *calls, more="--writes --mask ids")
        assert (masked.returncode, masked.stdout) == (0, "7 calls, 7 the same, 0 different.\n")

    def test_keys_of_a_file_are_tried(self, terminal: Terminal, alike: Pair) -> None:
        (terminal.folder / "keys").write_text(f"{alike.keys['other']}\n\n{alike.keys['admin']}\n")
        done = terminal.run(
            "parity", "--legacy", alike.legacy, "--ours", alike.ours, "--keys", "keys"
        )
        assert (done.returncode, done.stdout) == (0, "2 calls, 2 the same, 0 different.\n")

    def test_an_http_archive_is_replayed(self, terminal: Terminal, alike: Pair) -> None:
        def entry(method: str, url: str, **more: Any) -> dict[str, Any]:
            headers = [
                {"name": "authorization", "value": alike.keys["customer"]},
                {"name": "Host", "value": "shop.example"},
                {"name": "Content-Type", "value": "application/json"},
            ]
            return {"request": {"method": method, "url": url, "headers": headers, **more}}

        entries = [
            entry("GET", "https://shop.example/"),
            entry("GET", "https://shop.example/api/orders/get_all?page=2"),
            entry(
                "POST",
                "https://shop.example/api/orders/delete",
                postData={
                    "mimeType": "application/json",
                    "text": json.dumps({"orderId": [UNKNOWN]}),
                },
            ),
        ]
        (terminal.folder / "shop.har").write_text(json.dumps({"log": {"entries": entries}}))
        done = terminal.run(
            *("parity", "--legacy", alike.legacy, "--ours", alike.ours, "--writes", "shop.har")
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            "2 calls, 2 the same, 0 different.\n1 entries for other paths were passed over.\n"
        )


class TestASeededFault:
    def test_one_wrong_value_is_found_and_nothing_else(
        self, terminal: Terminal, start: Callable[[str], Pair]
    ) -> None:
        pair = start("UPDATE order_items SET quantity = 3 WHERE position = 1")
        done = _parity(terminal, pair, *_all_calls(pair.keys)[:4], more="--report report.json")
        assert done.returncode == 1
        key = pair.keys["customer"]
        assert done.stdout == (
            f"line 1: GET /orders/get_all, key 1 ({key[:8]}...)\n"
            "  body at $[2].quantity\n"
            "      ...\n"
            '         "image": null,\n'
            '         "name": "stool",\n'
            '         "price": 19.99,\n'
            '    -    "quantity": 2,\n'
            '    +    "quantity": 3,\n'
            '         "shipping": "Regular",\n'
            '         "status": "pending",\n'
            '         "createdAt": "DAY",\n'
            "\n"
            "4 calls, 3 the same, 1 different.\n"
        ).replace("DAY", re.findall(r'"createdAt": "(.*)"', done.stdout)[0])
        report = _report(terminal)
        assert (report["same"], report["different"], report["failed"]) == (3, 1, None)
        [found] = report["differences"]
        assert (found["place"], found["legacy"], found["ours"]) == ("$[2].quantity", "2", "3")
        assert key not in done.stdout + json.dumps(report)

    def test_swapped_ids_are_found_behind_a_mask(
        self, terminal: Terminal, start: Callable[[str], Pair]
    ) -> None:
        pair = start(
            f"UPDATE order_items SET product_id = CASE product_id WHEN '{TABLE}' THEN '{LAMP}'"
            f" WHEN '{LAMP}' THEN '{TABLE}' ELSE product_id END"
        )
        call = {"path": "/orders/get_all", "key": pair.keys["customer"]}
        done = _parity(terminal, pair, call, more="--mask ids --report report.json")
        assert done.returncode == 1
        assert [found["place"] for found in _report(terminal)["differences"]] == ["$[0].productId"]
        hidden = _parity(terminal, pair, call, more="--mask $[*].name --mask $..quantity")
        assert hidden.returncode == 1


class Stub(BaseHTTPRequestHandler):
    """Gives the answers of a table, as another backend might."""

    answers: Mapping[str, Canned]

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, body = self.answers[self.path]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 (http.server's name)

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def stubs(*tables: Mapping[str, Canned]) -> Iterator[Pair]:
    with ExitStack() as stack:
        urls = []
        for answers in tables:
            handler = type("Handler", (Stub,), {"answers": answers})
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            urls.append(f"http://127.0.0.1:{server.server_port}")
        yield Pair(urls[0], urls[1], {})


HTML = {"Content-Type": "text/html; charset=utf-8"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
ROW = {"orderId": UNKNOWN, "name": "stool", "price": 30, "orderNum": 2}
ADMIN_ONLY = {"msg": "unauthorized user, you are not an administrator"}


def _json(status: int, value: object) -> Canned:
    return status, JSON, json.dumps(value).encode()


DELIBERATE: Mapping[str, tuple[str, Canned, Canned]] = {
    "add-type": ("/orders/add", (200, HTML, b"ORDER SUCCESS"), (200, TEXT, b"ORDER SUCCESS")),
    "admin-claim": ("/orders/change-status", _json(200, []), _json(403, ADMIN_ONLY)),
    "bearer": ("/orders/get_all", _json(403, {"message": "Forbidden"}), _json(200, [])),
    "bought-values": (
        "/orders/get_all",
        _json(200, [ROW]),
        _json(200, [{**ROW, "name": "old stool", "price": 19.99}]),
    ),
    "change-count": ("/orders/change-status", _json(200, [{"__v": 0}]), _json(200, [{"__v": 1}])),
    "deleted-products": (
        "/orders/get_all",
        _json(500, {"msg": "request error"}),
        _json(200, [{**ROW, "name": "Deleted product", "price": 0}]),
    ),
    "image-null": ("/orders/get_all", _json(200, [{}]), _json(200, [{"image": None}])),
    "order-numbers": (
        "/orders/get_all",
        _json(200, [ROW]),
        _json(200, [{**ROW, "orderNum": 3}]),
    ),
    "own-deletes": ("/orders/delete", _json(403, ADMIN_ONLY), _json(200, {"deletedCount": 1})),
    "refusals": ("/orders/add", (400, HTML, b"<pre>at x.js</pre>"), _json(400, {"msg": "x"})),
    "stricter-input": ("/orders/add", (200, HTML, b"ORDER SUCCESS"), _json(400, {"msg": "x"})),
}


@pytest.fixture(scope="module")
def backends() -> Iterator[Pair]:
    """A stub of the old backend and one of ours; a path's query names its difference."""
    legacy: dict[str, Canned] = {}
    ours: dict[str, Canned] = {}
    for name, (path, old, new) in DELIBERATE.items():
        legacy[f"{path}?{name}"], ours[f"{path}?{name}"] = old, new
        legacy[f"{path}?{name}-fault"], ours[f"{path}?{name}-fault"] = old, (418, TEXT, b"fault")
    with stubs(legacy, ours) as pair:
        yield pair


class TestDeliberateDifferences:
    def _found(self, terminal: Terminal, backends: Pair, more: str) -> dict[str, Any]:
        calls = [
            {
                "method": "GET" if path == "/orders/get_all" else "POST",
                "path": f"{path}?{name}{fault}",
                "key": "Bearer abcdefghijkl",
            }
            for name, (path, _, _) in DELIBERATE.items()
            for fault in ("", "-fault")
        ]
        assert (
            _parity(
                terminal, backends, *calls, more=f"--writes --report report.json {more}"
            ).returncode
            == 1
        )
        return {
            found["path"].partition("?")[2]: found["deliberate"]
            for found in _report(terminal)["differences"]
        }

    def test_are_told_and_count_until_they_are_accepted(
        self, terminal: Terminal, backends: Pair
    ) -> None:
        assert self._found(terminal, backends, "") == {
            **{name: [name] for name in DELIBERATE},
            **{f"{name}-fault": [] for name in DELIBERATE},
        }

    @pytest.mark.parametrize("rule", DELIBERATE)
    def test_each_rule_passes_over_its_own(
        self, terminal: Terminal, backends: Pair, rule: str
    ) -> None:
        found = self._found(terminal, backends, f"--accept {rule}")
        assert {*DELIBERATE} - {*found} == {rule}
        assert _report(terminal)["accepted"] == {rule: 1}

    def test_faults_are_found_beside_them(self, terminal: Terminal, backends: Pair) -> None:
        found = self._found(terminal, backends, "--accept all")
        assert {*found} == {f"{name}-fault" for name in DELIBERATE}


def test_what_counts_as_a_difference(terminal: Terminal) -> None:
    cases: list[tuple[Canned, Canned, str, str | None]] = [
        (_json(200, {"a": 1, "b": 2}), _json(200, {"b": 2, "a": 1}), "body", "$ (fields)"),
        (_json(200, [30]), _json(200, [30.0]), "body", "$[0]"),
        (_json(200, [1]), _json(200, [True]), "body", "$[0]"),
        (_json(200, [1]), _json(200, [1, 2]), "body", "$ (length)"),
        (_json(200, {"a": None}), _json(200, {}), "body", "$ (fields)"),
        (_json(200, []), _json(404, []), "status", None),
        (_json(200, []), (200, TEXT, b"[]"), "header content-type", None),
        ((200, TEXT, b"a"), (200, TEXT, b"a\n"), "body", None),
        ((200, {**TEXT, "Retry-After": "1"}, b""), (200, TEXT, b""), "header retry-after", None),
    ]
    legacy = {f"/{i}": case[0] for i, case in enumerate(cases)}
    ours = {f"/{i}": case[1] for i, case in enumerate(cases)}
    with stubs(legacy, ours) as pair:
        calls = [{"path": path} for path in legacy]
        more = "--report report.json --header Retry-After"
        assert _parity(terminal, pair, *calls, more=more).returncode == 1
    found = [(found["what"], found["place"]) for found in _report(terminal)["differences"]]
    assert found == [case[2:] for case in cases]


def test_spaces_and_escapes_are_no_difference(terminal: Terminal) -> None:
    spelled = (200, {"Content-Type": "application/json;charset=UTF-8"}, b'[ "\\u00e9" ]')
    with stubs({"/x": (200, JSON, '["é"]'.encode())}, {"/x": spelled}) as pair:
        assert _parity(terminal, pair, {"path": "/x"}).returncode == 0


@pytest.mark.parametrize(
    ("mask", "hides"),
    [
        ("dates", True),
        ("$[*].createdAt", True),
        ("$[0].createdAt", True),
        ("$..createdAt", True),
        ("$[1].createdAt", False),
        ("$.createdAt", False),
        ("ids", False),
    ],
)
def test_masks(terminal: Terminal, mask: str, hides: bool) -> None:
    rows = [[{"createdAt": f"2024-11-30T17:08:56.{ms}Z"}] for ms in ("123", "456")]
    with stubs({"/x": _json(200, rows[0])}, {"/x": _json(200, rows[1])}) as pair:
        done = _parity(terminal, pair, {"path": "/x"}, more=f"--mask {mask}")
        assert done.returncode == (0 if hides else 1)


class TestWhatCantBeRun:
    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("{", "line 2: is not valid JSON"),
            ("[]", "line 2: must be an object"),
            ("{}", "line 2: path is missing"),
            ('{"path":"orders"}', "line 2: path must match ^/"),
            ('{"path":"/x","bdy":1}', "line 2: bdy is no field of a call"),
            ('{"path":"/x","body":1,"text":"1"}', "line 2: has both body and text"),
            ('{"path":"/x","headers":{"A":"b\\nc"}}', "line 2: header 'A' can't be sent"),
            ('{"path":"/x","headers":{"A":" b"}}', "line 2: header 'A' can't be sent"),
            ('{"path":"/x","headers":{"A b":"c"}}', "line 2: header 'A b' can't be sent"),
            ('{"path":"/x","key":"clé"}', "line 2: header 'Authorization' can't be sent"),
            (
                '{"path":"/x","headers":{"Content-Length":"5"}}',
                "line 2: header 'Content-Length' follows from the call: leave it out",
            ),
            (
                '{"path":"/x","headers":{"transfer-encoding":"gzip"}}',
                "line 2: header 'transfer-encoding' follows from the call: leave it out",
            ),
            (
                '{"path":"/x","headers":{"Host":"a","host":"b"}}',
                "line 2: header 'Host' stands twice",
            ),
        ],
    )
    def test_a_line_that_is_no_call(self, terminal: Terminal, line: str, reason: str) -> None:
        (terminal.folder / "calls.jsonl").write_text('{"path":"/x"}\n' + line)
        # No server is there: nothing is sent before all lines are read.
        done = terminal.run(
            *("parity", "--legacy", "http://127.0.0.1:1", "--ours", "http://127.0.0.1:1"),
            "calls.jsonl",
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in " ".join(re.sub("[│╭╰─╮╯]", " ", done.stderr).split())

    @pytest.mark.parametrize(
        ("request_", "reason"),
        [
            (
                {"method": "GET", "url": "http://x/orders/gét"},
                "entry 1: GET '/orders/gét' can't be sent",
            ),
            (
                {"method": "GET IT", "url": "http://x/orders/get_all"},
                "entry 1: GET IT '/orders/get_all' can't be sent",
            ),
            (
                {
                    "method": "POST",
                    "url": "http://x/orders/add",
                    "postData": {"text": "e30", "encoding": "base64"},
                },
                "entry 1: its body can't be read",
            ),
        ],
    )
    def test_an_entry_that_is_no_call(
        self, terminal: Terminal, request_: Mapping[str, Any], reason: str
    ) -> None:
        archive = {"log": {"entries": [{"request": request_}]}}
        (terminal.folder / "shop.har").write_text(json.dumps(archive))
        done = terminal.run(
            *("parity", "--legacy", "http://127.0.0.1:1", "--ours", "http://127.0.0.1:1"),
            "shop.har",
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in " ".join(re.sub("[│╭╰─╮╯]", " ", done.stderr).split())

    def test_a_report_that_cant_be_written_is_no_difference(self, terminal: Terminal) -> None:
        with stubs({"/x": _json(200, [])}, {"/x": _json(200, [])}) as pair:
            done = _parity(terminal, pair, {"path": "/x"}, more="--report /dev/full")
        assert (done.returncode, done.stdout) == (3, "1 call, 1 the same, 0 different.\n")
        assert done.stderr == (
            "orders: the comparison broke off: OSError: [Errno 28] No space left on device\n"
        )

    @pytest.mark.parametrize(
        "arguments",
        [
            ["calls"],
            ["--legacy", "localhost", "--ours", "http://127.0.0.1:1", "calls"],
            ["--legacy", "http://a:b@127.0.0.1", "--ours", "http://127.0.0.1:1", "calls"],
            ["--legacy", "http://127.0.0.1:1", "--ours", "http://127.0.0.1:1"],
            ["--legacy", "http://127.0.0.1:1", "--ours", "http://127.0.0.1:1", "nowhere"],
            *(
                ["--legacy", "http://127.0.0.1:1", "--ours", "http://127.0.0.1:1", *more, "calls"]
                for more in (["--mask", "id"], ["--mask", "$"], ["--accept", "html"])
            ),
        ],
    )
    def test_wrong_usage(self, terminal: Terminal, arguments: list[str]) -> None:
        (terminal.folder / "calls").write_text('{"path":"/x"}')
        done = terminal.run("parity", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr

    def test_a_server_that_is_not_there(self, terminal: Terminal, alike: Pair) -> None:
        with stubs({}, {}) as gone:
            pass
        pair = Pair(alike.legacy, gone.ours, alike.keys)
        done = _parity(terminal, pair, *_all_calls(alike.keys), more="--report report.json")
        assert done.returncode == 3
        assert done.stderr.startswith(
            "orders: line 1, GET /orders/get_all: the new server can't be reached: "
        )
        assert done.stdout == "1 call, 0 the same, 0 different, 6 not reached.\n"
        assert _report(terminal)["failed"] in done.stderr

    def test_a_server_that_is_too_slow(self, terminal: Terminal) -> None:
        free = threading.Event()

        class Slow(dict[str, Any]):
            def __getitem__(self, path: str) -> Any:
                free.wait(10)
                return _json(200, [])

        with stubs({"/x": _json(200, [])}, Slow()) as pair:
            done = _parity(terminal, pair, {"path": "/x"}, more="--timeout 0.2")
            free.set()
        assert done.returncode == 3
        assert "the new server did not answer within 0.2 s" in done.stderr
