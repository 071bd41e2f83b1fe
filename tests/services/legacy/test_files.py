"""Which files of a dump are read, in which forms, and where exactly a damaged one is damaged."""

import errno
import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest

from app.services.legacy.files import UnreadableDump, find_dump, read_documents
from tests.legacy_dump import FORMS, LegacyShop, order, write_file


def places_and_ids(path: Path) -> list[tuple[str, str]]:
    found = []
    for file in find_dump(path).files:
        for place, document in read_documents(file, lambda _: None):
            id_ = document["_id"]
            found.append((place, id_["$oid"] if isinstance(id_, dict) else str(id_)))
    return found


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(tmp_path: Path, form: str, gz: bool) -> None:
    LegacyShop(40, dirty=False).write(tmp_path, form, gz=gz)
    found = places_and_ids(tmp_path)
    assert [id_ for _, id_ in found][-40:] == [str(order(number)["_id"]) for number in range(40)]
    name = f"orders.{'bson' if form == 'bson' else 'json'}{'.gz' if gz else ''}"
    first, second = (place.removeprefix(name).split() for place, _ in found[-40:-38])
    assert first[0] == second[0] == ("byte" if form == "bson" else "line")
    assert int(first[1]) == (0 if form == "bson" else 1)
    assert int(second[1]) > int(first[1])


def test_the_content_tells_the_form_and_not_the_ending(tmp_path: Path) -> None:
    write_file(tmp_path, "orders", iter([order(1)]), "bson", gz=True)
    (tmp_path / "orders.bson.gz").rename(tmp_path / "orders.json")
    assert places_and_ids(tmp_path) == [("orders.json byte 0", str(order(1)["_id"]))]


def test_long_documents_and_odd_strings_over_several_pieces(tmp_path: Path) -> None:
    texts = ['"}]\\', "x" * 200_000, "é😀\u2028", "\\" * 65_535, "[{" * 40_000, ""]
    documents = [{"_id": f"{n:024x}", "address": text} for n, text in enumerate(texts)]
    path = tmp_path / "orders.json"
    for text in (
        json.dumps(documents, indent=1),
        "\ufeff \n" + json.dumps(documents),
        "\n\n".join(json.dumps(document, indent=2) for document in documents),
        "".join(json.dumps(document) + "\r\n" for document in documents),
    ):
        path.write_text(text, encoding="utf-8", newline="")
        [file] = find_dump(path).files
        assert [document for _, document in read_documents(file, lambda _: None)] == documents


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", b" [\n]\n"])
def test_no_documents_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "orders.json").write_bytes(content)
    assert places_and_ids(tmp_path) == []


def test_a_dump_folder(tmp_path: Path) -> None:
    LegacyShop(5, dirty=False).write(tmp_path / "dump" / "shop", "bson", gz=True)
    for name in ("shop/carts.bson.gz", "admin/system.users.bson", "shop/notes.txt", "prelude.json"):
        file = tmp_path / "dump" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
    dump = find_dump(tmp_path / "dump")
    assert [file.name for file in dump.files] == [
        f"shop/{name}.bson.gz" for name in ("users", "products", "orders")
    ]
    assert dump.passed_over == ("admin/system.users", "shop/carts", "shop/notes.txt")


class TestNothingIsLeftOutInSilence:
    """A part of a dump that can't be read is an error, or named among what is passed over."""

    @pytest.fixture
    def dump(self, tmp_path: Path) -> Path:
        LegacyShop(1, dirty=False).write(tmp_path / "dump" / "shop")
        return tmp_path / "dump"

    def test_a_folder_that_is_locked(self, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (dump / "locked").mkdir()
        listing = os.scandir

        # In place of its mode, which does not keep out who may read everything.
        def scandir(path: str) -> Any:
            if Path(path).name == "locked":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            return listing(path)

        monkeypatch.setattr(os, "scandir", scandir)
        with pytest.raises(UnreadableDump) as caught:
            find_dump(dump)
        assert str(caught.value) == (
            f"{dump}/locked can't be read: Permission denied; nothing was imported"
        )

    def test_what_bears_the_name_of_a_collection(self, dump: Path) -> None:
        odd = dump / "old" / "orders.bson"
        odd.parent.mkdir()
        makers: list[tuple[Callable[[], object], str]] = [
            (odd.mkdir, "is a folder"),
            (lambda: odd.symlink_to("nowhere"), "is a link to something that is not there"),
            (lambda: os.mkfifo(odd), "is no file"),
        ]
        for make, what in makers:
            shutil.rmtree(odd) if odd.is_dir() else odd.unlink(missing_ok=True)
            make()
            with pytest.raises(UnreadableDump) as caught:
                find_dump(dump)
            assert str(caught.value) == f"{odd} {what}; nothing was imported"
        # The last one alone, too: nobody writes into that pipe.
        with pytest.raises(UnreadableDump, match="is no file"):
            find_dump(odd)

    def test_what_else_is_no_file(self, dump: Path, tmp_path: Path) -> None:
        elsewhere = LegacyShop(1, dirty=False).write(tmp_path / "elsewhere")
        (dump / "linked").symlink_to(elsewhere)
        (dump / "lost.bson").symlink_to("nowhere")
        os.mkfifo(dump / "pipe")
        (dump / "orders.metadata.json").symlink_to("nowhere")
        found = find_dump(dump)
        assert [file.name for file in found.files] == [
            f"shop/{name}.json" for name in ("users", "products", "orders")
        ]
        assert found.passed_over == ("linked", "lost", "pipe")

    def test_a_file_that_is_linked_to_is_read(self, dump: Path, tmp_path: Path) -> None:
        file = dump / "shop" / "orders.json"
        file.rename(tmp_path / "elsewhere.json")
        file.symlink_to(tmp_path / "elsewhere.json")
        assert len(places_and_ids(dump)) == 2 + 3 + 1


def test_names_as_compass_gives_them(tmp_path: Path) -> None:
    (tmp_path / "Shop.Orders.JSON").write_bytes(b"")
    assert [file.collection for file in find_dump(tmp_path).files] == ["orders"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "has none of the collections users, products, orders"),
        (["carts.json"], "has none of the collections"),
        (["a/orders.json", "b/orders.bson"], "two files for orders, a/orders.json and b/orders"),
    ],
)
def test_what_is_no_dump(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UnreadableDump, match=message):
        find_dump(tmp_path)
    with pytest.raises(UnreadableDump, match="is not there"):
        find_dump(tmp_path / "missing")


LINE = b'{"_id":1,"address":"1 Main St"}\n'
BSON = bson.encode({"_id": 1, "address": "1 Main St"})
DAMAGE: list[tuple[str, bytes, str]] = [
    ("orders.json", LINE * 3 + LINE[:20], "line 4: this is not valid JSON"),
    ("orders.json", LINE + b"\n{oops}\n" + LINE, "line 3: this is not valid JSON"),
    ("orders.json", b"{oops}\n" + LINE, "line 1: this is not valid JSON"),
    ("orders.json", LINE[:20], "line 1: the file is cut off in a document"),
    ("orders.json", LINE + b"5\n", "line 2: this is not a JSON object"),
    ("orders.json", LINE + b'{"_id":"\xff"}\n', "line 2: this is not UTF-8"),
    ("orders.json", LINE + b"[" * 100_000 + b"\n", "line 2: this is not valid JSON"),
    ("orders.json", b"a letter\n", "line 1: this is not a JSON object"),
    ("orders.json", b"[" + LINE + b"," + LINE, "line 3: the array has no end: the file is cut off"),
    ("orders.json", b"[" + LINE + b",", "line 2: the array has no end: the file is cut off"),
    ("orders.json", b"[", "line 1: the array has no end: the file is cut off"),
    ("orders.json", b"[" + LINE + b"," + LINE[:25], "line 2: the file is cut off in a document"),
    ("orders.json", b"[" + LINE + LINE + b"]", "line 2: this is not a JSON object"),
    ("orders.json", b"[" + LINE + b",5]", "line 2: this is not a JSON object"),
    ("orders.json", b"[" + LINE + b",\n\n{oops}]", "line 4: this is not valid JSON"),
    ("orders.json", b"[" + LINE + b"]\n[]", "line 2: this is not a JSON object"),
    ("orders.bson", BSON * 2 + BSON[:-3], f"byte {2 * len(BSON)}: the file is cut off"),
    ("orders.bson", BSON + b"\x05", f"byte {len(BSON)}: the file is cut off"),
    ("orders.bson", BSON + b"\x04\0\0\0" + BSON, "a document can't be 4 bytes long"),
    ("orders.bson", BSON + b"\xff" * 9, "a document can't be 4294967295 bytes long"),
    ("orders.bson", b"\xff" * 9, "byte 0: a document can't be 4294967295 bytes long"),
    ("orders.bson", BSON + BSON[:-1] + b"x", f"byte {len(BSON)}: this is not a BSON document"),
    ("orders.bson", b"\x6d\xe2\x99\x81" + BSON, "run mongodump without --archive"),
    ("orders.json.gz", gzip.compress(LINE * 999, mtime=0)[:-12], "the compressed file is cut off"),
    ("orders.json.gz", b"", "byte 0: the compressed file is cut off"),
    (
        "orders.json.gz",
        gzip.compress(LINE, mtime=0) + b"more",
        "the compressed file is damaged here",
    ),
    ("orders.bson.gz", gzip.compress(BSON * 99, mtime=0)[:-8], "the compressed file is cut off"),
    ("orders.json.gz", b"\x1f\x8b" + b"\0" * 50, "the compressed file is damaged here"),
]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("space", ["", "\r\n", "\n\t"])
@pytest.mark.parametrize("name", ["orders.json", "orders.bson", "orders.json.gz"])
def test_json_in_utf_16_is_called_so(
    tmp_path: Path, name: str, space: str, bom: str, encoding: str
) -> None:
    for text in (f'{{{space}"_id": 1}}{space}\n', f'[{space}{{"_id": 1}}]', f"{space}[{{}}]\n"):
        content = (bom + text).encode(encoding)
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        with pytest.raises(UnreadableDump, match="byte 0: this is not UTF-8, but UTF-16: convert"):
            places_and_ids(tmp_path)


@pytest.mark.parametrize(("name", "content", "message"), DAMAGE)
def test_damage_is_named_with_its_place(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableDump) as caught:
        places_and_ids(tmp_path)
    assert str(caught.value).startswith(f"{name} ")
    assert message in str(caught.value)
    assert str(caught.value).endswith("; nothing was imported")


def test_text_that_is_no_utf_8_in_bson_refuses_its_record_only(tmp_path: Path) -> None:
    odd = BSON.replace(b"1 Main", b"\xff Main")
    (tmp_path / "orders.bson").write_bytes(odd + BSON)
    [file] = find_dump(tmp_path).files
    found = [document["address"] for _, document in read_documents(file, lambda _: None)]
    assert found == ["\udcff Main St", "1 Main St"]


def test_progress_adds_up_to_the_size(tmp_path: Path) -> None:
    LegacyShop(200, dirty=False).write(tmp_path, gz=True)
    dump = find_dump(tmp_path)
    told: list[int] = []
    note: Callable[[int], None] = told.append
    for file in dump.files:
        assert list(read_documents(file, note))
    assert 0 < sum(told) <= dump.size
