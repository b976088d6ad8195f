"""Packed rows read as the list of the same rows does, however they came and however many have gone."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from tui.widgets import packed
from tui.widgets.packed import PackedRows, Row

rows = st.lists(st.tuples(st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.just({})), max_size=9)


@given(older=st.lists(rows, max_size=4), newer=st.lists(rows, max_size=6), gone=st.integers(0, 60))
def test_they_are_the_rows_that_were_put_there(older: list[list[Row]], newer: list[list[Row]], gone: int) -> None:
    with patch.object(packed, "BLOCK", 3):
        kept, plain = PackedRows(), list[Row]()
        for batch in older:
            kept.prepend(batch)
            plain = batch + plain
        for batch in newer:
            kept.append(batch)
            plain = plain + batch
        first = kept.first
        kept.drop_before(min(first + gone, kept.end))
        read = [(number, tuple(row)) for number, row in kept.rows(kept.first, kept.end)]
        assert read == [(number, row) for number, row in enumerate(plain, first) if number >= kept.first]
        assert [tuple(kept[number]) for number, _ in read] == [row for _, row in read]
