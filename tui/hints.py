"""Why a key did nothing, in one line: said once while it stands there, and the next takes its place."""

from __future__ import annotations

from itertools import chain
from typing import Any

from textual.app import App
from textual.notifications import Notification
from textual.widgets._toast import Toast

SECONDS = 4


class Hint(Notification):
    """A notice that tells why a key did nothing."""


def hint(app: App[Any], text: str) -> None:
    """Say why a key did nothing; a key that is pressed again adds nothing to what stands there."""
    standing = [note for note in app._notifications if isinstance(note, Hint)]
    if any(note.message == text for note in standing):
        return
    for note in standing:
        app._unnotify(note, refresh=False)
    for screen in chain.from_iterable(app._screen_stacks.values()):
        for toast in screen.query(Toast):
            if isinstance(toast._notification, Hint):
                toast._expire()  # with what holds it, which would keep its line
    app._notifications.add(Hint(text, timeout=SECONDS))
    app._refresh_notifications()
