"""What stands in for the overview while there are no posts: how to bring data in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from musktracker.config import MASK, Settings
from musktracker.text import printable

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


class FirstRun(VerticalScroll, can_focus=True):
    """The ways to bring data in, each with its key, and how the import goes that was started from here."""

    DEFAULT_CSS = """
    FirstRun { padding: 1 2; }
    FirstRun Static { height: auto; max-width: 96; }
    FirstRun .way { margin-top: 1; }
    FirstRun #first-run-progress { margin-top: 1; display: none; }
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def compose(self) -> ComposeResult:
        """The question, the ways, and what happens meanwhile."""
        account = self._settings.account
        yield Static(
            Content.assemble(
                ("There are no posts yet.", "bold"),
                f" MuskTracker counts the posts of @{account} by the hour and forecasts how many will come; "
                "bring in what there is so far.",
            )
        )
        yield Static(id="first-run-progress", markup=False)  # above the ways: below them a small terminal cuts it off
        for key, title, text in WAYS:
            yield Static(_way(key, title, text), classes="way")
        yield Static(_way("", "Connect the X API", _connection(self._settings)), classes="way")
        yield Static(
            Content.styled("? explains the keys, : finds every command, 2 to 6 show the other screens.", QUIET),
            classes="way",
        )

    def show_runs(self, runs: Sequence[RunInfo]) -> None:
        """Say how the newest run goes, so that an import that was started here is followed here."""
        line = self.query_one("#first-run-progress", Static)
        line.display = bool(runs)
        if not runs:
            return
        run = runs[0]
        percent = "" if run.progress is None or not run.active else f" {run.progress:.0%}"
        detail = run.error or run.message or ""
        text = Content.assemble(
            (f"Run {run.id} ({run.kind}): {run.state}{percent}", "bold $error" if run.error else "bold $accent"),
            (f"  {printable(detail)}", QUIET),
        )
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
