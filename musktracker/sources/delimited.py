"""Posts from lines of text: delimited tables with or without a header, lists of ids, logs with posts' addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice

from musktracker.sources.file_posts import Posts, Unknown
from musktracker.sources.id_lists import REMARK, are_ids, read_ids, require_one_id
from musktracker.sources.records import TOO_LONG, Line, split_lines
from musktracker.sources.rows import ADDRESS, author_in, normal
from musktracker.sources.table_layout import find_table, shown
from musktracker.sources.table_reader import TableReader

SAMPLE_LINES = 60


def read_lines(text: Iterator[str], posts: Posts, mapping: Mapping[str, str]) -> str:
    """Read the posts of a text of any of these forms; returns the form's name. Raises Unknown where it is none."""
    lines = split_lines(_watched(text, posts))
    sample = list(islice(lines, SAMPLE_LINES))
    said = shown(sample)
    if not mapping and are_ids([line for line in said if not REMARK.match(line)]):
        read_ids(chain(sample, lines), posts)
        return "list"
    begin, table = find_table(sample, mapping, by_name=posts.author_is_named)
    if table is not None:
        if not mapping and not table.header and table.fields.time is None and len(said) == 1:
            require_one_id(said[0])
        TableReader(table, posts).read(chain(sample[begin:], lines), begin)
        return "csv" if table.delimiter else "list"
    if any(ADDRESS.search(line) for line in said) and not mapping:
        _read_log(chain(sample, lines), posts)
        return "log"
    raise _why_unknown(said, mapping)


def _watched(text: Iterator[str], posts: Posts) -> Iterator[str]:
    for piece in text:
        if piece:
            posts.ends_in_line = not piece.endswith("\n")
        yield piece


def _read_log(lines: Iterator[Line], posts: Posts) -> None:
    for number, line in enumerate(lines, 1):
        if line is None:
            posts.reject(number, TOO_LONG)
            continue
        posts_there = {found[1]: author_in(line, found.start()) for found in ADDRESS.finditer(line)}
        for cell, author in posts_there.items():
            if author is None or posts.wants(author):
                posts.add(number, cell)


def _why_unknown(sample: Sequence[str], mapping: Mapping[str, str]) -> Unknown:
    if not sample:
        return Unknown("holds no text")
    names = {normal(name) for name in re.split(r"[,;\t|]", sample[0])}
    if names & _COUNTS and names & _PERIODS:
        return Unknown(
            "holds counts, not posts: hours cannot be made of days", "Import the posts themselves, or just their ids"
        )
    if mapping:
        return Unknown(f"has no column for {', '.join(f'{what}={name}' for what, name in mapping.items())}")
    if any(_ROUNDED.search(line) for line in sample):
        return Unknown("holds ids that a spreadsheet rounded (1.58E+18)", "Export it again with the ids as text")
    return Unknown("is in no form that is known: no post ids were found", "Say where they are: --map id=COLUMN")


_ROUNDED = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+1[0-9]")
_COUNTS = frozenset(("posts", "tweets", "count", "counts", "postcount", "tweetcount", "cumulativeposts", "total"))
_PERIODS = frozenset(("date", "day", "hour", "week", "month", "start", "end", "datetime", "time", "bucketstart"))
