"""What stands in for the overview while there are no posts: how to bring data in, or how far the demo is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from musktracker.config import MASK, Settings
from tui.widgets.run_progress import RunProgress

if TYPE_CHECKING:
    from musktracker.run_info import RunInfo

QUIET = "$text-muted"
WAYS = (
    (
        "i",
        "Import a file of posts",
        "CSV, JSON, JSONL (plain, gzip or zip), an X archive's tweets.js, or a list of post ids. "
        "Only id, time and kind are stored, never the text. The same from a shell: musktracker import FILE.",
    ),
    (
        "d",
        "See everything at work on a demo account",
        "Three years of a simulated account, in a database of its own beside yours, ready in seconds. "
        "The same from a shell: musktracker demo.",
    ),
)


PREPARING = Content.assemble(
    ("The demo is being prepared.", "bold"),
    " Three years of a simulated account, in a database of its own: posts and events, counts by the hour, models, "
    "forecasts and their scores.",
)
MEANWHILE = Content.styled(
    "Counts appear here as soon as there are any, and the other screens fill as the stages end: 3 shows each as a "
    "run with its log. Closing the console stops nothing.",
    QUIET,
)
CUT_SHORT = Content.styled("The demo is not there yet.", "bold")
AGAIN = Content.styled("Close the console and start it once more: musktracker demo", QUIET)


class FirstRun(VerticalScroll, can_focus=True):
    """The ways to bring data in, each with its key, and how the import goes that was started from here.

    While the demo is prepared, only that: what else there is to do is not for its database.
    """

    DEFAULT_CSS = """
    FirstRun { padding: 1 2; }
    FirstRun Static { height: auto; max-width: 96; }
    FirstRun .way, FirstRun #first-run-meanwhile { margin-top: 1; }
    FirstRun RunProgress { margin-top: 1; max-width: 96; display: none; }
    FirstRun RunProgress.-failed { height: 5; }
    FirstRun.-demo .way, FirstRun #first-run-meanwhile { display: none; }
    FirstRun.-demo #first-run-meanwhile { display: block; }
    """

    def __init__(self, settings: Settings, *, read_only: bool = False) -> None:
        super().__init__()
        self._settings = settings
        self._read_only = read_only

    def compose(self) -> ComposeResult:
        """The question, what happens meanwhile, and the ways."""
        yield Static(self._question, id="first-run-about")
        yield RunProgress()  # above the ways: below them a small terminal cuts it off
        yield Static(id="first-run-meanwhile")
        for key, title, text in WAYS:
            yield Static(_way("" if self._read_only else key, title, text), classes="way")
        yield Static(_way("", "Connect the X API", _connection(self._settings)), classes="way")
        yield Static(
            Content.styled("? explains the keys, : finds every command, 2 to 6 show the other screens.", QUIET),
            classes="way",
        )

    def show_runs(self, runs: Sequence[RunInfo]) -> None:
        """Say how the demo goes, or else the newest run: an import that was started here is followed here."""
        demo = demo_of(runs)
        run = demo or next(iter(runs), None)
        progress = self.query_one(RunProgress)
        progress.display, progress.info = run is not None, run
        self.set_class(demo is not None, "-demo")
        goes_on = demo is not None and is_alive(demo)
        about = self._question if demo is None else PREPARING if goes_on else CUT_SHORT
        _say(self.query_one("#first-run-about", Static), about)
        _say(self.query_one("#first-run-meanwhile", Static), MEANWHILE if goes_on else AGAIN)

    @property
    def _question(self) -> Content:
        return Content.assemble(
            ("There are no posts yet.", "bold"),
            f" MuskTracker counts the posts of @{self._settings.account} by the hour and forecasts how many will "
            "come; bring in what there is so far.",
        )


def demo_of(runs: Sequence[RunInfo]) -> RunInfo | None:
    """The newest of the runs that prepared a demo, or are at it."""
    return next((run for run in runs if run.kind == "demo"), None)


def is_alive(run: RunInfo) -> bool:
    """Whether a run goes on, and is not lost."""
    return run.active and not run.lost


def _say(line: Static, text: Content) -> None:
    if not (isinstance(line.content, Content) and line.content.is_same(text)):
        line.update(text)


def _way(key: str, title: str, text: str) -> Content:
    mark = (f" {key} ", "bold $accent on $panel") if key else ("   ", "")
    return Content.assemble(mark, (f" {title}\n", "bold"), (text, QUIET))


def _connection(settings: Settings) -> str:
    origin = settings.shown()["x_bearer_token"][1]
    how = (
        "Press 3, then a: posts of the last day come at once, new ones as they are made; b there fetches older ones. "
    )
    same = "The same from a shell: musktracker ingest --follow."
    if settings.x_bearer_token:
        return f"X_BEARER_TOKEN is set ({MASK}, from {origin}). {how}{same}"
    return (
        "X_BEARER_TOKEN is not set. Put the bearer token of an X API app in the environment, in .env, or as "
        "x_bearer_token in the TOML file (musktracker config shows what is read), and start the console again. "
        f"Then press 3 and a. {same}"
    )
