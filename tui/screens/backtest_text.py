"""A backtest's figures in words: the cells of its tables, and a model's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from musktracker.text import counted
from tui.widgets.record_table import Cell, Column

if TYPE_CHECKING:
    from musktracker.db.queries.backtests import ModelSummary, Skill

DASH = "–"
REFERENCE, BEST, SORTED = "◆", "*", "▾"
TOTALS = ("total_24", "in_play", "total_168")
SCORES = {  # by name: the title of a column, and in words
    "hourly_168": ("Hourly", "CRPS of the hours of 7 days"),
    "hourly_24": ("1st day", "CRPS of the first 24 hours"),
    "lead_1": ("1st h", "CRPS of the first hour"),
    "total_24": ("24 h", "CRPS of 24 hours' total"),
    "in_play": ("Play", "CRPS of a window in play"),
    "total_168": ("7 d", "CRPS of 7 days' total"),
    "log_score": ("Log", "log score of 7 days' brackets"),
}
PITS = {
    "total_168": "7 days' total",
    "total_24": "24 hours' total",
    "in_play": "a window in play",
    "hours": "hourly counts",
}
MODEL = Column("  Model", 15, grow=1)
CALIBRATION_COLUMNS = (
    *(Column(f"{title} 50/95", 13, right=True) for title in ("24 h", "Play", "7 d")),
    Column("ms", 5, right=True),
    Column("n", 3, right=True),
    Column("Ref.", 4, right=True, rank=1),
)


def score_columns(chosen: str) -> tuple[Column, ...]:
    """A column a score; the one that models are sorted by is pointed at."""
    titles = [f"{SORTED if name == chosen else ''}{title}" for name, (title, _) in SCORES.items()]
    return tuple(Column(title, max(len(title), 6), right=True) for title in titles)


def number(value: float | None) -> str:
    """A score in at most six cells."""
    return DASH if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def percent(share: float | None) -> str:
    """A share as a whole number of percents."""
    return DASH if share is None else f"{100 * share:.0f}"


def best(models: Sequence[ModelSummary]) -> dict[str, float]:
    """The lowest value of each score."""
    return {
        name: min(known) for name in SCORES if (known := [one.scores[name] for one in models if name in one.scores])
    }


def name_cell(one: ModelSummary, reference: str) -> Cell:
    """The model, marked where others are held against it."""
    mark = REFERENCE if one.model == reference else " "
    return (f"{mark} {one.model}", "accent" if mark.strip() else "")


def score_cells(one: ModelSummary, lowest: Mapping[str, float]) -> list[Cell]:
    """Its scores; a star beside the lowest, where there are enough to judge by."""
    cells: list[Cell] = []
    for name in SCORES:
        value = one.scores.get(name)
        first = value is not None and value == lowest.get(name) and not one.few(name)
        cells.append((number(value) + BEST, "good") if first else number(value) + " ")
    return cells


def calibration_cells(one: ModelSummary) -> list[Cell]:
    """Coverage of 50 and 95% by total with misses of 95% above and below, time, origins and refusals."""
    seconds = DASH if one.seconds is None else f"{1000 * one.seconds:,.0f}"
    refused = sum(one.refused.values())
    return [
        *(_covered(one, total) for total in TOTALS),
        (seconds, "dim"),
        str(one.origins),
        (str(refused), "warning") if refused else ("0", "dim"),
    ]


def page(one: ModelSummary, skills: Mapping[str, Skill], reference: str) -> str:
    """All that is known of a model in a backtest."""
    lines = [f"{counted(one.origins, 'origin')} scored, {sum(one.refused.values()):,} refused"]
    lines += [f"  {counted(count, 'time')}: {reason}" for reason, count in one.refused.items()]
    lines += ["", f"{'Score (lower is better)':<34}{'mean':>9}   over {reference}"]
    for name, (_, words) in SCORES.items():
        lines.append(f"{words:<34}{number(one.scores.get(name)):>9}   {skill_text(skills.get(name))}")
    lines += ["", f"{'Held, %':<34}{'50%':>6}{'80%':>6}{'95%':>6}{'above':>8}{'below':>8}{'width':>9}"]
    for total in TOTALS:
        held = "".join(f"{percent(one.scores.get(f'covered_{level}_{total}')):>6}" for level in (50, 80, 95))
        missed = "".join(f"{percent(one.scores.get(f'{side}_95_{total}')):>8}" for side in ("above", "below"))
        lines.append(f"{PITS[total]:<34}{held}{missed}{number(one.scores.get(f'width_95_{total}')):>9}")
    lines += ["", f"{'PIT in ten bins, % (10 each)':<34}"]
    for name, words in PITS.items():
        lines.append(f"{words:<34}" + "".join(f"{percent(share):>5}" for share in one.pit.get(name, ())))
    return "\n".join(lines)


def skill_text(skill: Skill | None) -> str:
    """A skill with its interval."""
    if skill is None:
        return DASH
    words = f"{skill.skill:+.1%}"
    if skill.lower is not None and skill.upper is not None:
        words += f" ({100 * skill.lower:+.0f} to {100 * skill.upper:+.0f})"
    return f"{words} on {counted(skill.n, 'origin')}"


def _covered(one: ModelSummary, total: str) -> Cell:
    half, most = (one.scores.get(f"covered_{level}_{total}") for level in (50, 95))
    if half is None or most is None:
        return (DASH, "dim")
    above, below = (one.scores.get(f"{side}_95_{total}") for side in ("above", "below"))
    return f"{percent(half)}/{percent(most)} ↑{percent(above)} ↓{percent(below)}"
