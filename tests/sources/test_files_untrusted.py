"""A file that nobody vouches for does no harm: it is read within bounds, or refused in words."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from musktracker.sources import file_posts
from musktracker.sources.files import Limits, StrictStop, Unreadable, read
from musktracker.sources.records import LONGEST_LINE

A, B, C = 1587442891894538240, 1587446533724803072, 2045619230131454407
SECRET = "what the post says"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to be."""
    return tmp_path / "download"


def refused(path: Path, words: str, **options: object) -> None:
    with pytest.raises(Unreadable, match=words) as caught:
        read(path, **options)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "directory")


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    refused(file, "not there")


def test_a_pipe_is_refused_without_waiting_for_a_writer(file: Path) -> None:
    os.mkfifo(file)
    refused(file, "pipe")


def test_a_file_that_may_not_be_read_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", denied)
    refused(file, "may not be read")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n \n", "no text"),
        (b"hello\nworld\n", "no form that is known|in no form"),
        (b"\x00\x01" * 500, "not text"),
        (b"PAR1" + b"\x00" * 50, "Parquet"),
        (b"SQLite format 3\x00" + b"\x00" * 50, "SQLite"),
        (b"PK\x03\x04" + b"x" * 50, "ends in the middle|damaged"),
        (b"[]", "no posts"),
        (b'{"meta": {"result_count": 0}}', "no posts"),
        (b'[{"id": "1587442891894538240"}', "ends in the middle"),
        (b'[{"id": "1587442891894538240"}, oops]', "not JSON at line 1"),
        (b'{"data": [{"id": "1587442891894538240"}', "ends in the middle"),
        (b"[" * 100_000, "not JSON|ends in the middle|nested"),
        (b'{"id": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_what_holds_no_posts_is_refused_in_words(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)
    refused(file, words)


def test_a_spreadsheet_is_told_from_a_zip_of_files(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as book:
        book.writestr("xl/workbook.xml", "<x/>")
    refused(file, "spreadsheet")


def test_a_cut_off_download_is_refused_whole(file: Path) -> None:
    rows = "".join(f"{A + (i << 22)}\n" for i in range(5000)).encode()
    file.write_bytes(gzip.compress(rows)[:-2000])
    refused(file, "ends in the middle")


def test_a_damaged_archive_is_refused_whole(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", f"id\n{A}\n{B}\n")
    file.write_bytes(file.read_bytes().replace(b"id\n158", b"id\n157"))
    refused(file, "damaged")


def test_an_encrypted_archive_is_refused(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", f"id\n{A}\n")
    content = bytearray(file.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    file.write_bytes(bytes(content))
    refused(file, "encrypted")


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Ten megabytes of nothing."""
    return f"id\n{A}\n".encode() + b"\n" * (10 << 20)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("limits", "words"),
    [(Limits(unpacked=5 << 20), "more than 5 MB"), (Limits(ratio_counts_from=3 << 20), "200 times")],
)
def test_a_bomb_is_not_unpacked(file: Path, bomb: bytes, zipped: bool, limits: Limits, words: str) -> None:
    if zipped:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", bomb)
    else:
        file.write_bytes(gzip.compress(bomb))
    refused(file, words, limits=limits)


def test_a_bomb_in_a_less_bounded_packing_is_refused(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.csv", f"id\n{A}\n")
    refused(file, "unusual")


def test_a_long_line_is_a_bad_row_and_takes_bounded_memory(file: Path) -> None:
    with file.open("w") as stream:
        stream.write(f"id,text,n\n{A},x,1\n")
        for _ in range(5):
            stream.write("y" * (LONGEST_LINE // 2))
        stream.write(f"\n{B},x,1\n")
    tracemalloc.start()
    posts = read(file).posts
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(dict(posts.distinct())) == {A, B}
    assert [bad.where for bad in posts.bad_rows] == ["line 3"]
    assert peak < 6 * LONGEST_LINE


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_field_of_any_length_costs_no_row(file: Path, quote: str) -> None:
    file.write_text(f"id,text,isReply\n{A},x,0\n{C},{quote}{'y' * 200_000}{quote},1\n{B},x,0\n")
    posts = read(file).posts
    assert dict(posts.distinct()) == {A: None, B: None, C: "reply"}
    assert posts.bad == 0


def test_a_line_with_nul_bytes_is_a_bad_row(file: Path) -> None:
    file.write_bytes(f"id,text\n{A},x\n\0\0\0,\0\n{B},x\n".encode())
    posts = read(file).posts
    assert set(dict(posts.distinct())) == {A, B}
    assert [(bad.where, bad.reason) for bad in posts.bad_rows] == [("line 3", "it holds NUL bytes")]


def test_bad_bytes_change_nothing_about_the_rows_around_them(file: Path) -> None:
    file.write_bytes(b"id,text\n%d,\xff\xfe\xc3\n%d,\xc3(\n" % (A, B))
    assert set(dict(read(file).posts.distinct())) == {A, B}


def test_a_bad_line_of_jsonl_costs_only_itself(file: Path) -> None:
    file.write_text(f'{{"id": "{A}"}}\n{{"id": \n[1.5]\n{{"id": "{B}"}}\n')
    posts = read(file).posts
    assert set(dict(posts.distinct())) == {A, B}
    assert [bad.where for bad in posts.bad_rows] == ["line 2", "line 3"]


def test_all_bad_rows_are_counted_and_the_first_twenty_listed_without_their_text(file: Path) -> None:
    file.write_text(f"id,text\n{A},x\n" + f"none,{SECRET}\n" * 50)
    posts = read(file).posts
    assert (posts.bad, len(posts.bad_rows)) == (50, 20)
    assert SECRET not in str(posts.bad_rows)


def test_strict_stops_at_the_first_bad_row(file: Path) -> None:
    file.write_text(f"id,text\n{A},x\nnone,{SECRET}\nnone,x\n")
    with pytest.raises(StrictStop, match=r"^line 3: ") as caught:
        read(file, strict=True)
    assert SECRET not in str(caught.value)


def test_a_large_document_is_read_in_pieces(file: Path) -> None:
    item = '{"tweet": {"id_str": "%d", "full_text": "' + "x" * 2000 + '"}}'
    with file.open("w") as stream:
        stream.write("window.YTD.tweets.part0 = [")
        stream.writelines(f"{',' if i else ''}{item % (A + (i << 22))}" for i in range(10_000))
        stream.write("]")
    tracemalloc.start()
    posts = read(file).posts
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(posts) == 10_000
    assert peak < file.stat().st_size // 2


def test_of_too_many_posts_no_more_are_read_than_may_be_held(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_posts, "MOST_POSTS", 1_000)
    text = "".join(f"{(1 << 60) + i}\n" for i in range(200_000))
    file.write_text(text)
    heard: list[float] = []
    with pytest.raises(Unreadable, match="more than 1,000 posts"):
        read(file, progress=heard.append)
    assert heard[-1] < 0.5
