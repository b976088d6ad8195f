"""Every form in which users have posts gives their ids and kinds, whatever the file is called."""

from __future__ import annotations

import gzip
import json
import random
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from musktracker.errors import UsageError
from musktracker.sources.files import FileRead, StrictStop, Unreadable, parse_mapping, read
from musktracker.timeline import snowflake_time

A, B, C = 1587442891894538240, 1587446533724803072, 2045619230131454407
TIME_A, TIME_B, TIME_C = (snowflake_time(number) for number in (A, B, C))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file whose name says nothing."""
    return tmp_path / "download"


def kinds(found: FileRead) -> dict[int, str | None]:
    return dict(found.posts.distinct())


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "~", " "])
@pytest.mark.parametrize("name", ["tweet_id", "id_str", "Tweet ID", "platformId", "id", "status_id"])
def test_a_table_is_read_by_its_header(file: Path, delimiter: str, name: str) -> None:
    if delimiter == " " and " " in name:
        name = f'"{name}"'
    rows = [("created_at", name), (stamp(TIME_A), str(A)), (stamp(TIME_B), str(B))]
    found = read(written(file, "".join(f"{delimiter.join(row)}\n" for row in rows)))
    assert kinds(found) == {A: None, B: None}
    assert (found.form, found.posts.rows, found.posts.contradicted, found.posts.unread_times) == ("csv", 2, 0, 0)


def test_a_table_without_a_header_is_read_by_its_cells(file: Path) -> None:
    found = read(written(file, f"44196397,{stamp(TIME_A)},{A}\n44196397,{stamp(TIME_B)},{B}\n"))
    assert kinds(found) == {A: None, B: None}
    assert found.posts.contradicted == 0


def test_the_id_is_taken_from_an_address_where_the_id_column_holds_something_else(file: Path) -> None:
    text = f"id,twitterUrl\n1,https://x.com/elonmusk/status/{A}\n2,https://twitter.com/elonmusk/status/{B}?s=20\n"
    assert set(kinds(read(written(file, text)))) == {A, B}


def test_the_post_id_of_a_tracker_is_its_platform_id(file: Path) -> None:
    posts = [
        {"id": "cmp1", "platformId": str(A), "createdAt": stamp(TIME_A), "importedAt": "2026-05-22T08:00:00.000Z"},
        {"id": "cmp2", "platformId": str(B), "createdAt": stamp(TIME_B), "importedAt": "2026-05-22T08:00:00.000Z"},
    ]
    found = read(written(file, json.dumps({"success": True, "data": posts})))
    assert set(kinds(found)) == {A, B}
    assert found.posts.contradicted == 0


def test_rows_that_unescaped_quotes_break_are_mended(file: Path) -> None:
    text = "\n".join(
        [
            "id,text,created_at",
            f'{A},"plain","Nov 1, 9:54:13 AM EDT"',
            f'{B},"he said "yes, it is", or so","Nov 1, 10:08:41 AM EDT"',
            f'{C},""quoted" first","Apr 18, 7:00:00 PM EDT"',
        ]
    )
    posts = read(written(file, text)).posts
    assert set(dict(posts.distinct())) == {A, B, C}
    assert (posts.rows, posts.bad, posts.unread_times) == (3, 0, 0)


def test_a_stray_quote_swallows_no_rows_after_it(file: Path) -> None:
    text = f'id,text,created_at\n{A},"open ,"",{stamp(TIME_A)}\n{B},fine,{stamp(TIME_B)}\n{C},"x",{stamp(TIME_C)}\n'
    posts = read(written(file, text)).posts
    assert set(dict(posts.distinct())) == {A, B, C}
    assert posts.bad == 0


def test_a_text_over_several_lines_is_one_row_even_where_a_line_of_it_looks_like_a_post(file: Path) -> None:
    text = f'id,text,created_at\n{A},"one\n{C},two\n\nthree",{stamp(TIME_A)}\n{B},"x",{stamp(TIME_B)}\n'
    posts = read(written(file, text)).posts
    assert set(dict(posts.distinct())) == {A, B}
    assert (posts.rows, posts.bad) == (2, 0)


@pytest.mark.parametrize("times", [False, True])
def test_a_text_over_several_lines_before_the_id_is_of_that_row_alone(file: Path, times: bool) -> None:
    later = B + (9 << 22)
    header = "conversation_id,text,id" + ",created_at" * times
    rows = [f'{C},"one\n""two"", three",{A}', f"{C},x,{B}", f'{C},"one\n\nx",{later}']
    moments = (TIME_A, TIME_B, snowflake_time(later))
    lines = [f"{row},{stamp(moment)}" if times else row for row, moment in zip(rows, moments, strict=True)]
    posts = read(written(file, "\n".join([header, *lines]))).posts
    assert set(dict(posts.distinct())) == {A, B, later}
    assert (posts.rows, posts.bad) == (3, 0)


def test_a_row_whose_text_breaks_off_goes_on_in_the_next_line(file: Path) -> None:
    text = f'id,text,created_at\n{A},"a "b\nc, d\ne",{stamp(TIME_A)}\n{B},"x",{stamp(TIME_B)}\n'
    posts = read(written(file, text)).posts
    assert set(dict(posts.distinct())) == {A, B}
    assert (posts.rows, posts.bad) == (2, 0)


@pytest.mark.parametrize("header", ["", "tweet_id\n", "id\n"])
def test_a_list_of_ids_may_repeat_them_in_any_order(file: Path, header: str) -> None:
    found = read(written(file, f"{header}{B}\n{A}\n\n{B}\n"))
    assert kinds(found) == {A: None, B: None}
    assert (found.form, found.posts.rows) == ("list", 3)


def test_a_log_gives_the_posts_whose_addresses_it_holds(file: Path) -> None:
    text = f"[22/01/20 09:10:04] started\n[22/01/20 09:10:05] saw https://x.com/elonmusk/status/{A}/photo/1 now\n"
    found = read(written(file, text))
    assert (kinds(found), found.form) == ({A: None}, "log")


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("wrap", [lambda posts: posts, lambda posts: {"meta": {"n": 2}, "data": posts, "x": [1]}])
def test_a_json_document_may_be_a_list_or_a_page(file: Path, indent: int | None, wrap: object) -> None:
    posts = [{"id": str(A), "created_at": stamp(TIME_A)}, {"id": str(B), "created_at": stamp(TIME_B)}]
    found = read(written(file, json.dumps(wrap(posts), indent=indent)))  # type: ignore[operator]
    assert (set(kinds(found)), found.form) == ({A, B}, "json")


def test_a_json_list_may_hold_bare_ids(file: Path) -> None:
    assert set(kinds(read(written(file, f'[{A}, "{B}"]')))) == {A, B}


def test_twarc_pages_and_flattened_lines_are_read_alike(file: Path) -> None:
    page = {
        "data": [{"id": str(A)}, {"id": str(B)}],
        "includes": {"tweets": [{"id": "7"}]},
        "meta": {"result_count": 2},
    }
    empty = {"meta": {"result_count": 0}}
    text = "\n".join(json.dumps(each) for each in (page, empty, {"id": str(C), "created_at": stamp(TIME_C)}))
    found = read(written(file, text))
    assert (set(kinds(found)), found.form, found.posts.bad) == ({A, B, C}, "jsonl", 0)


def test_references_say_the_kind_and_their_absence_does_once_the_file_has_any(file: Path) -> None:
    posts = [
        {"id": str(A)},
        {"id": str(B), "referenced_tweets": [{"type": "quoted", "id": "1"}, {"type": "replied_to", "id": "2"}]},
        {"id": str(C), "referenced_posts": [{"type": "retweeted", "id": "3"}]},
    ]
    assert kinds(read(written(file, json.dumps({"data": posts})))) == {A: "original", B: "reply", C: "repost"}
    assert kinds(read(written(file, json.dumps({"data": posts[:1]})))) == {A: None}


def test_the_first_api_says_the_kind_in_its_own_way(file: Path) -> None:
    plain = {
        "created_at": "Tue Nov 01 13:54:13 +0000 2022",
        "in_reply_to_status_id_str": None,
        "is_quote_status": False,
    }
    posts = [
        {"id": A, "id_str": str(A), **plain},
        {"id": B, "id_str": str(B), **plain, "created_at": None, "retweeted_status": {"id": 1}},
        {"id": C, "id_str": str(C), **plain, "created_at": None, "is_quote_status": True},
    ]
    found = read(written(file, "\n".join(map(json.dumps, posts))))
    assert kinds(found) == {A: "original", B: "repost", C: "quote"}
    assert found.posts.contradicted == 0


def test_marks_in_columns_say_the_kind_only_where_they_leave_no_doubt(file: Path) -> None:
    full = f"id,isReply,isRetweet,isQuote\n{A},False,false,0\n{B},True,false,true\n{C},false,1,false\n"
    assert kinds(read(written(file, full))) == {A: "original", B: "reply", C: "repost"}
    partial = f"id,isReply\n{A},false\n{B},true\n"
    assert kinds(read(written(file, partial))) == {A: None, B: "reply"}


def test_text_that_looks_like_a_repost_says_nothing(file: Path) -> None:
    assert kinds(read(written(file, f"id,text\n{A},RT @x: y\n"))) == {A: None}


@pytest.mark.parametrize("part", ["tweets.part0", "tweet.part0", "tweets.part1"])
def test_an_account_archives_script_is_read(file: Path, part: str) -> None:
    tweets = [
        {"tweet": {"id_str": str(A), "id": str(A), "created_at": "Tue Nov 01 13:54:13 +0000 2022"}},
        {"tweet": {"id_str": str(B), "in_reply_to_status_id_str": str(A)}},
    ]
    found = read(written(file, f"window.YTD.{part} = {json.dumps(tweets, indent=2)}"))
    assert (kinds(found), found.form) == ({A: None, B: "reply"}, "archive")


def test_an_archives_other_scripts_are_refused(file: Path) -> None:
    with pytest.raises(Unreadable, match="deleted_tweets"):
        read(written(file, f'window.YTD.deleted_tweets.part0 = [{{"tweet":{{"id_str":"{A}"}}}}]'))


def test_of_a_whole_archive_only_the_tweets_are_read(file: Path) -> None:
    def script(name: str, number: int) -> str:
        return f'window.YTD.{name}.part0 = [{{"tweet":{{"id_str":"{number}"}}}}]'

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/account.js", "window.YTD.account.part0 = []")
        archive.writestr("data/tweets.js", script("tweets", A))
        archive.writestr("data/tweets-part1.js", script("tweets", B))
        archive.writestr("data/deleted-tweets.js", script("deleted_tweets", C))
        archive.writestr("data/tweet-headers.js", script("tweet_headers", C))
    found = read(file)
    assert (set(kinds(found)), found.form) == ({A, B}, "archive zip")


def test_gzip_and_zip_and_both_are_unpacked(file: Path) -> None:
    file.write_bytes(gzip.compress(f"id\n{A}\n".encode()))
    assert read(file).form == "list gzip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", f"id\n{A}\n")
        archive.writestr("b.csv.gz", gzip.compress(f"id\n{B}\nx\n".encode()))
        archive.writestr("readme.txt", "hello\n")
        archive.writestr("__MACOSX/._a.csv", "\0\0")
    found = read(file)
    assert set(kinds(found)) == {A, B}
    assert [bad.where for bad in found.posts.bad_rows] == ["b.csv.gz, line 3"]
    assert [text.split()[0] for text in found.left_out] == ["readme.txt"]


def test_several_authors_are_refused_unless_one_is_named(file: Path) -> None:
    text = f"tweet_id,author_id,username\n{A},44196397,elonmusk\n{B},7,other\n"
    with pytest.raises(Unreadable, match="several authors"):
        read(written(file, text))
    for author in ("44196397", "@ElonMusk"):
        found = read(file, author=author)
        assert set(kinds(found)) == {A}
        assert found.posts.other_authors == 1


def test_an_author_who_wrote_nothing_is_an_error(file: Path) -> None:
    with pytest.raises(Unreadable, match="2 of others"):
        read(written(file, f"tweet_id,author_id\n{A},7\n{B},8\n"), author="9")


def test_authors_in_json_may_be_objects(file: Path) -> None:
    text = json.dumps(
        [{"id": str(A), "author": {"id": "1", "userName": "a"}}, {"id": str(B), "user": {"id_str": "2"}}]
    )
    assert set(kinds(read(written(file, text), author="1"))) == {A}


def test_counts_are_refused_in_words(file: Path) -> None:
    with pytest.raises(Unreadable, match="counts, not posts"):
        read(written(file, "date,posts,cumulative_posts\n2025-01-01,12,100\n2025-01-02,15,115\n"))


def test_columns_can_be_named_by_the_user(file: Path) -> None:
    mapping = parse_mapping("id=second, kind=1, created_at=When")
    found = read(
        written(file, f"first,second,when\nreply,{A},{stamp(TIME_A)}\npost,{B},2022-11-02T01:00Z\n"), mapping=mapping
    )
    assert kinds(found) == {A: "reply", B: "original"}
    assert found.posts.contradicted == 1


def test_a_column_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(Unreadable, match="id=nowhere"):
        read(written(file, f"id\n{A}\n"), mapping={"id": "nowhere"})


@pytest.mark.parametrize("text", ["id", "id=", "text=body", ""])
def test_a_wrong_mapping_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="--map"):
        parse_mapping(text)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_encodings_are_found_out(file: Path, encoding: str) -> None:
    file.write_bytes(f"tweet_id,text\r\n{A},né à Zürich\r\n{B},x\r\n".encode(encoding))
    posts = read(file).posts
    assert set(dict(posts.distinct())) == {A, B}
    assert posts.bad == 0


def test_a_time_that_contradicts_the_id_is_counted_and_the_ids_is_taken(file: Path) -> None:
    posts = read(written(file, f"id,created_at\n{A},2022-11-01T13:54:18Z\n{B},{stamp(TIME_B)}\n")).posts
    assert (posts.contradicted, posts.contradicted_at) == (1, ["line 2"])
    assert posts.span().start == TIME_A


def test_a_post_older_than_snowflakes_takes_the_files_time(file: Path) -> None:
    posts = read(written(file, f"id,created_at\n15434727182,2010-06-04T18:31:57Z\n20,\n{A},{stamp(TIME_A)}\n")).posts
    assert posts.span().start == datetime(2010, 6, 4, 18, 31, 57, tzinfo=UTC)
    assert [bad.reason for bad in posts.bad_rows] == ["its id is too old to hold its time, and the file states none"]


def test_an_id_of_the_future_is_bad(file: Path) -> None:
    posts = read(written(file, f"id\n{A}\n{C}\n"), moment=TIME_B).posts
    assert [bad.reason for bad in posts.bad_rows] == ["its id lies in the future"]


def test_a_rounded_id_is_bad_and_the_reason_says_so(file: Path) -> None:
    posts = read(written(file, f"id,created_at\n{A},x\n1.58744E+18,x\n")).posts
    assert [(bad.where, "rounded" in bad.reason) for bad in posts.bad_rows] == [("line 3", True)]
    assert read(written(file, f'[{{"id": {A}}}, {{"id": 1.587e18}}]')).posts.bad == 1


@pytest.mark.parametrize(
    "rounded",
    [
        lambda number: number // 100 * 100,
        lambda number: int(float(number)),
        lambda number: number // 10_000 * 10_000,
    ],
)
@pytest.mark.parametrize("n", [5, 18, 6_000])
def test_ids_that_a_spreadsheet_or_a_script_rounded_are_refused_as_a_whole(
    file: Path, n: int, rounded: Callable[[int], int]
) -> None:
    with pytest.raises(Unreadable, match=r"rounded.*ids as text"):
        read(written(file, "".join(f"{rounded(number)}\n" for number in honest(n))))


def test_a_file_of_which_a_part_was_rounded_is_refused(file: Path) -> None:
    numbers = [int(float(number)) if i % 4 == 0 else number for i, number in enumerate(honest(60))]
    with pytest.raises(Unreadable, match="rounded"):
        read(written(file, "".join(f"{number}\n" for number in numbers)))


def test_ids_without_a_sequence_number_are_not_taken_for_rounded_ones_as_long_as_they_were_usual(file: Path) -> None:
    lines = [f"{number >> 12 << 12}\n" for number in honest(300)]
    with pytest.raises(Unreadable, match="rounded"):
        read(written(file, "".join(lines)))
    assert len(read(written(file, "".join(lines[:18]))).posts) == 18
    before = [f"{(number >> 12 << 12) - (1 << 58)}\n" for number in honest(300)]
    assert len(read(written(file, "".join(before))).posts) == 300


def test_an_id_that_is_that_of_another_row_rounded_is_bad(file: Path) -> None:
    numbers = honest(9)
    found = read(written(file, "".join(f"{number}\n" for number in (int(float(numbers[4])), *numbers))))
    assert list(kinds(found)) == numbers
    assert [(bad.where, "rounded" in bad.reason) for bad in found.posts.bad_rows] == [("line 1", True)]
    with pytest.raises(StrictStop, match="line 1"):
        read(file, strict=True)


@pytest.mark.parametrize("cut", [f"{B}"[:-1], f"{B}"[:5] + f"{B}"[6:]])
def test_an_id_without_one_of_its_digits_is_bad_where_the_file_states_its_time(file: Path, cut: str) -> None:
    text = f"id,created_at\n{A},{stamp(TIME_A)}\n{cut},{stamp(TIME_B)}\n{C},{stamp(TIME_C)}\n"
    posts = read(written(file, text)).posts
    assert set(dict(posts.distinct())) == {A, C}
    assert [(bad.where, "digits are missing" in bad.reason) for bad in posts.bad_rows] == [("line 3", True)]


def test_times_that_are_not_those_of_the_posts_are_refused_until_that_is_said(file: Path) -> None:
    written(file, "".join(["id,timestamp\n", *(f"{number},2026-05-22T08:00:00Z\n" for number in honest(9))]))
    with pytest.raises(Unreadable, match="created_at=none"):
        read(file)
    assert list(kinds(read(file, mapping={"created_at": "none"}))) == honest(9)


@pytest.mark.parametrize(
    "text",
    [
        f"id,created_at\n{A},{stamp(TIME_A)}\n{B},{stamp(TIME_B)}\n{str(C)[:-4]}",
        f"id,created_at\n{A},{stamp(TIME_A)}\n{B},{stamp(TIME_B)}\n{str(C)[:-1]},\n",
        f"{A}\n{B}\n{str(C)[:-2]}",
        f"at https://x.com/a/status/{A}\nat https://x.com/a/status/{B}\nat https://x.com/a/status/{str(C)[:-3]}",
    ],
)
def test_an_id_that_is_cut_off_is_bad(file: Path, text: str) -> None:
    posts = read(written(file, text)).posts
    assert set(dict(posts.distinct())) == {A, B}
    assert ["cut off" in bad.reason for bad in posts.bad_rows] == [True]
    with pytest.raises(StrictStop, match="cut off"):
        read(file, strict=True)


def test_an_old_post_at_the_end_of_a_file_is_not_taken_for_a_cut_one(file: Path) -> None:
    old, before = 142180009209327616, 999_999_999_999_999_999
    posts = read(written(file, f"id,created_at\n{A},{stamp(TIME_A)}\n{old},{stamp(snowflake_time(old))}")).posts
    assert list(dict(posts.distinct())) == [old, A]
    assert list(kinds(read(written(file, f"{before + 2}\n{before}")))) == [before, before + 2]


@pytest.mark.parametrize(
    "text",
    [
        f"['{A}', '{B}', '{C}']",
        f"{{'{A}', '{B}', '{C}'}}\n",
        f"['{A}',\n '{B}',\n '{C}']\n",
        f"{A},{B},{C}\n",
        f"# all\nids = {A}, {B}, {C}\n",
        f"ids = [\n  '{A}',\n  '{B}', '{C}',\n]\n",
        f"id\n{A},{B},{C}\n",
        f"{A} {B} {C}",
        f"{A}; {B}\n{C}\n",
        f"https://x.com/a/status/{A}, https://x.com/a/status/{B}?s=20 {C}\n",
        f"{A}\n" * 70 + f"https://x.com/a/status/{B} https://x.com/a/status/{C}\n",
    ],
)
def test_of_several_ids_in_a_line_every_one_is_taken(file: Path, text: str) -> None:
    found = read(written(file, text))
    assert set(kinds(found)) == {A, B, C}
    assert (found.form, found.posts.bad) == ("list", 0)


def test_one_line_of_ids_and_other_words_is_refused(file: Path) -> None:
    with pytest.raises(Unreadable, match="one id a line"):
        read(written(file, f"these {A}, {B}, {C} and no more"))


def test_a_line_of_one_post_may_refer_to_another(file: Path) -> None:
    assert set(kinds(read(written(file, f"{A},{stamp(TIME_A)},{B}")))) == {A}


def test_columns_of_ids_of_which_any_may_be_the_posts_are_refused_until_one_is_named(file: Path) -> None:
    written(file, f"{A},{C}\n{B},{C}\n")
    with pytest.raises(Unreadable, match="--map id=1"):
        read(file)
    assert set(kinds(read(file, mapping={"id": "1"}))) == {A, B}


@pytest.mark.parametrize(
    "text",
    [
        f"09:10 saw https://x.com/a/status/{A} and https://x.com/a/status/{B}\n09:11 https://x.com/a/status/{C}\n",
        f'<a href="/a/status/{A}">1</a><a href="https://x.com/a/status/{B}/photo/1">2</a><a href="/a/status/{C}">',
    ],
)
def test_a_log_may_hold_several_addresses_in_a_line(file: Path, text: str) -> None:
    found = read(written(file, text))
    assert (set(kinds(found)), found.form) == ({A, B, C}, "log")


@pytest.mark.parametrize(
    "text",
    [
        f"url,created_at\nhttps://x.com/Other/status/{A},{stamp(TIME_A)}\nhttps://x.com/me/status/{B},{stamp(TIME_B)}\n",
        f"https://x.com/Other/status/{A}\nhttps://x.com/me/status/{B}\n",
        f"https://x.com/Other/status/{A} https://x.com/me/status/{B}\n",
        f"saw https://x.com/Other/status/{A} and https://x.com/me/status/{B}\n",
        f'[{{"url": "https://x.com/Other/status/{A}"}}, {{"url": "https://x.com/me/status/{B}"}}]',
        f'["https://x.com/Other/status/{A}", "https://x.com/me/status/{B}"]',
    ],
)
def test_addresses_name_the_author_where_nothing_else_does(file: Path, text: str) -> None:
    with pytest.raises(Unreadable, match="several authors"):
        read(written(file, text))
    found = read(file, author="@Me")
    assert (set(kinds(found)), found.posts.other_authors) == ({B}, 1)


def test_addresses_without_an_author_are_of_any(file: Path) -> None:
    text = f"https://x.com/i/status/{A}\nhttps://x.com/i/web/status/{B}\nhttps://twitter.com/statuses/{C}\n"
    assert set(kinds(read(written(file, text), author="me"))) == {A, B, C}


@pytest.mark.parametrize(("name", "no", "yes"), [("is_deleted", "False", "True"), ("deletedAt", "", "2024-01-01")])
def test_posts_that_a_file_says_are_deleted_are_known(file: Path, name: str, no: str, yes: str) -> None:
    assert read(written(file, f"id,{name}\n{A},{no}\n{B},{yes}\n")).posts.deleted == {B}
    assert read(written(file, json.dumps([{"id": str(A), name: no}, {"id": str(B), name: yes}]))).posts.deleted == {B}


def test_a_quote_too_many_before_the_id_costs_no_row(file: Path) -> None:
    text = f'text,id,created_at\n"open,{A},{stamp(TIME_A)}\nfine,{B},{stamp(TIME_B)}\nin "it,{C},{stamp(TIME_C)}\n'
    posts = read(written(file, text)).posts
    assert set(dict(posts.distinct())) == {A, B, C}
    assert (posts.bad, posts.contradicted, posts.unread_times) == (0, 0, 0)


def test_of_several_ids_in_a_row_that_a_quote_breaks_the_posts_is_taken(file: Path) -> None:
    header, whole = "conversation_id,text,id,created_at", f"{A},fine,{C},{stamp(TIME_C)}"
    broken = (f'{C},"open,{A},{stamp(TIME_A)}', f'{C},"x\ny",{B},{stamp(TIME_B)}')
    posts = read(written(file, "\n".join([header, whole, *broken, whole]))).posts
    assert dict(posts.distinct()).keys() == {A, B, C}
    assert (posts.rows, posts.bad) == (4, 0)


@pytest.mark.parametrize(
    "before", ["sep=,\n", "# exported\n# by a tool, today\n", "Posts of the account\n\n", "Posts,2022\nall of them\n"]
)
@pytest.mark.parametrize("header", ["id,created_at", "id,isReply,created_at"])
def test_remarks_and_titles_before_a_header_are_no_rows(file: Path, before: str, header: str) -> None:
    marks = "," if header == "id,created_at" else ",1,"
    found = read(written(file, f"{before}{header}\n{A}{marks}{stamp(TIME_A)}\n{B}{marks}{stamp(TIME_B)}\nx\n"))
    assert kinds(found) == dict.fromkeys((A, B), "reply" if "isReply" in header else None)
    assert (found.form, found.posts.rows, found.posts.unread_times) == ("csv", 3, 0)
    assert [bad.where for bad in found.posts.bad_rows] == [f"line {before.count(chr(10)) + 4}"]


def test_a_header_may_begin_with_a_number_sign(file: Path) -> None:
    assert kinds(read(written(file, f"#id,isReply\n{A},1\n"))) == {A: "reply"}


def honest(n: int) -> list[int]:
    """Ids as they are: none rounded."""
    dice = random.Random(3)
    return [(A >> 22) + 3_600_000 * i << 22 | dice.getrandbits(21) << 1 | 1 for i in range(n)]
