"""An event in one line: what people type, as it is understood; and what is asked instead of guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musktracker.errors import UsageError
from musktracker.pipeline.event_fields import INTENSITIES
from musktracker.pipeline.event_line import parse_line
from musktracker.pipeline.event_when import AmbiguousLine, read_duration

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
NEW_YORK = ZoneInfo("America/New_York")
LONDON = ZoneInfo("Europe/London")


def start(line: str, zone: ZoneInfo = NEW_YORK) -> str:
    return f"{parse_line(f'{line} something', NOW, zone).fields.event_start:%a %Y-%m-%d %H:%M}"


def test_a_line_says_all_of_an_event() -> None:
    fields = parse_line("next fri 14:00 ET +2h starship launch !0.8 #launch", NOW, LONDON).fields
    assert fields.name == "starship launch"
    assert fields.event_start == datetime(2026, 11, 27, 19, tzinfo=UTC)
    assert fields.event_end - fields.event_start == timedelta(hours=2)
    assert (fields.intensity, fields.category, fields.source) == (0.8, "launch", "manual")


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("fri 14:00", "Fri 2026-11-27 19:00"),
        ("friday at 2pm", "Fri 2026-11-27 19:00"),
        ("on Fri, 2:00 pm", "Fri 2026-11-27 19:00"),
        ("next wed 9am", "Wed 2026-12-02 14:00"),
        ("last wed 9am", "Wed 2026-11-18 14:00"),
        ("this mon 9am", "Mon 2026-11-23 14:00"),
        ("wed 9am", "Wed 2026-11-25 14:00"),
        ("today noon", "Wed 2026-11-25 17:00"),
        ("tomorrow midnight", "Thu 2026-11-26 05:00"),
        ("yesterday 10:30", "Tue 2026-11-24 15:30"),
        ("14:00", "Wed 2026-11-25 19:00"),
        ("now", "Wed 2026-11-25 12:00"),
        ("in 90m", "Wed 2026-11-25 13:30"),
        ("in 2d", "Fri 2026-11-27 12:00"),
        ("dec 1 18:00", "Tue 2026-12-01 23:00"),
        ("1st december 2027 18:00", "Wed 2027-12-01 23:00"),
        ("jan 5 18:00", "Tue 2027-01-05 23:00"),
        ("feb 29 18:00", "Tue 2028-02-29 23:00"),
        ("2026-12-01 18:00", "Tue 2026-12-01 23:00"),
        ("2026-12-01T18:00Z", "Tue 2026-12-01 18:00"),
        ("2026-12-01T18:00", "Tue 2026-12-01 23:00"),
        ("24/12 18:00", "Thu 2026-12-24 23:00"),
        ("12.24.2026 18:00", "Thu 2026-12-24 23:00"),
        ("dec 1 18:00 UTC", "Tue 2026-12-01 18:00"),
        ("dec 1 18:00 PT", "Wed 2026-12-02 02:00"),
        ("jul 1 18:00 EST", "Thu 2027-07-01 23:00"),
        ("jul 1 18:00 ET", "Thu 2027-07-01 22:00"),
        ("fri 14:00 GMT+2", "Fri 2026-11-27 12:00"),
        ("fri 14:00 utc-5", "Fri 2026-11-27 19:00"),
        ("fri 14:00 UTC+05:30", "Fri 2026-11-27 08:30"),
        ("fri 14:00 -0800", "Fri 2026-11-27 22:00"),
        ("dec 1 18:00 Asia/Tokyo", "Tue 2026-12-01 09:00"),
        ("dec 1 18:00 +05:30", "Tue 2026-12-01 12:30"),
        ("2026/12/1 18:00", "Tue 2026-12-01 23:00"),
        ("fri 2 p.m.", "Fri 2026-11-27 19:00"),
        ("fri, 14:00 UTC:", "Fri 2026-11-27 14:00"),
        ("tonight 20:00", "Thu 2026-11-26 01:00"),
        ("in 3 days", "Sat 2026-11-28 12:00"),
        ("in 3 days at 14:00", "Sat 2026-11-28 19:00"),
        ("in 3 days 14:00 UTC", "Sat 2026-11-28 14:00"),
        ("friday, december 4, 2pm", "Fri 2026-12-04 19:00"),
    ],
)
def test_days_and_times_are_read_as_people_say_them(said: str, moment: str) -> None:
    assert start(said) == moment


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ("fri 14:00 talk +90m", 1.5),
        ("fri 14:00 talk +1d12h", 36),
        ("fri 14:00-16:30 talk", 2.5),
        ("fri 10-11pm talk", 1),
        ("fri 23:00-01:00 talk", 2),
        ("fri 14:00 talk until 18:00", 4),
        ("fri 14:00 ET talk until sat 2am", 12),
        ("fri talk until sun", 72),
        ("fri talk", 24),
        ("fri 14:00 talk", 0),
        ("tomorrow 9am to 5pm talk", 8),
        ("tomorrow 9 to 5pm talk", 8),
        ("fri 9-5pm talk", 8),
        ("fri 9am - noon talk", 3),
        ("fri 22:00 to 2am talk", 4),
        ("fri 14:00 talk to 5pm", 3),
        ("fri 23:00 PT until 23:30 talk", 0.5),
        ("fri 9am to sat 5pm UTC talk", 32),
        ("fri-sun talk", 72),
        ("dec 4 - dec 6 talk", 72),
        ("dec 4-6 talk", 72),
        ("4-6 dec 2027 talk", 72),
        ("Dec 4th-6th, 2027 talk", 72),
        ("December 4 to December 6, 2027 talk", 72),
        ("from dec 30 to jan 2 talk", 96),
        ("12/24-12/26 talk", 72),
        ("tomorrow noon +2 days talk", 48),
        ("tomorrow noon talk +90 min", 1.5),
        ("tomorrow noon for 2 hours talk", 2),
        ("yesterday 10:00 to now talk", 21),
        ("now to 5pm talk", 10),
        ("yesterday until today talk", 48),
    ],
)
def test_how_long_it_lasts_is_said_by_a_duration_an_end_or_a_whole_day(said: str, hours: float) -> None:
    fields = parse_line(said, NOW, NEW_YORK).fields
    assert fields.event_end - fields.event_start == timedelta(hours=hours)
    assert fields.name == "talk"


def test_a_whole_day_has_as_many_hours_as_the_clocks_give_it() -> None:
    fields = parse_line("2026-11-01 clocks change", NOW, NEW_YORK).fields
    assert fields.event_end == datetime(2026, 11, 2, 5, tzinfo=UTC)
    assert fields.event_end - fields.event_start == timedelta(hours=25)


@pytest.mark.parametrize(
    ("said", "choices"),
    [
        ("3/4 x", ["2027-03-04", "2027-04-03"]),
        ("nov 20 x", ["2026-11-20", "2027-11-20"]),
        ("05:00 x", ["today 05:00", "tomorrow 05:00"]),
        ("wed 5am x", ["today 5am", "2026-12-02 5am"]),
        ("2026-11-01 01:30 x", ["01:30 -04:00", "01:30 -05:00"]),
        ("fri 9am CST x", ["CT", "Asia/Shanghai"]),
        ("tonight 2am x", ["today 2am", "tomorrow 2am"]),
        ("5am wed x", ["today 5am", "2026-12-02 5am"]),
    ],
)
def test_what_can_be_read_in_two_ways_is_asked(said: str, choices: list[str]) -> None:
    with pytest.raises(AmbiguousLine) as asked:
        parse_line(said, NOW, NEW_YORK)
    assert [text for text, _ in asked.value.choices] == choices
    for text, _ in asked.value.choices:
        answered = said.replace(asked.value.said, text)
        assert parse_line(answered, NOW, NEW_YORK).fields.name == "x"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", "first when"),
        ("starship launch fri", "first when"),
        ("+2h x", "first when"),
        ("fri 14:00", "no name"),
        ("fri 14:00 +2h !0.8 #launch", "no name"),
        ("fri 14:00 x !huge", "no intensity"),
        ("feb 30 x", "no day"),
        ("2026-02-29 x", "no day"),
        ("40/50 x", "no day"),
        ("fri 25:00 x", "not a time"),
        ("2026-03-08 02:30 x", "does not exist"),
        ("in 9999w x", "longer than"),
        ("9999-12-31 x", "later than calendars"),
        ("tonight x", "tells no time"),
        ("sat dec 4 x", "is a Friday"),
        ("dec 6 - dec 4 x", "before it starts"),
        ("dec 4 - 16:00 x", "the start has none"),
        ("dec 4-6 9am x", "the start has none"),
        ("fri 14:00 x #a #b", "'#a' and '#b' both say its category"),
        ("fri 14:00 x !0.8 !0.3", "'!0.8' and '!0.3' both say how strong"),
        ("fri 14:00 x +2h until 15:00", "'[+]2h' and 'until 15:00' both say when it ends"),
        ("fri 14:00-15:00 x +2h", "'fri 14:00-15:00' and '[+]2h' both say when it ends"),
        ("fri 14:00 x #launch!", "'#launch!' is no category"),
        ("fri 14:00 -1h x", "'-1h' cannot be read"),
        ("fri 14:00 +1 month x", "'[+]1 month' cannot be read"),
        ("fri 14:00 to 3 x", "'to 3' cannot be read"),
        ("fri - x", "'- x' cannot be read"),
        ("fri 14:00 +99:00 x", "no offset from UTC"),
        ("fri 14:00 " + "x " * 1_000, "at most 1,000 characters"),
    ],
)
def test_what_cannot_be_read_is_told_with_a_way_out(said: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        parse_line(said, NOW, NEW_YORK)
    assert refused.value.hint


def test_an_intensity_out_of_range_is_told() -> None:
    with pytest.raises(UsageError, match="intensity must be from 0 to 1"):
        parse_line("fri 14:00 x !2", NOW, NEW_YORK)


@pytest.mark.parametrize("name", INTENSITIES)
def test_intensities_have_names(name: str) -> None:
    assert parse_line(f"fri 14:00 x !{name}", NOW, NEW_YORK).fields.intensity == INTENSITIES[name]


def test_an_intensity_may_be_a_percentage() -> None:
    assert parse_line("fri 14:00 x !80%", NOW, NEW_YORK).fields.intensity == 0.8


def test_marks_that_mark_nothing_are_part_of_the_name_and_are_noted() -> None:
    understood = parse_line("fri 14:00 until the #1 hit ! +1 vote", NOW, NEW_YORK)
    assert understood.fields.name == "until the #1 hit ! +1 vote"
    assert (understood.fields.category, understood.fields.intensity) == (None, 0.5)
    assert understood.notes == (
        "“#1”, “!”, “+1” are part of the name",
        "a point in time: +2h makes it last",
        "intensity 0.5, as none was said",
    )


@pytest.mark.parametrize(
    ("name", "note"),
    [
        (
            "meeting every week",
            "“every week” is part of the name: one event, which can be repeated once it is stored",
        ),
        ("New York summit", "“New York” is part of the name: its time is written America/New_York"),
        ("et call", "“et” is part of the name: its time is written ET"),
        ("sat brunch", "“sat” is part of the name"),
        ("talk at 15:00", "“at 15:00” is part of the name"),
        ("talk for 2h", "“2h” is part of the name"),
        ("trip to mars", ""),
    ],
)
def test_what_looks_like_more_than_a_name_is_noted(name: str, note: str) -> None:
    understood = parse_line(f"fri 14:00 {name} !0.5", NOW, NEW_YORK)
    assert understood.fields.name == name
    assert understood.notes == (*filter(None, [note]), "a point in time: +2h makes it last")


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ("tomorrow x", "no time said: the whole day"),
        ("dec 4-6 x", "no time said: whole days, the last one too"),
        ("tomorrow x +2h", "no time said: from midnight"),
        ("tomorrow 14 x", "“14” is part of the name"),
        ("next fri x", "next fri is 27 November, the coming one: 2026-12-04 is a week later"),
    ],
)
def test_how_what_was_left_open_was_filled_in_is_noted(said: str, note: str) -> None:
    assert note in parse_line(said, NOW, NEW_YORK).notes


def test_a_next_weekday_of_the_coming_week_leaves_nothing_open() -> None:
    assert not any("next" in note for note in parse_line("next wed 9am x", NOW, NEW_YORK).notes)


def test_the_zone_of_an_end_that_follows_at_once_is_that_of_the_start() -> None:
    fields = parse_line("dec 4 10:00 - dec 6 18:00 ET trip", NOW, LONDON).fields
    assert (fields.event_start, fields.event_end) == (
        datetime(2026, 12, 4, 15, tzinfo=UTC),
        datetime(2026, 12, 6, 23, tzinfo=UTC),
    )


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        parse_line(text, NOW, NEW_YORK)
    except UsageError:
        return


@given(
    st.integers(0, 90_000_000),
    st.integers(0, 500),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
)
def test_what_is_written_in_full_is_read_as_it_is(minutes: int, hours: int, zone: str) -> None:
    moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    fields = parse_line(f"{moment:%Y-%m-%dT%H:%MZ} +{hours}h some event", NOW, ZoneInfo(zone)).fields
    assert fields.event_start == moment
    assert fields.event_end - fields.event_start == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("text", "hours"), [("2h", 2), ("90m", 1.5), ("90min", 1.5), ("1.5h", 1.5), ("1w2d", 216), ("2 days", 48)]
)
def test_durations_are_read(text: str, hours: float) -> None:
    assert read_duration(text) == timedelta(hours=hours)
