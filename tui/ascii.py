"""The console for terminals that are not UTF-8: each of its characters as one that every terminal has."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from rich.cells import cell_len

_DRAWN = {
    "-": "─━╌┄┈–—·−⠒╴╶╸╺",
    "|": "│┃┊┆║▌▐▏▕",
    "+": "╭╮╰╯┌┐└┘├┤┬┴┼╋╊╉┏┓┗┛",
    "_": "▁▂",
    "=": "▃▄▒═",
    "#": "▅▆▇█▓■▉▊▋",
    '"': "“”▀",
    "'": "‘’",
    ".": "░",
    "~": "…±≈",
    "v": "✓↓▼",
    "x": "✗×✕",
    "*": "●•◉",
    "o": "○◔◯ø",
    "^": "▲◆↑",
    ">": "→≥▶›❯",
    "<": "←≤◀‹❮",
}
_TABLE = str.maketrans({char: plain for plain, chars in _DRAWN.items() for char in chars})


def given_environ() -> Mapping[str, str]:
    """The environment with the LC_CTYPE that this process was given: where the locale is C, Python sets its own."""
    try:
        found = os.fsdecode(Path("/proc/self/environ").read_bytes())
    except OSError:  # only Linux tells
        return os.environ
    given = dict(part.partition("=")[::2] for part in found.split("\0"))
    return {**os.environ, "LC_CTYPE": given.get("LC_CTYPE", "")}


def is_utf8(environ: Mapping[str, str]) -> bool:
    """Whether the locale's characters are UTF-8; one that is not set says nothing against it."""
    name = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return not name or "utf" in name.lower()


def plain(text: str) -> str:
    """The text in as many cells of ASCII; control sequences are ASCII already."""
    if text.isascii():
        return text
    return "".join(char if char.isascii() else _plain(char) for char in text.translate(_TABLE))


def _plain(char: str) -> str:
    if "\u2800" <= char <= "\u28ff":
        return ":" if char > "\u2800" else " "
    cells = cell_len(char)
    base = unicodedata.normalize("NFKD", char)[0]
    return base if cells == 1 and base.isascii() else "?" * cells
