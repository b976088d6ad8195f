"""The steps of a run's fit, then the scores of its origins, as a curve that grows while the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from musktracker.text import counted, printable
from tui.widgets.figures import drawable, known
from tui.widgets.plot import Plot, Sheet, Values, span_ticks
from tui.widgets.plot_axes import format_count, value_ticks

if TYPE_CHECKING:
    from musktracker.run_log import LogLine

K = TypeVar("K", int, str)
EMPTY = "No scores to draw: the curve grows while a run scores origins"
ASCENT = "log_likelihood"  # what is told of a fit's steps, where all else are scores of origins
SCORES = {"crps_total_24": "CRPS of 24 hours' total", "total_168": "CRPS of 7 days' total"}


class LiveCurve(Vertical):
    """Each score of the model that was told of last, the mean so far as a line, and the means of all models.

    Before there are scores, or where they are asked for, the log-likelihood after each step of the fit's last search.
    """

    DEFAULT_CSS = """
    LiveCurve {
        & > #curve-title { height: 1; color: $text-muted; background: $surface; padding: 0 1;
            text-wrap: nowrap; text-overflow: ellipsis; }
        & > #curve-means { height: auto; max-height: 2; padding: 0 1; display: none; }
        & > Plot { padding: 0; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.run_id: int | None = None
        self.model = ""
        self.fit_wanted = False
        self._points: dict[str, dict[str, float | None]] = {}
        self._steps: dict[int, dict[int, float | None]] = {}  # by search
        self._fitted = ""
        self._told: dict[str, tuple[int, str]] = {}  # by model: how many origins, which score
        self._newest = 0

    @property
    def scores(self) -> Values:
        """The scores of the model that is shown, in the order of their origins; None where there is none."""
        points = self._points.get(self.model, {})
        return [points[origin] for origin in sorted(points)]

    @property
    def ascent(self) -> Values:
        """The log-likelihood after each step of the last search."""
        steps = self._steps[max(self._steps)] if self._steps else {}
        return [steps[step] for step in sorted(steps)]

    @property
    def shows_fit(self) -> bool:
        """Whether it shows the fit now, and not scores."""
        return bool(self._steps) and (self.fit_wanted or not self._points)

    @property
    def has_both(self) -> bool:
        """Whether there are steps of a fit as well as scores."""
        return bool(self._steps and self._points)

    def want_fit(self, wanted: bool) -> None:
        """Show the fit although there are scores, or these again."""
        if wanted != self.fit_wanted:
            self.fit_wanted = wanted
            self._show()

    def compose(self) -> ComposeResult:
        yield Static("Curve", id="curve-title", markup=False)
        yield Plot(empty=EMPTY)
        yield Static(id="curve-means", markup=False)

    def follow_run(self, run_id: int | None) -> None:
        """Show another run's scores, of which none has come yet."""
        if run_id != self.run_id:
            self.run_id, self.model, self._newest = run_id, "", 0
            self._points, self._told, self._steps, self._fitted = {}, {}, {}, ""
            self._show()

    def add(self, run_id: int, lines: Iterable[LogLine]) -> None:
        """Take in what lines of a run's log tell of scores and of steps."""
        self.follow_run(run_id)
        told = [line for line in lines if line.fields.get("points")]
        for line in told:
            with suppress(ArithmeticError, TypeError, ValueError):  # others may write anything there
                self._take(line.id, line.fields)
        if told:
            self._show()

    def _take(self, line_id: int, fields: Any) -> None:
        model = str(fields.get("model", ""))
        if fields.get("score") == ASCENT:
            self._steps.setdefault(int(fields.get("search", 1)), {}).update(_figures(fields["points"], int))
            self._fitted = model
            return
        told = int(fields.get("of", 0)), str(fields.get("score", ""))
        self._points.setdefault(model, {}).update(_figures(fields["points"], str))
        self._told[model] = told
        if line_id >= self._newest:
            self._newest, self.model = line_id, model

    def _show(self) -> None:
        if self.shows_fit:
            self._show_fit()
        else:
            self._show_scores()
        self._show_means()

    def _show_fit(self) -> None:
        values = self.ascent
        finite = known(values)
        reached = f"{finite[-1]:,.2f}" if finite else "not finite"
        search = f" · search {max(self._steps)}" if len(self._steps) > 1 else ""
        title = f"Log-likelihood, {self._fitted}{search} · {counted(len(values), 'step')} · {reached}"
        self.query_one("#curve-title", Static).update(printable(title))
        draw = partial(draw_ascent, values=values) if finite else None
        of = (self._fitted, tuple(values))
        self.query_one(Plot).set_plot(draw, of=of, empty=EMPTY, points=self._step_records)

    def _step_records(self) -> list[dict[str, Any]]:
        return [
            {"model": self._fitted, "search": search, "step": step, "log_likelihood": steps[step]}
            for search, steps in sorted(self._steps.items())
            for step in sorted(steps)
        ]

    def _show_scores(self) -> None:
        scores = self.scores
        of, score = self._told.get(self.model, (0, ""))
        title = "Curve"
        if scores:
            origins = f"{len(scores):,} of {counted(of, 'origin')}"
            parts = (f"{SCORES.get(score, score)}, {self.model}", f"line: {_mean_text(scores)}", f"dots: {origins}")
            title = " · ".join(map(printable, parts))
        self.query_one("#curve-title", Static).update(title)
        draw = partial(draw_curve, scores=scores, of=of) if scores else None
        self.query_one(Plot).set_plot(draw, of=(self.model, of, tuple(scores)), empty=EMPTY, points=self._records)

    def _records(self) -> list[dict[str, Any]]:
        return [
            {"model": model, "origin": origin, "score": points[origin]}
            for model, points in self._points.items()
            for origin in sorted(points)
        ]

    def _show_means(self) -> None:
        line = self.query_one("#curve-means", Static)
        means = {model: _mean(list(points.values())) for model, points in self._points.items()}
        ranked = sorted((mean, model) for model, mean in means.items() if mean is not None)
        line.display = len(ranked) > 1 and not self.shows_fit
        parts = [f"{printable(model)} {mean:.4g}" for mean, model in ranked]
        line.update(Content("Means so far: " + " · ".join(parts)))


def draw_curve(sheet: Sheet, scores: Values, of: int) -> None:
    """Scores origin by origin, and their mean so far as a line."""
    places = [float(k) for k in range(1, len(scores) + 1)]
    colours = sheet.colours
    sheet.line(places, running_means(scores), sheet.fine, colours.mean)
    sheet.points(places, scores, sheet.dot, colours.strong)
    top = 1.08 * max([0.0, *known(scores)]) or 1.0
    sheet.y_axis(0.0, top, [(tick, format_count(tick)) for tick in value_ticks(top, max(sheet.rows // 3, 1))])
    last = float(max(of, len(scores), 2))
    inner = [tick for tick in value_ticks(last, max(sheet.width // 12, 2)) if 1 < tick < 0.94 * last]
    sheet.x_axis(1.0, last, [(tick, format_count(tick)) for tick in (1.0, *inner, last)])


def draw_ascent(sheet: Sheet, values: Values) -> None:
    """The log-likelihood step by step, from the lowest to the highest."""
    places = [float(k) for k in range(1, len(values) + 1)]
    sheet.line(places, values, sheet.fine, sheet.colours.mean)
    sheet.points(places, values, sheet.point, sheet.colours.strong)
    shown = known(values)
    low, high = min(shown), max(shown)
    margin = 0.06 * (high - low) or max(abs(high) * 1e-3, 1.0)
    digits = 0 if high - low >= 1 else 3
    ticks = span_ticks(low - margin, high + margin, max(sheet.rows // 3, 1))
    sheet.y_axis(low - margin, high + margin, [(tick, f"{tick:,.{digits}f}") for tick in ticks])
    last = float(max(len(values), 2))
    inner = [tick for tick in value_ticks(last, max(sheet.width // 12, 2)) if 1 < tick < 0.94 * last]
    sheet.x_axis(1.0, last, [(tick, format_count(tick)) for tick in (1.0, *inner, last)])


def running_means(scores: Values) -> list[float | None]:
    """The mean of all known scores up to each."""
    found: list[float | None] = []
    total, n = 0.0, 0
    for score in scores:
        if drawable(score):
            total, n = total + score, n + 1
        found.append(total / n if n else None)
    return found


def _mean(scores: Values) -> float | None:
    found = known(scores)
    return sum(found) / len(found) if found else None


def _figures(points: Iterable[Any], kind: Callable[[Any], K]) -> dict[K, float | None]:
    """By step or origin what is told of it; None where that is no figure."""
    return {kind(key): value if drawable(value) else None for key, value in points}


def _mean_text(scores: Values) -> str:
    mean = _mean(scores)
    return "none known" if mean is None else f"mean {mean:,.2f}"
