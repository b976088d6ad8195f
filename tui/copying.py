"""Copying over any line: the terminal is asked to (OSC 52), and a file holds it where the terminal does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

    from musktracker.config import Settings

CAP = 50_000  # characters that terminals, and tmux between, take at once


def copy(app: App[Any], settings: Settings, text: str, what: str) -> None:
    """Put a text in the clipboard and in a file, and say so; `what` names it: "3 lines"."""
    path = settings.data_dir / "copied.txt"
    try:
        _write(path, text)
    except OSError as error:
        app.notify(f"{path} cannot be written: {error.strerror}", severity="warning", markup=False)
    if len(text) <= CAP:
        app.copy_to_clipboard(text)
        app.notify(f"Copied {what}; also in {path}", markup=False, timeout=4)
    else:
        app.notify(f"Too long for the clipboard: {what} are in {path}", markup=False, timeout=8)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
