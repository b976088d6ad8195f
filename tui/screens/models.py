"""Models: every trained version with its measures, what its fit told, and training with its progress and log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import ScreenResume
from textual.widgets import Static

from musktracker.text import printable
from tui.screens import model_text as words
from tui.screens import promote_form as promotion
from tui.screens import terms
from tui.screens.logged import LoggedScreen
from tui.screens.train_form import DEFAULT, train_form
from tui.widgets.lines import LineList
from tui.widgets.live_curve import LiveCurve
from tui.widgets.marks import MARK, toggled, two_of
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.run_log import RunLog
from tui.widgets.run_progress import RunProgress
from tui.widgets.text_page import TextPage
from tui.widgets.waiting import READING

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.forecasts import Accuracy
    from musktracker.db.queries.models import ModelVersion
    from musktracker.pipeline.aliases import AliasChange
    from musktracker.run_info import RunInfo
    from tui.app import Console

NONE_YET = "No model is trained yet: t trains one"
PAGE = 76  # cells of a line on a page
COLUMNS = (
    Column("Model", 17, grow=1, order=lambda found: found.model),
    Column("Version", 7),
    Column("Trained", 11, order=lambda found: found.trained_at, falling=True),
    Column(
        "Days", 5, right=True, rank=3, order=lambda found: found.training_end - found.training_start, falling=True
    ),
    Column("RMSE", 5, right=True, order=lambda found: found.rmse),
    Column("MAE", 5, right=True, order=lambda found: found.mae),
    Column("MAPE", 5, right=True, rank=2, order=lambda found: found.mape),
    Column("Log-lik.", 9, right=True, rank=3, order=lambda found: found.log_likelihood, falling=True),
    Column("95% held", 8, right=True, rank=1),
    Column("Fit", 6),
)


@dataclass(frozen=True, slots=True)
class ModelsData:
    """What the screen shows. `run` is the training or promotion that goes on, or the last; `state` as it was read.

    `named` is the id of the change that made the champion what it is.
    """

    versions: tuple[ModelVersion, ...]
    accuracies: tuple[Accuracy, ...]
    data_until: datetime | None
    named: int | None
    run: RunInfo | None
    state: str


class VersionTable(RecordTable["ModelVersion"]):
    """Versions, the last trained first."""

    app: Console

    def __init__(self) -> None:
        super().__init__(COLUMNS, self._row, lambda found: found.id, empty=NONE_YET, memory="versions")
        self.held: dict[int, float] = {}
        self.marked: list[int] = []

    def _row(self, found: ModelVersion) -> Sequence[Cell]:
        held = self.held.get(found.id)
        return (
            found.model,
            (self._version(found), "accent"),
            (self.app.format_time(found.trained_at, "%m-%d %H:%M"), "dim"),
            (f"{(found.training_end - found.training_start).days:,}", "dim"),
            words.number(found.rmse, 2),
            words.number(found.mae, 2),
            words.DASH if found.mape is None else f"{found.mape:.0f}%",
            (words.number(found.log_likelihood, 0), "dim"),
            words.DASH if held is None else f"{held:.0%}",
            _fit(found),
        )

    def _version(self, found: ModelVersion) -> str:
        marked = (MARK,) if found.id in self.marked else ()
        return " ".join((*marked, found.version, *(promotion.MARKS[alias] for alias in found.aliases)))


class ModelsScreen(LoggedScreen):
    """Versions above, the one under the cursor beside them, the last training below."""

    TITLE: ClassVar[str] = "Models"
    CSS_PATH = "models.tcss"
    TERMS = terms.MODELS
    AUTO_FOCUS = "VersionTable"
    KINDS = ("train", "promote")
    CHANGES = frozenset({"train", "promote", "rollback", "cancel"})
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (116, "-wide"), (150, "-widest")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "train", "Train", tooltip="Fit a model, as a new version", id="models.train"),
        Binding("p", "promote", "Promote", tooltip="Make it the champion, by the gate", id="models.promote"),
        Binding("P", "rollback", "Roll back", show=False, tooltip="The champion before again", id="models.rollback"),
        Binding("b", "backtests", "Backtests", tooltip="Stored backtests, and new ones", id="models.backtests"),
        Binding("space", "mark", "Mark", tooltip="Mark a version, to see two side by side", id="models.mark"),
        Binding("c", "compare", "Compare", tooltip="The marked versions side by side", id="models.compare"),
        Binding("v", "view", "View", tooltip="The log of the training, its scores, or its fit", id="models.view"),
        Binding("x", "cancel", "Cancel", tooltip="Ask the run below to stop", id="models.cancel"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: ModelsData | None = None
        self._has_both = False  # steps of a fit to draw, and scores
        self.set_class(bool(self.app.memory.get("models_curve")), "-curve")

    def on_mount(self) -> None:
        """Tell of the version anew when the theme changes: the text holds its colours."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._show_detail())

    def compose_body(self) -> ComposeResult:
        """Table and detail side by side, the run and its log below."""
        with Horizontal(id="models-top"):
            yield VersionTable()
            with VerticalScroll(id="model-detail", can_focus=False):
                yield Static(id="model-text", markup=False)
        with Vertical(id="models-run"):
            yield RunProgress(idle="No training yet: t trains a model")
        with Horizontal(id="models-live"):
            yield RunLog()
            yield LiveCurve()

    def fetch(self, engine: Engine) -> ModelsData:
        """Versions, how they have done since, and the last training."""
        from musktracker.db.queries import counts, forecasts, models
        from musktracker.pipeline import aliases

        run = self.read_run(engine)
        return ModelsData(
            versions=tuple(models.versions(engine)),
            accuracies=tuple(forecasts.accuracy(engine)),
            data_until=counts.latest_bucket_end(engine),
            named=next((change.id for change in aliases.history(engine, aliases.CHAMPION, limit=1)), None),
            run=run,
            state=run.state if run else "",
        )

    def show(self, data: ModelsData) -> None:
        """Bring the table, the detail and the run up to date."""
        self._data = data
        table = self.query_one(VersionTable)
        held = {one.model_metadata_id: one.coverages[-1] for one in data.accuracies}
        table.held = {key: share for key, share in held.items() if share is not None}
        table.set_records(data.versions)
        table.refresh()
        self._show_detail()
        self.show_run(data.run)
        self.refresh_bindings()
        self._ask_why(data.run)

    def on_screen_resume(self, _event: ScreenResume) -> None:
        """Fit the detail to the size and theme of now; if a dialog has closed, ask what waited for it."""
        self.call_after_refresh(self._show_detail)
        self._ask_why(self.run_shown)

    def made(self, run: RunInfo) -> None:
        """Go to the version that the run has just trained."""
        self.query_one(VersionTable).select((run.result or {}).get("id"))

    def drawn(self) -> None:
        """Beside the log, where there is room, only once there is something to draw."""
        curve = self.query_one(LiveCurve)
        self.set_class(bool(curve.scores or curve.ascent), "-scored")
        if curve.has_both != self._has_both:
            self._has_both = curve.has_both
            self.refresh_bindings()

    @on(LineList.Moved, "VersionTable")
    def _show_detail(self) -> None:
        text = Text()
        table = self.query_one(VersionTable)
        for line, tone in self._detail(max(self.query_one("#model-detail").size.width - 3, 40)):
            text.append(printable(line) + "\n", table.style(tone) if tone else "")
        widget = self.query_one("#model-text", Static)
        if widget.content != text:
            widget.update(text)
            self.query_one("#model-detail").scroll_home(animate=False)

    @on(RecordTable.Opened, "VersionTable")
    def _open(self) -> None:
        found = self.query_one(VersionTable).record
        if found is not None:
            text = "\n".join(line for line, _ in self._detail(PAGE))
            self.app.push_screen(TextPage(f"{found.model} {found.version}", text))

    def action_train(self) -> None:
        """Ask for a training, and start it."""
        if self._data is None:
            self.notify(READING, timeout=2)
            return
        found = self.query_one(VersionTable).record
        now, artifact_dir = self.app.now(), self.app.settings.artifact_dir
        model = found.model if found else DEFAULT
        form = train_form(self.app.zone, self._data.data_until, now, artifact_dir, model)
        self.ask_run(form, "train", then=self._follow)

    def action_promote(self) -> None:
        """Ask what the version under the cursor is to be, and let the gate decide."""
        found = self.query_one(VersionTable).record
        if found is not None:
            self._ask_promotion(found.model, found.version)

    def action_rollback(self) -> None:
        """Let the champion be what it was before; p makes another the champion again."""
        named = self._data.named if self._data is not None else None

        def roll_back(engine: Engine) -> AliasChange:
            from musktracker.pipeline import aliases

            return aliases.rollback(engine, expected=named)

        def said(made: AliasChange) -> str:
            return printable(f"{made.after} is the champion again, after {made.before}; p promotes")

        self.act(roll_back, done=said)

    def action_backtests(self) -> None:
        """Go to the backtests."""
        from tui.screens.backtests import BacktestsScreen

        self.app.navigation.open(BacktestsScreen)

    def action_mark(self) -> None:
        """Mark or unmark; the third mark takes the place of the first."""
        table = self.query_one(VersionTable)
        if table.record is not None:
            table.marked = toggled(table.marked, table.record.id)
            table.refresh()

    def action_compare(self) -> None:
        """Compare the two that are marked, or the marked one with the one under the cursor."""
        from tui.screens.version_pair import VersionPairScreen

        table = self.query_one(VersionTable)
        chosen = two_of(table.marked, table.record.id if table.record is not None else None)
        if chosen is None:
            self.notify("Mark two versions with space, then compare them", markup=False, timeout=4)
        else:
            self.app.navigation.open(partial(VersionPairScreen, *chosen))

    def action_view(self) -> None:
        """From log to curve where there is room for one of them, from scores to the steps of the fit, and back."""
        curve, narrow = self.query_one(LiveCurve), self.has_class("-narrow")
        drawn = self.has_class("-curve") or not narrow
        if drawn and curve.has_both and not curve.fit_wanted:
            curve.want_fit(True)
            return
        curve.want_fit(False)
        if narrow:
            self.toggle_class("-curve")
            self.app.remember(models_curve=self.has_class("-curve"))

    def can(self, action: str) -> bool | None:
        """What cannot be done now is dimmed or absent."""
        if action == "rollback" and self._champion is None:
            return False
        if action in ("mark", "compare"):
            return True if self._data is not None and self._data.versions else None
        if action == "view":
            return self.run_shown is not None and (self.has_class("-narrow") or self._has_both)
        return super().can(action)

    def _detail(self, width: int) -> list[words.Line]:
        found, data = self.query_one(VersionTable).record, self._data
        nothing = self.query_one(VersionTable).found_nothing
        if nothing:
            return [(nothing, "dim")]
        if found is None or data is None:
            return [("No version yet", "dim"), ("t trains one on what is counted (3 brings posts in)", "dim")]
        accuracy = next((one for one in data.accuracies if one.model_metadata_id == found.id), None)
        return words.detail(found, accuracy, self.app.format_time, width)

    @property
    def _champion(self) -> str | None:
        versions = self._data.versions if self._data is not None else ()
        return next((f"{one.model} {one.version}" for one in versions if "champion" in one.aliases), None)

    def _ask_promotion(self, model: str, version: str, failed: str | None = None) -> None:
        form = promotion.promote_form(model, version, failed)
        self.ask_run(form, "promote", then=self._follow)

    def _ask_why(self, run: RunInfo | None) -> None:
        """Where the promotion that was asked for here failed by the gate, ask for a reason; over no other dialog."""
        if run is None or run.id != self.started or self.app.screen is not self:
            return
        failed = promotion.failed_gate(run)
        if failed is not None:
            self.started = None
            self._ask_promotion(run.parameters["model"], run.parameters["version"], failed)


def _fit(found: ModelVersion) -> Cell:
    if found.converged is False:
        return ("failed", "bad")
    if found.warnings:
        return (f"! {len(found.warnings)}", "warning")
    return ("✓", "good") if found.converged else ("–", "dim")
