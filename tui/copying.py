"""Copying over any line: the terminal is asked to (OSC 52), and a file holds it where the terminal does not."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

    from musktracker.config import Settings

CAP = 50_000  # bytes that terminals, and tmux between, take at once
ESCAPE = "\x1b"
SCREEN_CHUNK = 512  # characters of a string that GNU screen hands on at once


def copy(app: App[Any], settings: Settings, text: str, what: str) -> None:
    """Put a text in the clipboard and in a file, and say so; `what` names it: "3 lines"."""
    path = settings.data_dir / "copied.txt"
    try:
        _write(path, text)
    except OSError as error:
        app.notify(f"{path} cannot be written: {error.strerror}", severity="warning", markup=False)
    if len(text.encode("utf-8", "replace")) <= CAP:
        app.copy_to_clipboard(text)
        app.notify(f"Copied {what}; also in {path}", markup=False, timeout=4)
    else:
        app.notify(f"Too long for the clipboard: {what} are in {path}", markup=False, timeout=8)


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


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
