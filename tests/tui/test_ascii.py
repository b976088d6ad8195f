"""Characters for terminals that are not UTF-8: as many cells, all of ASCII."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.ascii import is_utf8, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("╭─ Fresh ─╮│✓ ok│", "+- Fresh -+|v ok|"),
        ("▁▃▅█ · 468–712 …", "_=## - 468-712 ~"),
        ("naïve 東京", "naive ????"),
        ("\x1b[1mbold\x1b[0m", "\x1b[1mbold\x1b[0m"),
    ],
)
def test_characters_become_those_of_every_terminal(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_no_text_takes_more_or_fewer_cells(text: str) -> None:
    found = plain(text)
    assert found.isascii()
    assert cell_len(found) == sum(cell_len(char) for char in text)


@pytest.mark.parametrize(
    ("environ", "utf8"),
    [
        ({}, True),
        ({"LANG": ""}, True),
        ({"LANG": "de_DE.utf8"}, True),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "C"}, False),
        ({"LANG": "de_DE.UTF-8", "LC_CTYPE": "POSIX"}, False),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, True),
    ],
)
def test_the_locale_says_what_the_terminal_takes(environ: dict[str, str], utf8: bool) -> None:
    assert is_utf8(environ) is utf8
