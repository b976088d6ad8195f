"""Posts from JSON: a document of any size, one value a line, or an account archive's script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from musktracker.sources.file_posts import Posts, Unreadable
from musktracker.sources.records import split_lines
from musktracker.sources.rows import UNSAID, Fields, author_in, fields_of, is_deleted, kind_code, post_id
from musktracker.timeline import FIRST_SNOWFLAKE

LARGEST_VALUE = 1 << 25  # characters of one JSON value that is held whole
LISTS = ("data", "tweets", "posts", "statuses", "results", "items")
MOST_SHAPES = 1_000


def read_document(text: Iterator[str], posts: Posts, mapping: Mapping[str, str]) -> str:
    """Read the posts of JSON values one after the other, lists in them item by item; returns the form's name.

    Raises Unreadable, with the line, where it is no JSON: what follows cannot be trusted to be complete.
    """
    stream = _Stream(text)
    objects = _Objects(posts, mapping)
    archive = stream.skip_assignment()
    while stream.peek():
        _read_value(stream, objects)
        if archive:
            stream.skip(";")
    return "archive" if archive else "json"


def read_json_lines(text: Iterator[str], posts: Posts, mapping: Mapping[str, str]) -> str:
    """Read the posts of a text with one JSON value a line; a line that is none is a bad row."""
    objects = _Objects(posts, mapping)
    for number, line in enumerate(split_lines(text), 1):
        if line is None:
            posts.reject(number, "the line is too long")
        elif line and not line.isspace():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                posts.reject(number, "it is not JSON")
            else:
                objects.take(number, value)
    return "jsonl"


def is_json(start: str) -> bool:
    """Whether a text that begins so is JSON, or an archive's script around it."""
    return bool(_JSON_START.match(start) or _ASSIGNMENT.match(start))


def is_json_lines(start: str) -> bool:
    """Whether JSON that begins so has one value a line."""
    lines = [line.strip() for line in start.split("\n") if not line.isspace()][:3]
    if len(lines) < 2 or lines[0][-1:] in ("[", "{", ",", ":"):
        return False
    return _is_object(lines[0]) or (lines[0].startswith("{") and _is_object(lines[1]))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _read_value(stream: _Stream, objects: _Objects) -> None:
    start = stream.peek()
    if start == "[":
        _read_list(stream, objects)
    elif start == "{":
        _read_object(stream, objects)
    else:
        objects.take(stream.line(), stream.value())


def _read_list(stream: _Stream, objects: _Objects) -> None:
    stream.expect("[")
    if stream.skip("]"):
        return
    while True:
        stream.peek()
        line = stream.line()
        objects.take(line, stream.value())
        if not stream.skip(","):
            stream.expect("]")
            return


def _read_object(stream: _Stream, objects: _Objects) -> None:
    """An object at the top: a page around a list of posts, which may be of any length, or a post itself."""
    stream.expect("{")
    line, rest, lists = stream.line(), {}, 0
    while stream.peek() == '"':
        key = stream.value()
        stream.expect(":")
        if key in LISTS and stream.peek() == "[":
            _read_list(stream, objects)
            lists += 1
        else:
            rest[key] = stream.value()
        if not stream.skip(","):
            break
    stream.expect("}")
    if not lists:
        objects.take(line, rest)


class _Objects:
    """Takes JSON values: posts, pages of posts, posts wrapped in an object, bare ids."""

    def __init__(self, posts: Posts, mapping: Mapping[str, str]) -> None:
        self._posts = posts
        self._mapping = mapping
        self._shapes: dict[tuple[str, ...], Fields] = {}

    def take(self, line: int, value: Any) -> None:
        """Take the posts that are in a value."""
        try:
            self._take(line, value)
        except RecursionError:
            self._posts.reject(line, "it is nested too deep")

    def _take(self, line: int, value: Any) -> None:
        if isinstance(value, dict):
            self._take_object(line, value)
        elif isinstance(value, list):
            for item in value:
                self._take(line, item)
        elif self._wants_address(value):
            self._posts.add(line, value)

    def _take_object(self, line: int, value: dict[str, Any]) -> None:
        if isinstance(value.get("tweet"), dict):
            value = value["tweet"]
        inside = next((value[key] for key in LISTS if isinstance(value.get(key), list)), None)
        if inside is None and isinstance(value.get("data"), dict):
            inside = value["data"]
        if inside is not None:
            self._take(line, inside)
            return
        fields = self._fields(value)
        if fields.ids or not _ENVELOPE.intersection(value):
            self._take_post(line, value, fields)

    def _take_post(self, line: int, value: dict[str, Any], fields: Fields) -> None:
        author = self._author(value.get(fields.author))
        if author is not None and not self._posts.wants(author):
            return
        if fields.references is not None:
            self._posts.references_are_said = True
        cell = _best_id([value.get(key) for key in fields.ids])
        if author is None and not self._wants_address(cell):
            return
        code = kind_code(value, fields) if fields.say_kind else UNSAID
        deleted = bool(fields.deletions) and is_deleted(value, fields)
        self._posts.add(line, cell, value.get(fields.time), code, deleted)

    def _wants_address(self, cell: Any) -> bool:
        author = author_in(cell) if isinstance(cell, str) else None
        return author is None or self._posts.wants(author)

    def _fields(self, value: dict[str, Any]) -> Fields:
        shape = tuple(value)
        found = self._shapes.get(shape)
        if found is None:
            names = {key: key for key in shape}
            by_name = self._posts.author_is_named
            found = fields_of(names, self._mapping, objects=True, by_name=by_name)
            if len(self._shapes) < MOST_SHAPES:
                self._shapes[shape] = found
        return found

    def _author(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        keys = (*_AUTHOR_NAMES, *_AUTHOR_IDS) if self._posts.author_is_named else (*_AUTHOR_IDS, *_AUTHOR_NAMES)
        return next((value[key] for key in keys if value.get(key)), None)


def _best_id(values: list[Any]) -> Any:
    """The first that is a snowflake, else the first that is an id at all, else the first."""
    if len(values) == 1:
        return values[0]
    usable = []
    for value in values:
        try:
            number = post_id(value)
        except ValueError:
            continue
        if number >= FIRST_SNOWFLAKE:
            return value
        usable.append(value)
    return next(iter(usable or values), None)


class _Stream:
    """JSON text that comes in pieces, of which only what is being read is held."""

    def __init__(self, text: Iterator[str]) -> None:
        self._text = text
        self._buffer = ""
        self._at = 0
        self._lines = 1
        self._counted = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is not white, still to be read; "" at the end."""
        while True:
            self._at = _WHITE.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._grow():
                return ""

    def skip(self, character: str) -> bool:
        """Read this character if it is the next."""
        if self.peek() != character:
            return False
        self._at += 1
        return True

    def expect(self, character: str) -> None:
        """Read this character. Raises Unreadable where it is not the next."""
        if not self.skip(character):
            raise self._broken()

    def value(self) -> Any:
        """Read a value whole. Raises Unreadable where there is none, or none that can be held."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except (ValueError, RecursionError):
                if not self._grow():
                    raise self._broken() from None
                continue
            if end == len(self._buffer) and self._grow():
                continue  # a number may go on
            self._at = end
            return value

    def line(self) -> int:
        """The number of the line that is being read."""
        self._lines += self._buffer.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._lines

    def skip_assignment(self) -> bool:
        """Read what an account archive's script has before its list; whether there was any."""
        self.peek()
        found = _ASSIGNMENT.match(self._buffer, self._at)
        if found is None:
            return False
        if found[1] not in ("tweet", "tweets"):
            raise Unreadable(f"is the archive's {found[1][:40]}, not its posts", "They are in data/tweets.js")
        self._at = found.end()
        return True

    def _grow(self) -> bool:
        """Hold as much again of the text, and let go of what was read; False, and nothing changes, at its end."""
        held = len(self._buffer) - self._at
        if held > LARGEST_VALUE:
            raise Unreadable(f"holds a value of more than {LARGEST_VALUE:,} characters at line {self.line()}")
        pieces: list[str] = []
        while not self._ended and sum(map(len, pieces)) <= held:
            piece = next(self._text, None)
            if piece is None:
                self._ended = True
            else:
                pieces.append(piece)
        if not any(pieces):
            return False
        self.line()
        self._buffer = self._buffer[self._at :] + "".join(pieces)
        self._at = self._counted = 0
        return True

    def _broken(self) -> Unreadable:
        what = "ends in the middle" if self.peek() == "" else "is not JSON"
        return Unreadable(f"{what} at line {self.line()}, so that posts may be missing", "Fetch or export it again")


_DECODER = json.JSONDecoder()
_WHITE = re.compile(r"[ \t\n\r]*")
_ASSIGNMENT = re.compile(r"window\.YTD\.(\w+)\.part[0-9]+\s*=\s*")
_JSON_START = re.compile(r'\s*(?:\{\s*(?:["}]|$)|\[\s*(?:[\[{"\]]|[0-9]+\s*[,\]]|$))')
_ENVELOPE = frozenset(("meta", "errors", "success"))  # what surrounds posts where there are none
_AUTHOR_IDS = ("id_str", "id", "rest_id")
_AUTHOR_NAMES = ("username", "userName", "screen_name")
