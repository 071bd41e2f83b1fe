"""The calls to replay: from JSON lines, from a HAR file, or made from a list of keys.

All of a file is read and checked before the first call is sent.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# What a browser adds of its own accord (cookies, its name, what it was doing) changes no answer.
_RECORDED_HEADERS = frozenset(
    {
        "accept",
        "access-control-request-headers",
        "access-control-request-method",
        "authorization",
        "content-type",
        "idempotency-key",
        "origin",
    }
)
_ORDER_PATHS = "/orders/"
# They say how a body travels, which is for the client to say.
_OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "upgrade"})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z", re.ASCII)
_VALUE = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?\Z", re.ASCII)
_TARGET = re.compile(r"[!-~]+\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `path` begins with a slash and holds the query too.

    `source` says where it comes from: `line 3`, `entry 17`, `key 2`.
    """

    source: str
    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes | None = None

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method not in _SAFE

    @property
    def authorization(self) -> str | None:
        """The header with the key, as it is sent."""
        return next(
            (v for name, v in self.headers.items() if name.lower() == "authorization"), None
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """What was read, and how many entries of a HAR file were for other paths than these."""

    calls: tuple[Call, ...]
    passed_over: int = 0


class _Line(BaseModel):
    """One call of a file of JSON lines."""

    model_config = ConfigDict(strict=True, extra="forbid")

    method: Annotated[str, Field(pattern="^[A-Za-z]+$")] = "GET"
    path: Annotated[str, Field(pattern="^/[!-~]*$")]
    headers: dict[str, str] = {}
    key: str | None = None
    body: Any = None
    text: str | None = None

    @model_validator(mode="after")
    def _one_body(self) -> "_Line":
        if self.text is not None and "body" in self.model_fields_set:
            raise ValueError("has both body and text")
        return self

    def call(self, source: str) -> Call:
        headers = dict(self.headers)
        content = None if self.text is None else self.text.encode()
        if "body" in self.model_fields_set:
            content = orjson.dumps(self.body)
            if not any(name.lower() == "content-type" for name in headers):
                headers["Content-Type"] = "application/json"
        if self.key is not None:
            headers["Authorization"] = self.key
        return Call(source, self.method.upper(), self.path, headers, content)


class _HarHeader(BaseModel):
    name: str
    value: str


class _HarPostData(BaseModel):
    text: str = ""
    encoding: str | None = None


class _HarRequest(BaseModel):
    method: str
    url: str
    headers: list[_HarHeader] = []
    post_data: _HarPostData | None = Field(None, alias="postData")


class _HarEntry(BaseModel):
    request: _HarRequest


class _HarLog(BaseModel):
    entries: list[_HarEntry]


class _Har(BaseModel):
    """The part of an HTTP archive (HAR 1.2) that says what was asked."""

    log: _HarLog


def read_recording(content: bytes) -> Recording:
    """The calls in a file: an HTTP archive if it is one JSON object with a `log`, else JSON lines.

    Raises:
        ValueError: the file can't be used; the message names the line or entry and the reason.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not in UTF-8") from None
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict) and "log" in whole:
        return _archive(whole)
    return Recording(tuple(_lines(text)))


def calls_for_keys(text: str) -> tuple[Call, ...]:
    """A GET of the own orders for each key, one a line; empty lines are passed over.

    Raises:
        ValueError: a key can't stand in a header.
    """
    calls: list[Call] = []
    for number, line in enumerate(text.splitlines(), 1):
        if key := line.strip():
            if not _VALUE.match(key):
                raise ValueError(f"line {number}: a key must be printable ASCII")
            headers = {"Authorization": key}
            calls.append(Call(f"key {len(calls) + 1}", "GET", "/orders/get_all", headers))
    return tuple(calls)


def _lines(text: str) -> Iterator[Call]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        source = f"line {number}"
        try:
            yield _checked(_Line.model_validate(orjson.loads(line)).call(source))
        except orjson.JSONDecodeError:
            raise ValueError(f"{source}: is not valid JSON") from None
        except ValidationError as error:
            raise ValueError(f"{source}: {_phrase(error)}") from None


def _archive(whole: object) -> Recording:
    try:
        entries = _Har.model_validate(whole).log.entries
    except ValidationError as error:
        raise ValueError(f"is no HTTP archive: {_phrase(error)}") from None
    calls: list[Call] = []
    for number, entry in enumerate(entries, 1):
        request = entry.request
        url = urlsplit(request.url)
        at = url.path.lower().find(_ORDER_PATHS)
        if at < 0:
            continue
        # A shop may have served its API under a path of its own, as --legacy tells then.
        path = url.path[at:] + (f"?{url.query}" if url.query else "")
        headers = {h.name: h.value for h in request.headers if h.name.lower() in _RECORDED_HEADERS}
        content = None
        if request.post_data is not None:
            try:
                content = request.post_data.text.encode()
                if request.post_data.encoding == "base64":
                    content = base64.b64decode(content)
            except ValueError:
                raise ValueError(f"entry {number}: its body can't be read") from None
        calls.append(
            _checked(Call(f"entry {number}", request.method.upper(), path, headers, content))
        )
    return Recording(tuple(calls), passed_over=len(entries) - len(calls))


def _checked(call: Call) -> Call:
    """The call, if it can be sent.

    Raises:
        ValueError: it can't; the message does not show the value of a header, which may be a key.
    """
    if not _TOKEN.match(call.method) or not _TARGET.match(call.path):
        raise ValueError(f"{call.source}: {call.method} {call.path!r} can't be sent")
    names = [name.lower() for name in call.headers]
    for name, value in call.headers.items():
        if not _TOKEN.match(name) or not _VALUE.match(value):
            raise ValueError(f"{call.source}: header {name!r} can't be sent")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"{call.source}: header {name!r} follows from the call: leave it out")
    if names.count("host") > 1:
        raise ValueError(f"{call.source}: header 'Host' stands twice")
    return call


def _phrase(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    match first["type"]:
        case "missing":
            return f"{place} is missing"
        case "extra_forbidden":
            return f"{place} is no field of a call"
        case "model_type":
            return f"{place} must be an object".lstrip()
        case "string_pattern_mismatch":
            return f"{place} must match {first['ctx']['pattern']}"
        case "value_error":
            return str(first["msg"]).removeprefix("Value error, ")
        case _:
            return f"{place}: {first['msg']}"
