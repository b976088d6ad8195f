"""Whatever ids a file holds, in whatever form, order and repetition: exactly those come out."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musktracker.errors import MuskTrackerError
from musktracker.sources.files import read
from musktracker.timeline import FIRST_SNOWFLAKE, snowflake_floor, snowflake_time

MOMENT = datetime(2026, 6, 1, tzinfo=UTC)
IDS = st.lists(  # odd: no float or spreadsheet made them
    st.integers(FIRST_SNOWFLAKE, snowflake_floor(MOMENT) - 1).map(lambda number: number | 1), min_size=1, max_size=15
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20),
    st.text('",; a1\n', max_size=12),
)


def as_list(ids: Sequence[int]) -> bytes:
    return "".join(f"{number}\n" for number in ids).encode()


def as_addresses(ids: Sequence[int]) -> bytes:
    return "".join(f"https://x.com/someone/status/{number}\n" for number in ids).encode()


def as_table(ids: Sequence[int], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(("tweet_id", "text", "created_at"))
    writer.writerows((number, 'a "b", c\nd', snowflake_time(number).isoformat()) for number in ids)
    return text.getvalue().encode(encoding)


def as_json(ids: Sequence[int]) -> bytes:
    return json.dumps({"data": [{"id": str(number)} for number in ids]}, indent=1).encode()


def as_jsonl(ids: Sequence[int]) -> bytes:
    return "".join(json.dumps({"id_str": str(number), "id": number}) + "\n" for number in ids).encode()


def as_archive(ids: Sequence[int]) -> bytes:
    return b"window.YTD.tweets.part0 = " + json.dumps([{"tweet": {"id_str": str(number)}} for number in ids]).encode()


def as_zip(ids: Sequence[int]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/tweets.js", as_archive(ids))
    return packed.getvalue()


FORMS: dict[str, Callable[[Sequence[int]], bytes]] = {
    "list": as_list,
    "addresses": as_addresses,
    "csv": as_table,
    "tsv": lambda ids: as_table(ids, "\t"),
    "utf-16": lambda ids: as_table(ids, ";", "utf-16"),
    "json": as_json,
    "jsonl": as_jsonl,
    "archive": as_archive,
    "zip": as_zip,
    "gzip": lambda ids: gzip.compress(as_table(ids)),
}


@pytest.mark.parametrize("form", FORMS)
@given(IDS, st.randoms())
@settings(max_examples=25)
def test_exactly_the_ids_of_a_file_come_out_sorted_and_once(form: str, ids: list[int], draw: random.Random) -> None:
    repeated = [*ids, *draw.choices(ids, k=3)]
    draw.shuffle(repeated)
    with tempfile.NamedTemporaryFile() as file:
        file.write(FORMS[form](repeated))
        file.flush()
        posts = read(Path(file.name), moment=MOMENT).posts
    assert [number for number, _ in posts.distinct()] == sorted(set(ids))
    assert (posts.bad, posts.contradicted) == (0, 0)
    assert posts.span().start == snowflake_time(min(ids))


@given(IDS, st.lists(TEXTS, min_size=15, max_size=15), st.booleans())
@settings(max_examples=100)
def test_no_text_in_a_table_hides_a_post_or_makes_one_up(ids: list[int], texts: list[str], broken: bool) -> None:
    rows = [
        (number, text.replace("\n", " ").replace("\r", " ") if broken else text, snowflake_time(number).isoformat())
        for number, text in zip(ids, texts, strict=False)
    ]
    file = io.StringIO()
    if broken:  # as trackers do: quotes around texts, and those inside left as they are
        file.writelines(["id,text,created_at\n", *(f'{number},"{text}",{time}\n' for number, text, time in rows)])
    else:
        csv.writer(file).writerows([("id", "text", "created_at"), *rows])
    with tempfile.NamedTemporaryFile() as stored:
        stored.write(file.getvalue().encode())
        stored.flush()
        posts = read(Path(stored.name), moment=MOMENT).posts
    assert {number for number, _ in posts.distinct()} == set(ids)
    assert posts.bad == 0


@given(st.binary(max_size=300))
@settings(max_examples=60)
def test_no_bytes_break_the_reading(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        for start in (
            b"",
            b"id,created_at\n1587442891894538240,x\n",
            b'[{"id": "1587442891894538240"},',
            b"PK\x03\x04",
        ):
            file.seek(0)
            file.truncate()
            file.write(start + content)
            file.flush()
            try:
                posts = read(Path(file.name), moment=MOMENT).posts
            except MuskTrackerError:
                continue
            assert len(posts) > 0
