"""What is read of the X API's answers: ids, times and kinds of posts. Text is skipped, never kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from musktracker.errors import UsageError
from musktracker.sources import post_times
from musktracker.sources.x_errors import described, problems
from musktracker.timeline import FIRST_SNOWFLAKE, LAST_SNOWFLAKE, SNOWFLAKE_EPOCH_MS, parse_time, utc

TOLERANCE = post_times.TOLERANCE.total_seconds()
PERMANENT = ("resource-not-found", "not-authorized-for-resource", "not-authorized-for-field", "disallowed-resource")


class Malformed(Exception):
    """An answer that is JSON but not in the API's form; the message names what is wrong, never what it holds."""


class Post(NamedTuple):
    """A post: the id of its newest version, when it was first made, its kind, the id of its first version.

    An edited post is a new id for the same post: count it under `first_id`. `created_at` is that of `first_id`, in
    UTC. `kind` is original, reply, quote or repost; None where what it refers to is in no known form.
    """

    id: int
    created_at: datetime
    kind: str | None
    first_id: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a walk: posts as delivered, each chain of edits once.

    `newest_id` and `oldest_id` are the extremes of what came (None where nothing did), whatever `meta` says.
    `looped`: the walk ends here although the API offered more, since it led in a circle: what lies below `oldest_id`
    is still to be fetched. `lacking` says what is not in it, in words: entries that cannot be read, or that it counts
    and does not hold. They lie in its `gap`, between two ids; None: beyond its newest, or its oldest.
    """

    posts: tuple[Post, ...]
    newest_id: int | None
    oldest_id: int | None
    result_count: int  # entries delivered, repeated ones too: what is billed
    next_token: str | None = field(default=None, repr=False)
    looped: bool = False
    errors: tuple[str, ...] = ()  # what the API could not deliver, in words
    contradicted: tuple[int, ...] = ()  # posts whose stated time is off from that in their id; the id's was taken
    untimed: tuple[int, ...] = ()  # posts from before snowflakes without a time: left out
    lacking: str = ""
    gap: tuple[int | None, int | None] = (None, None)

    @property
    def ids(self) -> list[int]:
        """The ids of the posts that came, those left out for want of a time too."""
        return [post.id for post in self.posts] + list(self.untimed)

    @property
    def more(self) -> bool:
        """Whether another page follows."""
        return self.next_token is not None and not self.looped


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What became of posts asked for by id: there; not there (deleted); or not to be known.

    `found` is by the id asked for. `unknown` are ids withheld for another reason than deletion (a protected or
    suspended account), and those about which the API said nothing, asked twice.
    """

    found: Mapping[int, Post]
    missing: frozenset[int]
    unknown: frozenset[int]


class Count(NamedTuple):
    """How many posts the API counted in [start, end)."""

    start: datetime
    end: datetime
    posts: int


class Usage(NamedTuple):
    """Posts read in this month by the project, the most it may read (None: not said), the day it starts anew."""

    used: int
    cap: int | None
    reset_day: int | None


def read_page(body: Any) -> Page:
    """The page in an answer. Raises Malformed."""
    entries = _entries(body)
    meta = body.get("meta")
    if not isinstance(meta, Mapping):
        if entries or "errors" not in body:
            raise Malformed("it has no meta")
        meta = {}
    told = _told(meta.get("result_count"))
    if not entries and told:
        raise Malformed("it counts posts and holds none")  # taken as it is, they would count as not made
    posts, contradicted, untimed, unreadable = _readable(entries)
    errors = tuple(described(problem) for problem in problems(body))
    token = meta.get("next_token")
    if token is not None and not isinstance(token, str):
        raise Malformed("its next_token is no text")
    ids = [post.id for post in posts] + untimed
    return Page(
        posts=tuple(posts) if len({post.first_id for post in posts}) == len(posts) else _once(posts),
        newest_id=max(ids, default=None),
        oldest_id=min(ids, default=None),
        result_count=len(entries),
        next_token=token or None,
        errors=errors,
        contradicted=tuple(contradicted),
        untimed=tuple(untimed),
        **_lack(entries, unreadable, told - len(errors)),
    )


def read_posts(entries: list[Any]) -> tuple[list[Post], list[int], list[int]]:
    """Posts as delivered; the ids of those whose stated time contradicts the id; of those that have no time.

    Raises Malformed where one cannot be read.
    """
    posts, contradicted, untimed, unreadable = _readable(entries)
    if unreadable:
        raise Malformed("a post in it has no usable id")
    return posts, contradicted, untimed


def read_id(value: Any) -> int:
    """The id of a post, whether it comes as text or as a number. Raises ValueError for anything else."""
    if type(value) is not str and type(value) is not int:
        raise ValueError
    number = int(value)
    if not 0 < number <= LAST_SNOWFLAKE:
        raise ValueError
    return number


def says_times(body: Any) -> bool:
    """Whether any post of an answer has a time or a reference: that the fields asked for were understood."""
    return any(
        "created_at" in entry or "referenced_tweets" in entry or "referenced_posts" in entry
        for entry in _entries(body)
        if isinstance(entry, Mapping)
    )


def read_lookup(body: Any) -> tuple[dict[int, Post], set[int], set[int]]:
    """The posts of a lookup by id, the ids not found, and those withheld. Raises Malformed."""
    posts, _, _ = read_posts(_entries(body))
    missing: set[int] = set()
    withheld: set[int] = set()
    for problem in problems(body):
        named = problem.get("resource_id") or problem.get("value")
        if str(named).isdecimal():
            absent = "resource-not-found" in str(problem.get("type")) or "Not Found" in str(problem.get("title"))
            suspended = "suspended" in str(problem.get("detail"))
            (missing if absent and not suspended else withheld).add(int(str(named)))
    return {post.id: post for post in posts}, missing, withheld


def read_counts(body: Any) -> tuple[list[Count], str | None]:
    """The counts of an answer and the token of the next. Raises Malformed."""
    entries = _entries(body)
    meta = body.get("meta")
    if not isinstance(meta, Mapping):
        raise Malformed("it has no meta")
    try:
        counts = [
            Count(
                parse_time(entry["start"]),
                parse_time(entry["end"]),
                int(entry["tweet_count"] if "tweet_count" in entry else entry["post_count"]),
            )
            for entry in entries
        ]
    except Exception:
        raise Malformed("a count in it cannot be read") from None
    token = meta.get("next_token")
    return counts, token if isinstance(token, str) and token else None


def read_usage(body: Any) -> Usage:
    """The project's usage, whether its numbers come as numbers or as text. Raises Malformed."""
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, Mapping):
        raise Malformed("it has no data")
    try:
        used, cap, day = (
            None if data.get(name) is None else int(data[name])
            for name in ("project_usage", "project_cap", "cap_reset_day")
        )
    except (TypeError, ValueError):
        raise Malformed("a number in it cannot be read") from None
    if used is None:
        raise Malformed("it does not say project_usage")
    return Usage(used, cap, day)


def transient_problem(body: Any) -> str | None:
    """The first partial error that may be gone when asked again, in words; None where there is none."""
    for problem in problems(body):
        if not any(kind in str(problem.get("type", "")) for kind in PERMANENT):
            return described(problem) or "a partial error without a description"
    return None


def _entries(body: Any) -> list[Any]:
    if not isinstance(body, Mapping):
        raise Malformed("it is no object")
    data = body.get("data")
    if data is None:
        if "meta" not in body and "errors" not in body:
            raise Malformed("it has neither data nor errors")
        return []
    if not isinstance(data, list):
        raise Malformed("its data is no list")
    return data


def _readable(entries: list[Any]) -> tuple[list[Post], list[int], list[int], list[int]]:
    """As `read_posts`, and which of the entries cannot be read."""
    posts: list[Post] = []
    contradicted: list[int] = []
    untimed: list[int] = []
    unreadable: list[int] = []
    for i, entry in enumerate(entries):
        try:
            post_id = first = read_id(entry["id"])
            history = entry.get("edit_history_tweet_ids") or entry.get("edit_history_post_ids")
            if history and len(history) > 1:
                first = min(map(read_id, history))
            kind = _kind(entry.get("referenced_tweets") or entry.get("referenced_posts"))
            stated = entry.get("created_at")
        except (KeyError, TypeError, ValueError, AttributeError):
            unreadable.append(i)
            continue
        moment = _moment(stated) if stated else None
        if first >= FIRST_SNOWFLAKE:
            created: datetime | None = datetime.fromtimestamp(_seconds(first), UTC)
        else:
            created = moment
        if created is None:
            untimed.append(post_id)
            continue
        if stated and first >= FIRST_SNOWFLAKE and not _agrees(moment, first) and not _agrees(moment, post_id):
            contradicted.append(post_id)
        posts.append(Post(post_id, created, kind, first))
    return posts, contradicted, untimed, unreadable


def _told(result_count: Any) -> int:
    """How many entries a page says to hold; 0 where it says no number."""
    try:
        return int(result_count)
    except (TypeError, ValueError, OverflowError):
        return 0


def _lack(entries: list[Any], unreadable: list[int], told: int) -> dict[str, Any]:
    """What is not in a page, and in which gap, as fields of one; nothing where it is whole."""
    if len(entries) < told:
        return {"lacking": f"it counts {told:,} posts and holds {len(entries):,}"}
    if not unreadable:
        return {}
    first, last = unreadable[0], unreadable[-1]
    around = [read_id(entry["id"]) for i, entry in enumerate(entries) if i not in set(unreadable)]
    is_sorted = around == sorted(around, reverse=True)  # else the neighbours of an entry say nothing of it
    upper = read_id(entries[first - 1]["id"]) if first and is_sorted else None
    lower = read_id(entries[last + 1]["id"]) if last + 1 < len(entries) and is_sorted else None
    return {"lacking": f"{len(unreadable):,} posts in it have no usable id", "gap": (upper, lower)}


def _kind(references: Any) -> str | None:
    """What a post's references make it; None, not known, where they are in no known form: the post counts."""
    if not references:
        return "original"
    try:
        kinds = {_KINDS.get(reference["type"]) for reference in references}
    except (KeyError, TypeError):
        return None
    return next((kind for kind in ("repost", "reply", "quote") if kind in kinds), "original")


def _moment(stated: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stated)
        return moment if moment.tzinfo is UTC else utc(moment)
    except (TypeError, ValueError, OverflowError, UsageError):
        return None


def _seconds(number: int) -> float:
    """The time in a snowflake, in seconds since the epoch: exact to the millisecond that it holds."""
    return ((number >> 22) + SNOWFLAKE_EPOCH_MS) / 1000


def _agrees(moment: datetime | None, number: int) -> bool:
    return moment is not None and -TOLERANCE <= moment.timestamp() - _seconds(number) <= TOLERANCE


def _once(posts: list[Post]) -> tuple[Post, ...]:
    newest: dict[int, Post] = {}
    for post in posts:
        kept = newest.get(post.first_id)
        if kept is None or post.id > kept.id:
            newest[post.first_id] = post
    return tuple(newest.values())


_KINDS = {"retweeted": "repost", "reposted": "repost", "replied_to": "reply", "quoted": "quote"}
