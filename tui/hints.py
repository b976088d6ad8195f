"""Why a key did nothing, in one line: said once while it stands there, and the next takes its place."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.notifications import Notification

SECONDS = 4


class Hint(Notification):
    """A notice that tells why a key did nothing."""


def hint(app: App[Any], text: str) -> None:
    """Say why a key did nothing; a key that is pressed again adds nothing to what stands there."""
    standing = [note for note in app._notifications if isinstance(note, Hint)]
    if all(note.message == text for note in standing) and standing:
        return
    for note in standing:
        app._unnotify(note, refresh=False)
    app._notifications.add(Hint(text, timeout=SECONDS))
    app._refresh_notifications()
