"""Characters for terminals that are not UTF-8: as many cells, all of ASCII."""

from __future__ import annotations

import os
import subprocess
import sys

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


@pytest.mark.parametrize(
    ("environ", "utf8"),
    [({"LANG": "C"}, False), ({"LC_CTYPE": "C"}, False), ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True), ({}, True)],
)
def test_a_locale_that_python_has_changed_for_itself_says_what_it_was_given(
    environ: dict[str, str], utf8: bool
) -> None:
    asked = "from tui.ascii import given_environ, is_utf8; print(is_utf8(given_environ()))"
    others = {name: value for name, value in os.environ.items() if name != "LANG" and not name.startswith("LC_")}
    done = subprocess.run(
        [sys.executable, "-c", asked], env={**others, **environ}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(utf8)
