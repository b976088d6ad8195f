"""Copying over any line: what is sent is what a terminal, tmux or GNU screen hands on; a file has it in any case."""

from __future__ import annotations

import re
import threading
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App

from musktracker.config import Settings
from tui import copying
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


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App[None]]:
    """An app that nothing is copied to yet."""
    made = App[None]()
    async with made.run_test(notifications=True):
        yield made


@pytest.fixture
def kept(tmp_path: Path) -> Settings:
    """Settings that keep what is copied in a directory of the test's own."""
    return Settings(data_dir=tmp_path, database_url="sqlite://")


def said(app: App[None]) -> str:
    return "\n".join(note.message for note in app._notifications)


async def test_what_no_terminal_takes_at_once_is_in_the_file_alone(app: App[None], kept: Settings) -> None:
    copy(app, kept, "é" * (CAP // 2 + 1), "1 line")
    await app.workers.wait_for_complete()
    assert app.clipboard == ""
    assert "Too long for the clipboard" in said(app)
    assert (kept.data_dir / "copied.txt").read_text().startswith("éé")


async def test_what_cannot_be_kept_in_a_file_is_copied_all_the_same(app: App[None], kept: Settings) -> None:
    (kept.data_dir / "copied.txt").mkdir()
    copy(app, kept, "a line", "1 line")
    await app.workers.wait_for_complete()
    assert app.clipboard == "a line"
    assert "cannot be written" in said(app)
    assert "also in" not in said(app)


async def test_nobody_waits_for_a_text_that_is_made_or_a_disk_that_is_slow(
    app: App[None], kept: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def make() -> str:
        threads.append(threading.get_ident())
        return "a line"

    monkeypatch.setattr(copying, "_write", lambda path, text: threads.append(threading.get_ident()))
    copy(app, kept, make, "1 line")
    await app.workers.wait_for_complete()
    assert app.clipboard == "a line"
    assert threading.get_ident() not in threads
    assert len(threads) == 2
