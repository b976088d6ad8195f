"""Copying over any line: what is sent is what a terminal, tmux or GNU screen hands on; a file has it in any case."""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from musktracker.config import Settings
from tui.copying import CAP, SCREEN_CHUNK, clipboard, copy

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=2_000)


def sent(sequence: str) -> str:
    """The text that a terminal reads from a plain sequence."""
    match = re.fullmatch(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\a", sequence)
    assert match is not None
    return b64decode(match[1]).decode()


@given(texts)
def test_a_terminal_is_sent_the_text(text: str) -> None:
    assert sent(clipboard(text, {})) == text


@given(texts)
def test_tmux_is_sent_it_to_keep_and_to_hand_on(text: str) -> None:
    plain, _, wrapped = clipboard(text, {"TMUX": "/tmp/tmux-0/default,1,0"}).partition("\x1bPtmux;")
    assert sent(plain) == text
    assert wrapped.endswith("\x1b\\")
    assert sent(wrapped.removesuffix("\x1b\\").replace("\x1b\x1b", "\x1b")) == text


@given(texts)
def test_gnu_screen_hands_on_pieces_that_it_has_room_for(text: str) -> None:
    pieces = re.findall(r"\x1bP(.*?)\x1b\\", clipboard(text, {"STY": "1.pts-0.tower"}), re.DOTALL)
    assert all(len(piece) <= SCREEN_CHUNK for piece in pieces)
    assert sent("".join(pieces)) == text


class Told:
    """Stands for the app: what it was asked to copy, and what it said."""

    def __init__(self) -> None:
        self.copied: list[str] = []
        self.said: list[str] = []

    def copy_to_clipboard(self, text: str) -> None:
        self.copied.append(text)

    def notify(self, text: str, **_options: Any) -> None:
        self.said.append(text)


def test_what_no_terminal_takes_at_once_is_in_the_file_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url="sqlite://")
    told: Any = Told()
    copy(told, settings, "é" * (CAP // 2 + 1), "1 line")
    assert told.copied == []
    assert "Too long for the clipboard" in told.said[0]
    assert (settings.data_dir / "copied.txt").read_text().startswith("éé")
