"""What went wrong, in the order in which people ask: what happened, what to do, and every detail."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from musktracker import timeline
from musktracker.config import Settings
from musktracker.errors import MuskTrackerError
from musktracker.text import printable


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


def last_words(settings: Settings) -> str:
    """What a console says that ends on the error being handled: its trace, without a secret, goes to a file."""
    text = settings.scrub(traceback.format_exc()).strip()
    path = settings.log_dir / "console.log"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            path.chmod(0o600)
            log.write(f"{timeline.iso(timeline.now())}\n{text}\n")
    except OSError as error:
        trace = f"it could not be written to {path}: {error.strerror}\n{text}"
    else:
        trace = str(path)
    last = text.rpartition("\n")[2]
    return f"musktracker: the console ended on an error: {printable(last)}. Its trace: {trace}"


def _of_database(error: BaseException, settings: Settings) -> tuple[str, str] | None:
    if not type(error).__module__.startswith("sqlalchemy."):  # which need not be imported to know it
        return None
    from musktracker.db.trouble import told

    return told(error, settings.database_url)
