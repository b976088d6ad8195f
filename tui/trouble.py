"""What went wrong, in the order in which people ask: what happened, what to do, and every detail."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from musktracker.config import Settings
from musktracker.errors import MuskTrackerError

BROKEN = ("database disk image is malformed", "file is not a database")


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
    known = _of_database(error)
    if isinstance(error, MuskTrackerError):
        what, hint = error.message, error.hint or ""
    elif known is not None:
        what, hint = known
    else:
        reason = str(getattr(error, "orig", None) or error)
        what = " ".join(f"{type(error).__name__}: {reason}".split())
        hint = _restoring(settings) if any(words in reason for words in BROKEN) else ""
    return Trouble(*map(settings.scrub, (what, hint, trace)))


def _of_database(error: BaseException) -> tuple[str, str] | None:
    if not type(error).__module__.startswith("sqlalchemy."):  # which need not be imported to know it
        return None
    from musktracker.db.trouble import told

    return told(error)


def _restoring(settings: Settings) -> str:
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    copies = sorted(path.parent.glob(f"{path.stem}.*.backup.db"))  # their names hold when they were made
    if not copies:
        return (
            "No copy of it lies beside it. Put it aside: musktracker migrate makes a new one, into which posts can "
            f"be imported again; sqlite3 {path.name} .recover saves what can still be read"
        )
    return (
        f"End what has it open, put {path.name}, -wal and -shm aside, and copy its newest backup there: {copies[-1]}"
    )
