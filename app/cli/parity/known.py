"""The differences that are there on purpose, by name. None is accepted unless somebody asks.

Each levels one of them out: it returns the pair of answers as they would be without it, or the
same pair when there is nothing of its kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from app.cli.parity.calls import Call
from app.cli.parity.masks import Json

_GET_ALL, _ADD = "/orders/get_all", "/orders/add"
_CHANGE_STATUS, _DELETE = "/orders/change-status", "/orders/delete"
_REFUSALS = frozenset({400, 401, 405, 413, 415, 422})
_NO_ADMINISTRATOR = "unauthorized user, you are not an administrator"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, as far as it is compared; `body` is a value if `is_json`."""

    status: int
    headers: Mapping[str, str | None]
    is_json: bool
    body: Json = None
    content: bytes = field(default=b"", repr=False)


Pair = tuple[Answer, Answer]
Rule = Callable[[Call, Answer, Answer], Pair]


def _path(call: Call) -> str:
    return call.path.partition("?")[0].lower().removesuffix("/")


def _is_refusal(answer: Answer) -> bool:
    return (
        answer.status in _REFUSALS
        and isinstance(answer.body, dict)
        and list(answer.body) in (["msg"], ["message"])
    )


def _refusals(_call: Call, legacy: Answer, ours: Answer) -> Pair:
    refused = legacy.status >= 400 and legacy.status not in {401, 403}
    return (ours, ours) if refused and _is_refusal(ours) else (legacy, ours)


def _stricter_input(call: Call, legacy: Answer, ours: Answer) -> Pair:
    refused = call.writes and ours.status == 400 and _is_refusal(ours)
    return (ours, ours) if legacy.status == 200 and refused else (legacy, ours)


def _bearer(call: Call, legacy: Answer, ours: Answer) -> Pair:
    bearer = (call.authorization or "").lower().startswith("bearer ")
    refused = legacy.status == 403 and legacy.body == {"message": "Forbidden"}
    taken = ours.status in {200, 403} or _is_refusal(ours)
    return (ours, ours) if bearer and refused and taken else (legacy, ours)


def _add_type(call: Call, legacy: Answer, ours: Answer) -> Pair:
    types = [(answer.headers.get("content-type") or "")[:9] for answer in (legacy, ours)]
    placed = _path(call) == _ADD and legacy.status == ours.status == 200
    if not placed or types != ["text/html", "text/plai"]:
        return legacy, ours
    return replace(legacy, headers={**legacy.headers, **_type_of(ours)}), ours


def _type_of(answer: Answer) -> Mapping[str, str | None]:
    return {"content-type": answer.headers.get("content-type")}


def _own_deletes(call: Call, legacy: Answer, ours: Answer) -> Pair:
    refused = legacy.status == 403 and legacy.body == {"msg": _NO_ADMINISTRATOR}
    allowed = _path(call) == _DELETE and ours.status == 200
    return (ours, ours) if refused and allowed else (legacy, ours)


def _admin_claim(call: Call, legacy: Answer, ours: Answer) -> Pair:
    refused = ours.status == 403 and ours.body == {"msg": _NO_ADMINISTRATOR}
    allowed = _path(call) == _CHANGE_STATUS and legacy.status == 200
    return (ours, ours) if refused and allowed else (legacy, ours)


def _deleted_products(call: Call, legacy: Answer, ours: Answer) -> Pair:
    failed = _path(call) == _GET_ALL and legacy.status == 500 and ours.status == 200
    return (ours, ours) if failed else (legacy, ours)


def _image_null(call: Call, legacy: Answer, ours: Answer) -> Pair:
    def level(theirs: dict[str, Json], own: dict[str, Json]) -> dict[str, Json]:
        if "image" in theirs or own.get("image", 0) is not None:
            return own
        return {name: value for name, value in own.items() if name != "image"}

    return _rows(call, _GET_ALL, legacy, ours, level)


def _taking(path: str, *names: str) -> Rule:
    """A rule that takes the values of some fields over from the legacy's rows."""

    def rule(call: Call, legacy: Answer, ours: Answer) -> Pair:
        def level(theirs: dict[str, Json], own: dict[str, Json]) -> dict[str, Json]:
            return {
                name: theirs[name] if name in names and name in theirs else value
                for name, value in own.items()
            }

        return _rows(call, path, legacy, ours, level)

    return rule


def _rows(
    call: Call,
    path: str,
    legacy: Answer,
    ours: Answer,
    level: Callable[[dict[str, Json], dict[str, Json]], dict[str, Json]],
) -> Pair:
    if _path(call) != path or not isinstance(legacy.body, list) or not isinstance(ours.body, list):
        return legacy, ours
    rows: list[Json] = list(ours.body)
    for index, (theirs, own) in enumerate(zip(legacy.body, ours.body, strict=False)):
        if isinstance(theirs, dict) and isinstance(own, dict):
            rows[index] = level(theirs, own)
    return legacy, replace(ours, body=rows)


RULES: Mapping[str, tuple[str, Rule]] = {
    "add-type": ("/orders/add answers as text/plain, not text/html", _add_type),
    "admin-claim": ("a token without the claim admin is no administrator's", _admin_claim),
    "bearer": ("a key after Bearer is taken", _bearer),
    "bought-values": (
        "name, image and price are those of the day of the order",
        _taking(_GET_ALL, "name", "image", "price"),
    ),
    "change-count": ("__v counts the changes of an order", _taking(_CHANGE_STATUS, "__v")),
    "deleted-products": ("orders whose product is gone can be read", _deleted_products),
    "image-null": ("image is null, not left out, where there is none", _image_null),
    "order-numbers": ("orderNum is kept when an order goes", _taking(_GET_ALL, "orderNum")),
    "own-deletes": ("customers delete their own orders", _own_deletes),
    "refusals": ("refusals are JSON with a status of 4xx, not HTML or 500", _refusals),
    "stricter-input": ("input that can't be meant is refused", _stricter_input),
}
"""What each deliberate difference is, and the rule that levels it out."""
