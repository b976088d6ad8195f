"""A forecast's quantiles come back as they were packed, and damage is told."""

from __future__ import annotations

import zlib
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musktracker.db import quantiles
from musktracker.db.quantiles import Quantiles, Table


@st.composite
def tables(draw: st.DrawFn, levels: int, hours: int) -> Table:
    """Counts that ascend with the level."""
    row = st.lists(st.integers(0, 400), min_size=hours, max_size=hours)
    steps = draw(st.lists(row, min_size=levels, max_size=levels))
    return list(accumulate(steps, lambda low, step: [a + b for a, b in zip(low, step, strict=True)]))


@settings(max_examples=50)
@given(st.data(), st.integers(1, 6), st.integers(1, 30))
def test_what_is_unpacked_is_what_was_packed(data: st.DataObject, levels: int, hours: int) -> None:
    some = Quantiles(
        [(k + 1) / (levels + 1) for k in range(levels)],
        data.draw(tables(levels, hours)),
        data.draw(tables(levels, hours)),
    )
    assert quantiles.unpack(quantiles.pack(some)) == some
    assert quantiles.pack(some) == quantiles.pack(some)


@pytest.mark.parametrize(
    "content", [b"", b"no zlib", zlib.compress(b"{}"), zlib.compress(b"["), zlib.compress(b"[]")]
)
def test_damaged_bytes_are_told(content: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        quantiles.unpack(content)
