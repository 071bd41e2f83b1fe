"""The files of a legacy dump as one stream of documents, each with its place.

Reads what `mongoexport` writes (lines, an array, or documents over several lines; canonical and
relaxed Extended JSON) and what `mongodump` writes (BSON), plain or compressed with gzip. What a
file holds is told by its first bytes; its name only says which collection it is. Nothing here
knows what a document means. At no time is more than one document and a buffer in memory.
"""

import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import bson
import orjson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

Document: TypeAlias = Mapping[str, object]

COLLECTIONS = ("users", "products", "orders")

_NAME = re.compile(r"(?P<collection>.+)\.(?:json|jsonl|ndjson|bson)(?:\.gz)?\Z", re.IGNORECASE)
# What mongodump writes beside the collections, about them.
_ABOUT = re.compile(r"(?:.+\.metadata|prelude)\.json(?:\.gz)?\Z", re.IGNORECASE)

_BUFFER = 256 * 1024
_PIECE = 64 * 1024
_DOCUMENTS_A_WORD = 100
_GZIP_MAGIC = b"\x1f\x8b"
_ARCHIVE_MAGIC = b"\x6d\xe2\x99\x81"
_BOM = b"\xef\xbb\xbf"
# How JSON begins in UTF-16, which some shells write, with the low byte of a letter first or last.
# As BSON it would be too long by far, or its first field would have no name.
_UTF_16 = re.compile(
    rb"""(?:\xff\xfe)?(?:[ \t\r\n]\0)*[{\[]\0(?:[ \t\r\n]\0)*["{\[\]}]\0[^\0]"""
    rb"""|(?:\xfe\xff)?(?:\0[ \t\r\n])*\0[{\[](?:\0[ \t\r\n])*\0["{\[\]}]\0[^\0]"""
)
# What MongoDB allows a document to have, and 16 KiB that it keeps for itself.
_MOST_BSON = 16 * 1024 * 1024 + 16 * 1024
# The same document as Extended JSON, with room to spare.
_MOST_JSON = 128 * 1024 * 1024

# Dates in milliseconds, as they are stored: Python's own end with the year 9999. Text that is no
# UTF-8 keeps its bytes as lone surrogates, for the rules to refuse record by record.
_BSON_OPTIONS: CodecOptions[dict[str, object]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="surrogateescape",
)

# A whole string (never given back once matched), a bracket, or a string that is not all there yet.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]|"', re.DOTALL)
_OPENING = frozenset({b"{", b"["})
_CLOSING = frozenset({b"}", b"]"})
# What stands before the first document, between two, and behind the last.
_ARRAY_GAPS = tuple(re.compile(gap) for gap in (rb"\s*\[\s*", rb"\s*,\s*", rb"\s*\]\s*"))
_PLAIN_GAPS = tuple(re.compile(gap) for gap in (rb"\s*", rb"\s*", rb"\s*"))
_EMPTY_ARRAY = re.compile(rb"\s*\[\s*\]\s*")

_CUT_OFF = "the file is cut off in a document"
_NOT_AN_OBJECT = "this is not a JSON object"


class UnreadableDump(RuntimeError):
    """The dump can't be used as it is; the message names the place."""


@dataclass(frozen=True, slots=True)
class DumpFile:
    """A file with documents of a collection; None: of several, each in a rejects file's line."""

    path: Path
    name: str
    collection: str | None


@dataclass(frozen=True, slots=True)
class Dump:
    """The files to read, at most one for a collection, and the names of what is passed over."""

    files: tuple[DumpFile, ...]
    passed_over: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes on disk, read once."""
        return sum(file.path.stat().st_size for file in self.files)


def find_dump(path: Path) -> Dump:
    """The files of a dump: one file, or those in a folder and the folders in it.

    Raises:
        UnreadableDump: there is nothing to read, or two files for one collection, or something
            that a part of the dump may be in can't be read.
    """
    if not path.exists():
        raise UnreadableDump(f"{path} is not there")
    if not path.is_dir():
        _require_file(path)
        return Dump((DumpFile(path, path.name, _collection(path.name)),), ())
    found: dict[str, DumpFile] = {}
    passed_over: list[str] = []
    for file in sorted(_contents(path)):
        name = file.relative_to(path).as_posix()
        collection = _collection(file.name)
        if collection is not None:
            _require_file(file)
        if collection is None:
            if not _ABOUT.match(file.name):
                match = _NAME.match(name)
                passed_over.append(match["collection"] if match else name)
        elif collection in found:
            raise UnreadableDump(
                f"{path} has two files for {collection}, {found[collection].name} and {name}:"
                " name a folder with one of each"
            )
        else:
            found[collection] = DumpFile(file, name, collection)
    if not found:
        raise UnreadableDump(
            f"{path} has none of the collections {', '.join(COLLECTIONS)}"
            " (as .json, .jsonl, .ndjson or .bson, also .gz)"
        )
    return Dump(tuple(found[name] for name in COLLECTIONS if name in found), tuple(passed_over))


def _contents(folder: Path) -> Iterator[Path]:
    """All that is in a folder and the folders in it, without those folders themselves.

    Folders that are linked to aren't looked into, and come as they are; so does a folder with the
    name of a collection's file.
    """

    def refuse(error: OSError) -> None:
        raise UnreadableDump(
            f"{error.filename} can't be read: {error.strerror}; nothing was imported"
        )

    for at, folders, files in os.walk(folder, onerror=refuse):
        for name in files:
            yield Path(at, name)
        for name in folders:
            if Path(at, name).is_symlink() or _collection(name):
                yield Path(at, name)


def _require_file(path: Path) -> None:
    """Refuse what would be read as a file and is none.

    Raises:
        UnreadableDump: it is a folder, a link to nowhere, a pipe or the like.
    """
    try:
        if path.is_file():
            return
        what = "is a folder" if path.is_dir() else "is no file"
        if path.is_symlink() and not path.exists():
            what = "is a link to something that is not there"
    except OSError as error:
        what = f"can't be read: {error.strerror}"
    raise UnreadableDump(f"{path} {what}; nothing was imported")


def _collection(file_name: str) -> str | None:
    match = _NAME.match(file_name)
    if match is None or _ABOUT.match(file_name) or match["collection"].startswith("system."):
        return None
    # Compass calls its exports `database.collection.json`.
    name = match["collection"].lower().rpartition(".")[2]
    return name if name in COLLECTIONS else None


class _Damage(Exception):
    """What is wrong at the place that was reached."""


@dataclass(slots=True)
class _Place:
    """How far a file was read: `unit` is line or byte (of what is in the file, uncompressed)."""

    unit: str
    at: int


def read_documents(
    file: DumpFile, on_bytes: Callable[[int], None]
) -> Iterator[tuple[str, Document]]:
    """Every document of a file, with its place, such as `orders.json line 12`.

    Args:
        file: What to read.
        on_bytes: Is told from time to time how many bytes of the file have been read.

    Raises:
        UnreadableDump: the file is damaged; the message names the place.
        OSError: the file can't be read.
    """
    place = _Place("byte", 0)
    with file.path.open("rb") as raw:
        told = 0
        try:
            for number, document in enumerate(_documents(raw, file.path.name.lower(), place)):
                yield f"{file.name} {place.unit} {place.at}", document
                # Asking takes as long as reading a small document.
                if number % _DOCUMENTS_A_WORD == 0 and (read := raw.tell()) != told:
                    on_bytes(read - told)
                    told = read
            on_bytes(raw.tell() - told)
        except (_Damage, EOFError, gzip.BadGzipFile, zlib.error) as error:
            what = error if isinstance(error, _Damage) else "the compressed file is damaged here"
            if isinstance(error, EOFError):
                what = "the compressed file is cut off"
            where = f"{file.name} {place.unit} {place.at}"
            raise UnreadableDump(f"{where}: {what}; nothing was imported") from None


def _documents(raw: io.BufferedReader, name: str, place: _Place) -> Iterator[Document]:
    magic = raw.read(2)
    raw.seek(0)
    if not magic and name.endswith(".gz"):
        raise EOFError
    stream = raw
    if magic == _GZIP_MAGIC:
        stream = io.BufferedReader(gzip.GzipFile(fileobj=raw), _BUFFER)
    head = stream.peek(_BUFFER)
    if head.startswith(_ARCHIVE_MAGIC):
        raise _Damage("this is an archive: run mongodump without --archive")
    if _UTF_16.match(head):
        raise _Damage("this is not UTF-8, but UTF-16: convert it first")
    if head.startswith(_BOM):
        stream.read(len(_BOM))
        head = head[len(_BOM) :]
    # A length of up to 16 MiB has a zero among its four bytes, and JSON text has none.
    is_json = head.lstrip()[:1] in {b"{", b"["} and b"\0" not in head[:4]
    if not is_json and (b"\0" in head[:4] or name.removesuffix(".gz").endswith(".bson")):
        yield from _bson_documents(stream, place)
        return
    place.unit, place.at = "line", 1
    if _is_a_document_a_line(head):
        yield from _line_documents(stream, place)
    else:
        yield from _spread_documents(stream, place, is_array=head.lstrip()[:1] == b"[")


def _bson_documents(stream: BinaryIO, place: _Place) -> Iterator[Document]:
    offset = 0
    while head := stream.read(4):
        place.at = offset
        size = int.from_bytes(head, "little")
        if len(head) == 4 and not 5 <= size <= _MOST_BSON:
            raise _Damage(f"a document can't be {size} bytes long")
        content = head + stream.read(size - 4) if len(head) == 4 else head
        if len(content) < max(size, 5):
            raise _Damage(_CUT_OFF)
        try:
            document = bson.decode(content, _BSON_OPTIONS)
        except (BSONError, ValueError, OverflowError, RecursionError):
            raise _Damage("this is not a BSON document") from None
        yield document
        offset += size


def _is_a_document_a_line(head: bytes) -> bool:
    line, newline, _ = head.lstrip().partition(b"\n")
    try:
        return isinstance(_parse(line), dict) and bool(newline)
    except _Damage:
        return False


def _line_documents(stream: BinaryIO, place: _Place) -> Iterator[Document]:
    number = 0
    while line := stream.readline(_MOST_JSON + 1):
        number += 1
        place.at = number
        if len(line) > _MOST_JSON:
            raise _Damage("this line is too long for a document")
        if not line.isspace():
            yield _parse(line)


def _spread_documents(stream: BinaryIO, place: _Place, *, is_array: bool) -> Iterator[Document]:
    """Documents between the brackets of an array, or one after the other, over any lines."""
    text = b""
    first, between, last = _ARRAY_GAPS if is_array else _PLAIN_GAPS
    gap = first
    while True:
        while (begin := text.find(b"{")) < 0 and (more := stream.read(_PIECE)):
            text = _joined(text, more)
        if begin < 0:
            break
        _expect(gap, text[:begin], place)
        place.at += text.count(b"\n", 0, begin)
        text, end = _read_on(stream, text[begin:])
        yield _parse(text[:end])
        place.at += text.count(b"\n", 0, end)
        text, gap = text[end:], between
    # An array without a document opens and closes in one gap.
    _expect(last if gap is between else _EMPTY_ARRAY if is_array else first, text, place)


def _read_on(stream: BinaryIO, text: bytes) -> tuple[bytes, int]:
    """More of the stream, until the document that `text` begins with is complete; and its end."""
    at = depth = 0
    while True:
        for token in _TOKEN.finditer(text, at):
            word = token[0]
            if word == b'"':
                break  # the rest of this string is still to be read
            at = token.end()
            if word in _OPENING:
                depth += 1
            elif word in _CLOSING:
                depth -= 1
                if depth == 0:
                    return text, at
        # As much again as there is: a long string is looked through a few times, not often.
        more = stream.read(max(_PIECE, len(text)))
        if not more:
            raise _Damage(_CUT_OFF)
        text = _joined(text, more)


def _joined(text: bytes, more: bytes) -> bytes:
    if len(text) > _MOST_JSON:
        raise _Damage("what begins here is too long for a document")
    return text + more


def _expect(gap: re.Pattern[bytes], text: bytes, place: _Place) -> None:
    if not gap.fullmatch(text):
        place.at += text[: len(text) - len(text.lstrip())].count(b"\n")
        # Nothing but what may stand between documents, where an array should have ended.
        is_cut = gap in {_ARRAY_GAPS[-1], _EMPTY_ARRAY} and not text.strip(b"[, \t\r\n")
        raise _Damage("the array has no end: the file is cut off" if is_cut else _NOT_AN_OBJECT)


def _parse(text: bytes) -> Document:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        # Older tools write a bare NaN, and half a surrogate pair is no reason to refuse the file:
        # the rules will refuse the record.
        try:
            document = json.loads(text.decode())
        except UnicodeDecodeError:
            raise _Damage("this is not UTF-8") from None
        except (ValueError, RecursionError):
            raise _Damage("this is not valid JSON") from None
    if not isinstance(document, dict):
        raise _Damage(_NOT_AN_OBJECT)
    return document
