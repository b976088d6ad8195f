"""Copying over any line: the terminal is asked to (OSC 52), and a file holds it where the terminal does not."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from tui.threads import in_thread
from tui.working import begin

if TYPE_CHECKING:
    from textual.app import App

    from musktracker.config import Settings

CAP = 50_000  # bytes that terminals, and tmux between, take at once
ESCAPE = "\x1b"
SCREEN_CHUNK = 512  # characters of a string that GNU screen hands on at once


def copy(app: App[Any], settings: Settings, text: str | Callable[[], str], what: str) -> None:
    """Put a text in the clipboard and in a file, and say so; `what` names it: "3 lines".

    A long text is given by what makes it, which is called in a thread.
    """
    begin(app, "copy", _copy, app, settings.data_dir / "copied.txt", text, what)


def clipboard(text: str, environ: Mapping[str, str]) -> str:
    """What asks a terminal to put a text in the clipboard, through tmux or GNU screen where one is between.

    tmux takes the plain sequence where it keeps a clipboard (`set-clipboard on`), and hands the wrapped one on where
    that is allowed (`allow-passthrough on`); it is given both.
    """
    asked = f"\x1b]52;c;{b64encode(text.encode('utf-8', 'replace')).decode()}\a"
    if environ.get("TMUX"):
        return f"{asked}\x1bPtmux;{asked.replace(ESCAPE, ESCAPE * 2)}\x1b\\"
    if environ.get("STY"):
        chunks = (asked[i : i + SCREEN_CHUNK] for i in range(0, len(asked), SCREEN_CHUNK))
        return "".join(f"\x1bP{chunk}\x1b\\" for chunk in chunks)
    return asked


async def _copy(app: App[Any], path: Path, text: str | Callable[[], str], what: str) -> None:
    short, refused = await in_thread(_keep, path, text)
    if refused:
        app.notify(f"{path} cannot be written: {refused}", severity="warning", markup=False)
    if short is not None:
        app.copy_to_clipboard(short)
        app.notify(f"Copied {what}" + ("" if refused else f"; also in {path}"), markup=False, timeout=4)
    elif not refused:
        app.notify(f"Too long for the clipboard: {what} are in {path}", markup=False, timeout=8)


def _keep(path: Path, text: str | Callable[[], str]) -> tuple[str | None, str | None]:
    """Write the text to the file; returns it where a clipboard has room for it, and what kept it from the file."""
    text, refused = text if isinstance(text, str) else text(), None
    with _WRITING:
        try:
            _write(path, text)
        except OSError as error:
            refused = error.strerror
    return text if len(text.encode("utf-8", "replace")) <= CAP else None, refused


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")


_WRITING = Lock()  # whoever copies faster than a disk writes has the last text there whole
