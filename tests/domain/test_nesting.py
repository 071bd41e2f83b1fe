"""The depth and the number of values of JSON, told without parsing, against what a parser finds."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.domain.nesting import holds_more, is_within, nests_deeper

TEXT = st.text('[]{}",\\ax\n', max_size=8)
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | TEXT,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXT, inside, max_size=3),
    max_leaves=25,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


def values_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(values_of, value.values()))
    return 1 + sum(map(values_of, value)) if isinstance(value, list) else 1


@given(VALUES, st.integers(0, 6))
def test_depth(value: object, limit: int) -> None:
    for text in (orjson.dumps(value), orjson.dumps(value, option=orjson.OPT_INDENT_2)):
        assert nests_deeper(text, limit) == (depth_of(value) > limit)


@given(VALUES, st.integers(1, 40))
def test_values(value: object, limit: int) -> None:
    found = values_of(value)
    more = holds_more(orjson.dumps(value), limit)
    # An empty list or object counts for one too many.
    assert more or found <= limit
    assert not more or 2 * found > limit


@given(VALUES | st.binary(max_size=50), st.integers(0, 6), st.integers(1, 40))
def test_both_at_once(value: object, depth: int, values: int) -> None:
    text = value if isinstance(value, bytes) else orjson.dumps(value)
    alone = not nests_deeper(text, depth) and not holds_more(text, values)
    assert is_within(text, depth, values) == alone


@given(st.binary(max_size=200), st.integers(0, 5))
def test_what_is_no_json_fails_nothing(text: bytes, limit: int) -> None:
    nests_deeper(text, limit)
    holds_more(text, limit)
