"""Which fields of a row hold a post's id, time, kind and author, whatever the export calls them.

A row is a sequence (fields are found by position) or a mapping (fields are found by name).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS = ("repost", "reply", "quote", "original", None)  # where rows contradict each other, the earlier one holds
REPOST, REPLY, QUOTE, ORIGINAL, UNKNOWN = range(len(KINDS))
UNSAID = len(KINDS)  # the row has no word on it; what that means depends on the rest of the file
MAPPED = ("id", "created_at", "kind", "author_id")

ID_NAMES = ("tweetid", "tweetidstr", "idstr", "postid", "statusid", "platformid", "id", "ids")
ADDRESS_NAMES = ("twitterurl", "tweeturl", "posturl", "statusurl", "permalink", "url", "link", "tweetlink")
ADDRESS = re.compile(r"/status(?:es)?/([0-9]{1,19})(?![0-9])")

_AUTHOR_BEFORE = re.compile(r"""(?:(?:twitter|x)\.com|^|["'(=])/([A-Za-z0-9_]{1,15})$""", re.IGNORECASE)
_LONGEST_AUTHOR = 30  # characters of an address before /status that name whose it is

_TIME_NAMES = ("createdat", "tweetcreatedat", "postedat", "timestamp", "datetime", "time", "created", "date")
_AUTHOR_IDS = ("authorid", "userid", "useridstr")
_AUTHOR_NAMES = ("username", "screenname", "userscreenname", "authorusername", "handle", "author", "user")
_REPOST_NAMES = ("isretweet", "isrepost", "referencedtweetsretweetedid", "retweetedstatusid", "retweetedstatus")
_REPLY_NAMES = (
    "isreply",
    "referencedtweetsrepliedtoid",
    "inreplytostatusid",
    "inreplytostatusidstr",
    "inreplytotweetid",
    "inreplytoid",
)
_QUOTE_NAMES = ("isquote", "isquotestatus", "referencedtweetsquotedid", "quotedstatusid", "quotedstatusidstr")
_DELETION_NAMES = ("isdeleted", "deleted", "deletedat")
_NAMED_KINDS = {
    "original": ORIGINAL,
    "reply": REPLY,
    "repliedto": REPLY,
    "quote": QUOTE,
    "quoted": QUOTE,
    "repost": REPOST,
    "reposted": REPOST,
    "retweet": REPOST,
    "retweeted": REPOST,
}
_REFERENCE = re.compile(r"replied_to|quoted|retweeted|reposted")
_NOTHING = frozenset(("", "0", "0.0", "false", "f", "no", "n", "none", "null", "nan", "[]", "{}"))
_DIGITS = re.compile(r"""\s*(?:ID:)?[=\s"']*([0-9]{1,19})["'\s]*""")
_ROUNDED = re.compile(r"""[\s"']*[0-9]+(?:\.[0-9]*)?(?:[eE]\+?[0-9]+)?["'\s]*""")


@dataclass(frozen=True, slots=True)
class Fields:
    """Which keys of a row (positions or names) hold what; several are tried in their order.

    `complete`: a row with none of the marks set is an original, since the file marks every other kind.
    """

    ids: tuple[Any, ...]
    times: tuple[Any, ...] = ()
    author: Any = None
    kind: Any = None
    kind_is_named: bool = False
    references: Any = None
    reposts: tuple[Any, ...] = ()
    replies: tuple[Any, ...] = ()
    quotes: tuple[Any, ...] = ()
    deletions: tuple[Any, ...] = ()
    complete: bool = False

    @property
    def time(self) -> Any:
        """The key of the time, or None."""
        return self.times[0] if self.times else None

    @property
    def say_kind(self) -> bool:
        """Whether a row can say of what kind its post is."""
        marks = self.reposts or self.replies or self.quotes
        return self.kind is not None or self.references is not None or bool(marks)


def fields_of(
    names: Mapping[Any, str], mapping: Mapping[str, Any], *, objects: bool = False, by_name: bool = False
) -> Fields:
    """What the fields (key to name) hold. `mapping` says it outright for some of MAPPED.

    `objects`: they are of objects in JSON; `by_name`: the author is looked for by name rather than by id.
    """
    known = {normal(name): key for key, name in reversed(list(names.items()))}
    authors = (*_AUTHOR_NAMES, *_AUTHOR_IDS) if by_name else (*_AUTHOR_IDS, *_AUTHOR_NAMES)

    def every(*wanted: str) -> tuple[Any, ...]:
        return tuple(known[name] for name in wanted if name in known)

    def one(*wanted: str) -> Any:
        return next(iter(every(*wanted)), None)

    reposts, replies, quotes = every(*_REPOST_NAMES), every(*_REPLY_NAMES), every(*_QUOTE_NAMES)
    full_object = objects and "isquotestatus" in known  # API 1.1 leaves retweeted_status out of all but reposts
    return Fields(
        ids=(mapping["id"],) if "id" in mapping else every(*ID_NAMES, *ADDRESS_NAMES),
        times=(mapping["created_at"],) if "created_at" in mapping else every(*_TIME_NAMES),
        author=mapping.get("author_id", one(*authors)),
        kind=mapping.get("kind", one("kind", "tweettype", "posttype", "type")),
        kind_is_named="kind" in mapping,
        references=one("referencedtweets", "referencedposts"),
        reposts=reposts,
        replies=replies,
        quotes=quotes,
        deletions=every(*_DELETION_NAMES),
        complete=bool((reposts or full_object) and replies and quotes),
    )


def normal(name: str) -> str:
    """A field's name without case and punctuation: `Tweet ID`, `tweet_id` and `tweetId` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def post_id(value: Any) -> int:
    """The id in a field: digits, or an address with /status/ID. Raises ValueError, in words, for anything else."""
    if value is None or value == "" or isinstance(value, bool):
        raise ValueError("it has no post id")
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        raise ValueError(_LOST)
    text = str(value)[:1000]
    found = _DIGITS.fullmatch(text) or ADDRESS.search(text)
    if found:
        return int(found[1])
    if _ROUNDED.fullmatch(text) and not text.strip(" \"'").isdecimal():
        raise ValueError(_LOST)
    raise ValueError("it has no post id")


def author_in(text: str, end: int | None = None) -> str | None:
    """Whose post an address is of, where it says: the address at `end` of a text, else its first."""
    if end is None:
        found = ADDRESS.search(text)
        if found is None:
            return None
        end = found.start()
    said = _AUTHOR_BEFORE.search(text[max(0, end - _LONGEST_AUTHOR) : end])
    return said[1] if said and said[1].lower() != "i" else None


def is_deleted(row: Any, fields: Fields) -> bool:
    """Whether a row says that its post is deleted, or when it was."""
    get = row.get if isinstance(row, Mapping) else row.__getitem__
    return any(_is_set(get(key)) for key in fields.deletions)


def kind_code(row: Any, fields: Fields) -> int:
    """The kind that a row says, as an index into KINDS, or UNSAID."""
    get = row.get if isinstance(row, Mapping) else row.__getitem__
    if fields.kind is not None:
        said = _named_kind(get(fields.kind), outright=fields.kind_is_named)
        if said is not None:
            return said
    if fields.references is not None:
        return _referenced(get(fields.references))
    for keys, code in ((fields.reposts, REPOST), (fields.replies, REPLY), (fields.quotes, QUOTE)):
        for key in keys:
            if _is_set(get(key)):
                return code
    return ORIGINAL if fields.complete else UNSAID


def _named_kind(value: Any, *, outright: bool) -> int | None:
    name = normal(value) if isinstance(value, str) else ""
    if outright and name in ("tweet", "post"):  # elsewhere every row is called so, whatever it is
        return ORIGINAL
    return _NAMED_KINDS.get(name)


def _referenced(value: Any) -> int:
    if isinstance(value, str):
        types = set(_REFERENCE.findall(value))
    elif isinstance(value, list):
        types = {str(reference.get("type")) for reference in value if isinstance(reference, Mapping)}
    else:
        types = set()
    return min((_NAMED_KINDS[normal(name)] for name in types if normal(name) in _NAMED_KINDS), default=ORIGINAL)


def _is_set(value: Any) -> bool:
    return value.strip().lower() not in _NOTHING if isinstance(value, str) else bool(value)


_LOST = "its id is a rounded number (such as 1.58E+18), so its last digits are lost"
