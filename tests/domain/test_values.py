"""Ids, money and time: the values that both doors write."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clock import now, rfc3339
from app.domain.ids import new_object_id, parse_object_id
from app.domain.money import MAX_MINOR, decimal_amount, json_number, minor_from_decimal

MINOR = st.integers(0, MAX_MINOR)


class TestMoney:
    @given(MINOR)
    def test_the_json_number_is_the_exact_amount(self, minor: int) -> None:
        text = json.dumps(json_number(minor))
        assert Decimal(text) == Decimal(minor) / 100
        assert not text.endswith(".0")

    @given(MINOR)
    def test_amounts_round_trip(self, minor: int) -> None:
        assert minor_from_decimal(decimal_amount(minor)) == minor
        assert minor_from_decimal(json.dumps(json_number(minor))) == minor

    @pytest.mark.parametrize(
        ("minor", "number", "amount"),
        [
            (0, "0", "0.00"),
            (10, "0.1", "0.10"),
            (1, "0.01", "0.01"),
            (1999, "19.99", "19.99"),
            (3000, "30", "30.00"),
            (123456789012345, "1234567890123.45", "1234567890123.45"),
            (MAX_MINOR, "9999999999999.99", "9999999999999.99"),
        ],
    )
    def test_as_javascript_prints_it(self, minor: int, number: str, amount: str) -> None:
        assert json.dumps(json_number(minor)) == number
        assert decimal_amount(minor) == amount

    @pytest.mark.parametrize(
        ("text", "minor"),
        [("19.990", 1999), (" 5. ", 500), (".5", 50), ("+1e2", 10000), ("-0", 0), ("1e-2", 1)],
    )
    def test_other_spellings_of_a_price(self, text: str, minor: int) -> None:
        assert minor_from_decimal(text) == minor

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            *((text, "must be a number such as 19.99") for text in ("", "x", "NaN", "Infinity")),
            *(
                (text, "must be a number such as 19.99")
                for text in ("1,5", "0x10", "1_0", "\u0665")
            ),
            *((text, "must be a number such as 19.99") for text in ("1 0", "--1", ".", "e5")),
            *((text, "must not be negative") for text in ("-1", "-0.01", "-1e-999999999")),
            *((text, "must have at most two decimals") for text in ("1.005", "1e-999999999")),
            ("0.010000000000000000000000000000001", "must have at most two decimals"),
            *((text, "is too large") for text in ("1e30", "1e999999", "1e999999999")),
            ("9999999999999.991", "is too large"),
            ("1" * 5_000, "is too large"),
        ],
    )
    def test_what_is_no_price(self, text: str, problem: str) -> None:
        with pytest.raises(ValueError, match=f"^{problem}$"):
            minor_from_decimal(text)


class TestIds:
    def test_a_new_id_is_one(self) -> None:
        id_ = new_object_id()
        assert parse_object_id(id_) == id_

    @given(st.text("0123456789abcdefABCDEF", min_size=24, max_size=24))
    def test_any_letter_case_is_taken(self, text: str) -> None:
        assert parse_object_id(text) == text.lower()

    @given(st.text(max_size=30))
    def test_nothing_else_is(self, text: str) -> None:
        plain = len(text) == 24 and set(text) <= set("0123456789abcdefABCDEF")
        assert (parse_object_id(text) is not None) == plain

    @pytest.mark.parametrize(
        "text", ["a" * 24 + "\n", "\u0661" * 24, "a" * 23, "a" * 25, "abcdefghijkl"]
    )
    def test_near_misses(self, text: str) -> None:
        assert parse_object_id(text) is None


class TestClock:
    def test_now_is_in_utc_and_in_milliseconds(self) -> None:
        assert now().tzinfo is UTC
        assert now().microsecond % 1000 == 0

    @given(
        st.datetimes(
            min_value=datetime(1, 1, 2),  # noqa: DTZ001 (hypothesis adds the zone)
            max_value=datetime(9999, 12, 30),  # noqa: DTZ001
            timezones=st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours))),
        )
    )
    def test_rfc3339_reads_back_to_the_millisecond(self, instant: datetime) -> None:
        text = rfc3339(instant)
        assert len(text) == 24
        assert text.endswith("Z")
        lost = instant - datetime.fromisoformat(text)
        assert timedelta(0) <= lost < timedelta(milliseconds=1)
