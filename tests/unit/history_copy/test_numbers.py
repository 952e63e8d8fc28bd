"""Numbers of a field that keeps whole ones: whatever it answers, there is one that it answers the same for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.errors import Refused
from opensearch_strata.history.copy.numbers import read_back, writable

decimals = st.integers(0, 9)


@given(st.floats(allow_nan=False, allow_infinity=False), decimals)
def test_what_was_read_can_be_written_again(value: float, places: int) -> None:
    factor = 10.0**places
    stored = read_back(np.array([value]), factor)
    again = writable(stored, factor)
    assert read_back(again, factor).tobytes() == stored.tobytes()
    assert math.copysign(1, again[0]) > 0 or again[0] < 0


@given(st.integers(-(2**40), 2**40), decimals)
def test_a_number_of_few_digits_comes_back_as_it_was_written(number: int, places: int) -> None:
    value = number / 10.0**places
    assert writable(read_back(np.array([value]), 10.0**places), 10.0**places)[0] == value


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (1.005, 1.0050000000000001),  # as OpenSearch 3.4 answered it
        (9007199254740.993, 9007199254740.992),
        (9007199254740993.1, 9007199254740994.0),
        (1e300, 9223372036854776.0),
        (5e-324, 0.0),
        (4503599627370.497, 4503599627370.497),
    ],
)
def test_it_is_known_what_a_server_answers(value: float, read: float) -> None:
    assert read_back(np.array([value]), 1000.0)[0] == read


def test_a_number_that_no_such_field_has_is_refused() -> None:
    with pytest.raises(Refused, match="cannot be one of a field that keeps 2 decimals"):
        writable(np.array([0.123]), 100.0)
