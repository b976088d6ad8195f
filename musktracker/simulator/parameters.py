"""What may be asked, as strictly as the real API reads it; and its 400 for everything else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from musktracker.simulator import answers
from musktracker.simulator.answers import Refused
from musktracker.timeline import iso

POST_FIELDS = (
    "article,attachments,author_id,card_uri,community_id,context_annotations,conversation_id,created_at,"
    "display_text_range,edit_controls,edit_history_{0}_ids,entities,geo,id,in_reply_to_user_id,lang,media_metadata,"
    "non_public_metrics,note_{0},organic_metrics,possibly_sensitive,promoted_metrics,public_metrics,referenced_{0}s,"
    "reply_settings,scopes,source,suggested_source_links,text,withheld"
)
FIRST_TIME = datetime.fromisoformat("2010-11-06T00:00:00+00:00")
FIRST_ARCHIVED = datetime.fromisoformat("2006-03-21T00:00:00+00:00")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_ID = re.compile(r"[0-9]{1,19}")


class Parameters:
    """Reads a request's parameters and gathers what is wrong with them; `finish` refuses if anything was."""

    def __init__(self, query: Mapping[str, str], spelling: str) -> None:
        self.query = query
        self.problems: list[dict[str, Any]] = []
        self._spelling = spelling
        self._known: set[str] = set()

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A number within bounds."""
        text = self._take(name)
        if text is None:
            return default
        if not text.isdecimal() or not low <= int(text) <= high:
            self._wrong(name, text, f"is not between {low} and {high}")
            return default
        return int(text)

    def post_id(self, name: str) -> int | None:
        """The id of a post."""
        text = self._take(name)
        if text is None:
            return None
        if not _ID.fullmatch(text):
            self._wrong(name, text, "does not match ^[0-9]{1,19}$")
            return None
        return int(text)

    def time(self, name: str, earliest: datetime, latest: datetime) -> datetime | None:
        """A time within bounds."""
        text = self._take(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
        except ValueError:
            moment = None
        if moment is None:
            self._wrong(name, text, "is not a valid RFC3339 date-time (YYYY-MM-DDTHH:mm:ssZ)")
            return None
        if moment < earliest:
            self._refuse(name, text, f"Invalid '{name}':'{text}'. '{name}' must be on or after {iso(earliest)}")
        elif moment > latest:
            self._refuse(name, text, f"Invalid '{name}':'{text}'. '{name}' must be before {iso(latest)}")
        return moment

    def choices(self, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
        """A list of words."""
        text = self._take(name)
        found = tuple(text.split(",")) if text else ()
        for word in found:
            if word not in known:
                self._wrong(name, word, f"is not one of [{','.join(known)}]")
        return found

    def choice(self, name: str, known: tuple[str, ...], default: str) -> str:
        """One word."""
        text = self._take(name)
        if text is not None and text not in known:
            self._wrong(name, text, f"is not one of [{','.join(known)}]")
            return default
        return text or default

    def text(self, name: str, pattern: str | None = None, *, required: bool = False) -> str:
        """Any text, or one that matches."""
        text = self._take(name)
        if text is None:
            if required:
                self._refuse(name, "", f"The `{name}` query parameter can not be empty")
            return ""
        if pattern and not re.fullmatch(pattern, text):
            self._wrong(name, text, f"does not match ^{pattern}$")
        return text

    def ids(self) -> list[int]:
        """The list of ids of a lookup."""
        found = [part for part in self.text("ids", required=True).split(",") if part]
        if len(found) > 100:
            message = (
                f"The number of values in the `ids` query parameter list [{len(found)}] is not between 1 and 100"
            )
            self._refuse("ids", f"[{len(found)}]", message)
        for part in found:
            if not _ID.fullmatch(part):
                self._wrong("ids", part, "does not match ^[0-9]{1,19}$")
        return [int(part) for part in found if part.isdecimal()]

    def fields(self) -> frozenset[str]:
        """The fields of posts asked for, in the spellings that are taken."""
        parameters, nouns = _SPELLINGS[self._spelling]
        known = tuple(sorted({name for noun in nouns for name in POST_FIELDS.format(noun).split(",")}))
        found: set[str] = set()
        for parameter in parameters:
            found.update(self.choices(f"{parameter}.fields", known))
        if self._spelling == "ignored":
            self._take("tweet.fields")
        return frozenset(found)

    def order(self, start: datetime | None, end: datetime | None) -> None:
        """Refuse a span that ends before it begins."""
        if start is not None and end is not None and start >= end:
            self._refuse("end_time", iso(end), "'end_time' must be after 'start_time'")

    def refuse(self, name: str, message: str) -> None:
        """Add what is wrong with a parameter that only its meaning shows."""
        self._refuse(name, self.query.get(name, ""), message)

    def finish(self) -> None:
        """Raise Refused (400) where anything was wrong or unknown."""
        for name, value in self.query.items():
            if name not in self._known:
                message = f"The query parameter [{name}] is not one of [{','.join(sorted(self._known))}]"
                self._refuse(name, value, message)
        if self.problems:
            raise Refused(400, answers.invalid_request(self.problems))

    def _take(self, name: str) -> str | None:
        self._known.add(name)
        return self.query.get(name)

    def _wrong(self, name: str, value: str, what: str) -> None:
        self._refuse(name, value, f"The `{name}` query parameter value [{value}] {what}")

    def _refuse(self, name: str, value: str, message: str) -> None:
        self.problems.append({"parameters": {name: [value]}, "message": message})


def seconds(count: float) -> timedelta:
    """A length of time."""
    return timedelta(seconds=count)


_SPELLINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "both": (("tweet", "post"), ("tweet", "post")),
    "tweet": (("tweet",), ("tweet",)),
    "post": (("post",), ("post",)),
    "mixed": (("tweet",), ("post",)),
    "ignored": (("post",), ("post",)),
}
