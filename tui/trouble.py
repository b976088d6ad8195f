"""What went wrong, in the order in which people ask: what happened, what to do, and every detail."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from musktracker.config import Settings
from musktracker.errors import MuskTrackerError


@dataclass(frozen=True, slots=True)
class Trouble:
    """One failure, without a secret. `hint` is empty where nothing but the details can help."""

    what: str
    hint: str
    details: str

    @property
    def page(self) -> str:
        """All of it, as a page."""
        parts = (("What happened", self.what), ("What to do", self.hint), ("Details", self.details))
        return "\n\n".join(f"{title}\n{text}" for title, text in parts if text)


def trouble(error: BaseException, settings: Settings) -> Trouble:
    """An error as what people are told of it."""
    trace = "".join(traceback.format_exception(error)).strip()
    known = _of_database(error, settings)
    if isinstance(error, MuskTrackerError):
        what, hint = error.message, error.hint or ""
    elif known is not None:
        what, hint = known
    else:
        reason = str(getattr(error, "orig", None) or error)
        what, hint = " ".join(f"{type(error).__name__}: {reason}".split()), ""
    return Trouble(*map(settings.scrub, (what, hint, trace)))


def _of_database(error: BaseException, settings: Settings) -> tuple[str, str] | None:
    if not type(error).__module__.startswith("sqlalchemy."):  # which need not be imported to know it
        return None
    from musktracker.db.trouble import told

    return told(error, settings.database_url)
