"""A version of a model in words, as lines beside the table."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from musktracker.text import counted, printable
from tui.widgets.plot_axes import format_count

if TYPE_CHECKING:
    from musktracker.db.queries.forecasts import Accuracy
    from musktracker.db.queries.models import EventEffect, ModelVersion, Parameter

Line = tuple[str, str]  # a text, and its tone
LEVELS = (50, 80, 95)
DASH = "–"
INDENT, LABEL = 15, 22  # cells of the names before values
SCORES = {  # what a backtest leaves, by its horizon, and in words
    "bias": "Hourly bias",
    "crps_hourly_{}": "Hourly CRPS",
    "error_{}": "Mean error of total",
    "crps_total_{}": "CRPS of total",
    "log_score_{}": "Log score of brackets",
    "covered_50_{}": "50% of totals held",
    "covered_80_{}": "80% of totals held",
    "covered_95_{}": "95% of totals held",
    "width_95_{}": "Mean width of 95%",
}
SCORE_LABELS = {"rmse": "Hourly RMSE", "mae": "Hourly MAE", "mape": "Hourly MAPE"} | {
    name.format(24): label for name, label in SCORES.items()
}


def detail(
    found: ModelVersion, accuracy: Accuracy | None, format_time: Callable[..., str], width: int = 80
) -> list[Line]:
    """All that is known of a version, most wanted first, in lines of at most `width` cells."""
    named = "".join(f", {alias}" for alias in found.aliases)
    lines: list[Line] = [(f"{found.model} {found.version}{named}", "accent"), *_warnings(found)]
    if found.backtest or found.rmse is not None:
        lines += [("", ""), (_backtest_title(found.backtest, format_time), "dim"), *_scores(found)]
    lines += [("", ""), ("Forecasts since", "dim"), *_since(found, accuracy)]
    lines += [("", ""), ("Fit", "dim"), *_fit(found, format_time)]
    if found.event_effects:
        lines += [("", ""), *effects(found)]
    parameters = [one for one in found.parameters if one.name.partition(":")[0] != "event"]
    if parameters:
        lines += [("", ""), (f"{'Parameter':<19}{'estimate':>9}{'± error':>9}{'z':>6}", "dim")]
        lines += [(_parameter(one), "") for one in parameters]
    lines += [(f"· {note}", "dim") for note in found.notes]
    if found.artifact_path:
        lines += [("", ""), (found.artifact_path, "dim")]
    return [(part, tone) for line, tone in lines for part in _wrapped(line, width)]


def effects(found: ModelVersion) -> list[Line]:
    """What a version found that events do, by category."""
    head = (f"{'Event, intensity 1':<19}{'effect':>7}{'95%':>16}{'n':>4}", "dim")
    return [head, *((_effect(one), "") for one in found.event_effects)]


def number(value: float | None, digits: int = 1) -> str:
    """A measure with thousands apart; a dash where there is none."""
    return DASH if value is None else f"{value:,.{digits}f}"


def short(value: Any) -> str:
    """A value of any kind in few cells; a dash where there is none."""
    if isinstance(value, bool) or value is None:
        return DASH if value is None else str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:.3g}" if abs(value) < 10 else format_count(value)
    return (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else str(value)
        if isinstance(value, str)
        else json.dumps(value)
    )


def _warnings(found: ModelVersion) -> list[Line]:
    lines: list[Line] = []
    if found.converged is False:
        lines.append(("The fit did not converge: its parameters are not the best ones", "bad"))
    return lines + [(f"! {warning}", "warning") for warning in found.warnings]


def _backtest_title(backtest: Mapping[str, Any], format_time: Callable[..., str]) -> str:
    from musktracker.timeline import parse_time

    if not backtest:
        return "Backtest"
    origins = backtest.get("origins", 0)
    times = counted(origins, "time") if isinstance(origins, int) else f"{origins} times"
    title = f"Backtest: {times} {backtest.get('horizon_hours', '?')} h"
    first, last = backtest.get("first_origin"), backtest.get("last_origin")
    if first and last:
        title += " from " + " to ".join(format_time(parse_time(text), "%m-%d") for text in (first, last))
    return title


def _scores(found: ModelVersion) -> list[Line]:
    mape = DASH if found.mape is None else f"{found.mape:.0f}%"
    lines = [
        _row("Hourly RMSE", number(found.rmse, 2), LABEL),
        _row("Hourly MAE", number(found.mae, 2), LABEL),
        _row("Hourly MAPE", mape, LABEL),
    ]
    horizon = found.backtest.get("horizon_hours")
    for name, label in SCORES.items():
        value = found.backtest.get(name.format(horizon))
        if value is not None:
            lines.append(_row(label, f"{value:.0%}" if "held" in label else f"{value:.2f}", LABEL))
    return lines


def _fit(found: ModelVersion, format_time: Callable[..., str]) -> list[Line]:
    days = round((found.training_end - found.training_start) / timedelta(days=1))
    return [
        _row("Trained", f"{format_time(found.trained_at)}" + (f" in {found.seconds:.1f} s" if found.seconds else "")),
        _row("From", format_time(found.training_start)),
        _row("To", format_time(found.training_end)),
        _row("", f"{counted(days, 'day')}, counting {found.counting or 'as the database did'}"),
        _row("Likelihood", number(found.log_likelihood)),
        *(_row(name, short(value)) for name, value in found.hyperparameters.items()),
        *(_row(name.replace("_", " "), short(value)) for name, value in _values(found).items()),
    ]


def _since(found: ModelVersion, accuracy: Accuracy | None) -> list[Line]:
    lines = [_row("Made", str(found.forecasts) if found.forecasts else "none yet: 6, then n, makes one")]
    if accuracy is not None:
        bias = "too low" if accuracy.bias < 0 else "too high"
        lines.append(_row("Hours scored", f"{accuracy.n:,}"))
        lines.append(_row("Off by", f"{accuracy.mae:.2f} an hour; {abs(accuracy.bias):.2f} {bias} on average"))
        for level, share in zip(LEVELS, accuracy.coverages, strict=True):
            if share is not None:
                lines.append(_row(f"{level}% held", f"{share:.0%}"))
    return lines


def _wrapped(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    return textwrap.wrap(line, max(width, 2 * INDENT), subsequent_indent=" " * INDENT)


def _row(name: str, value: str, width: int = INDENT - 1) -> Line:
    return (f"{name:<{width}} {value}", "")


def _values(found: ModelVersion) -> dict[str, Any]:
    """What is told nowhere else."""
    elsewhere = ("seconds", "events")
    return {name: value for name, value in found.values.items() if name.partition(":")[0] not in elsewhere}


def _effect(one: EventEffect) -> str:
    names = {None: "(any other)", "": "(none)"}
    name = names[one.category] if one.category in names else printable(one.category or "")
    interval = f"{one.lower:+.0f}..{one.upper:+.0f}%"
    return f"{name:<19.19}{f'{one.percent:+.0f}%':>7}{interval:>16}{one.events:>4}"


def _parameter(one: Parameter) -> str:
    name = printable(one.name)
    if one.estimate is None:
        return f"{name:<19.19}{DASH:>9}"
    error = DASH if one.standard_error is None else f"{one.standard_error:.3f}"
    z = f"{one.estimate / one.standard_error:.1f}" if one.standard_error else DASH
    return f"{name:<19.19}{one.estimate:>9.3f}{error:>9}{z:>6}"
