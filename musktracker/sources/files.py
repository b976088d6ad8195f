"""Posts from files that users have, whatever the form; found out by what is in a file, never by its name.

Only ids, times and kinds leave this package: no text of a row is kept, shown or logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path

from musktracker.errors import UsageError
from musktracker.sources import delimited, json_posts
from musktracker.sources.containers import Limits, members
from musktracker.sources.file_posts import Posts, StrictStop, Unknown, Unreadable
from musktracker.sources.rows import MAPPED
from musktracker.text import counted

START = 1 << 21  # characters within which the form shows


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file as it was read: its posts, in which form they were, and what members of a zip were left out."""

    posts: Posts
    form: str
    left_out: list[str] = field(default_factory=list)


def read(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    author: str | None = None,
    strict: bool = False,
    moment: datetime | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    progress: Callable[[float], None] = lambda _fraction: None,
) -> FileRead:
    """Read every post of a file: a table, JSON, an account archive, a list of ids or a log; plain, gzip or zip.

    `mapping` (of MAPPED to a column's name or number, or a key) says what cannot be found out; `author` is the id or
    name of whose posts are taken, where there are several; ids later than `moment` (now) are bad. Raises Unreadable,
    or, where `strict`, StrictStop at the first bad row.
    """
    posts = Posts(author=author, strict=strict, moment=moment)
    forms: dict[str, None] = {}
    left_out = []
    with closing(members(path, limits, progress)) as found:
        for member in found:
            posts.begin(member.name)
            try:
                form = _read_text(member.text, posts, mapping or {})
            except Unknown as unknown:
                if not member.name:
                    raise
                left_out.append(f"{member.name} {unknown.message}")
            else:
                forms[f"{form} {member.packing}".strip()] = None
                posts.end()
    posts.check()
    if not len(posts):
        raise _empty(posts, left_out)
    return FileRead(posts, ", ".join(forms), left_out)


def parse_mapping(text: str) -> dict[str, str]:
    """Read `id=COLUMN,created_at=COLUMN,…` (none: the file has no times). Raises UsageError where it is not so."""
    mapping = {}
    for part in text.split(","):
        what, equals, column = (piece.strip() for piece in part.partition("="))
        if what not in MAPPED or not equals or not column:
            raise UsageError(
                f"--map cannot use {part.strip()!r}", f"Write NAME=COLUMN, with NAME of {', '.join(MAPPED)}"
            )
        mapping[what] = column
    return mapping


def _read_text(text: Iterator[str], posts: Posts, mapping: Mapping[str, str]) -> str:
    start = ""
    for piece in text:
        start += piece
        if start.count("\n", 0, -1) > 1 or len(start) > START:
            break
    everything = chain((start,), text)
    if not json_posts.is_json(start):
        return delimited.read_lines(everything, posts, mapping)
    if json_posts.is_json_lines(start):
        return json_posts.read_json_lines(everything, posts, mapping)
    return json_posts.read_document(everything, posts, mapping)


def _empty(posts: Posts, left_out: list[str]) -> Unreadable:
    if posts.bad:
        where, reason = posts.bad_rows[0]
        bad = counted(posts.bad, "bad row")
        return Unreadable(f"holds no usable post: {bad}, the first at {where} ({reason})")
    if posts.other_authors:
        return Unreadable(f"holds no post of that author, but {posts.other_authors:,} of others", "Check --author-id")
    return Unreadable("holds no posts" + (f" ({left_out[0]})" if left_out else ""))


__all__ = ["MAPPED", "FileRead", "Limits", "StrictStop", "Unreadable", "parse_mapping", "read"]
