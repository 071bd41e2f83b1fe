"""How large JSON is, told from its bytes before it is parsed: its depth and its values.

Of a text that is no JSON the answers mean nothing, and come as fast.
"""

_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


def is_within(text: bytes, depth: int, values: int) -> bool:
    """Whether a text has neither more levels than `depth` nor more values than `values`."""
    opened = text.count(b"[") + text.count(b"{")
    # No text has more values than characters.
    if opened <= depth and (len(text) <= values or 1 + text.count(b",") + opened <= values):
        return True
    return not nests_deeper(text, depth) and not holds_more(text, values)


def nests_deeper(text: bytes, limit: int) -> bool:
    """Whether lists and objects stand more than `limit` levels inside of each other."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    brackets = _outside_strings(text).translate(_ONE_KIND, _ALL_BUT_BRACKETS)
    if b"[" * (limit + 1) in brackets:
        return True
    for _ in range(limit):
        brackets = brackets.replace(b"[]", b"")  # the innermost level
    return bool(brackets)


def holds_more(text: bytes, limit: int) -> bool:
    """Whether there are more than `limit` values, counting lists and objects too."""
    if _values(text) <= limit:
        return False
    return _values(_outside_strings(text)) > limit


def _values(text: bytes) -> int:
    return 1 + text.count(b",") + text.count(b"[") + text.count(b"{")


def _outside_strings(text: bytes) -> bytes:
    # What stands between two quotes is a string, once escaped quotes are gone.
    return b"".join(text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
