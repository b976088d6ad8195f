"""Which function carries out which kind of run, and which runs must not overlap."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.runs import Run

STAGES = {
    "import": "musktracker.pipeline.ingest:import_files",
    "ingest": "musktracker.pipeline.follow:ingest",
    "backfill": "musktracker.pipeline.follow:backfill",
    "reconcile": "musktracker.pipeline.reconcile:reconcile",
    "refresh": "musktracker.pipeline.aggregate:refresh",
    "train": "musktracker.pipeline.train:train",
    "promote": "musktracker.pipeline.promotion:promote",
    "forecast": "musktracker.pipeline.forecast:forecast",
    "what_if": "musktracker.pipeline.what_if:what_if",
    "window": "musktracker.pipeline.window:window",
    "backtest": "musktracker.pipeline.backtest:backtest",
    "score": "musktracker.pipeline.monitor:score",
    "demo": "musktracker.pipeline.demo:prepare",
}


def stage(kind: str) -> Callable[..., Mapping[str, Any]]:
    """The function of a kind of run, `stage(engine, run, **parameters)`; its module is imported when it is called."""
    module, name = STAGES[kind].split(":")

    def carry_out(engine: Engine, run: Run, **parameters: Any) -> Mapping[str, Any]:
        function: Callable[..., Mapping[str, Any]] = getattr(importlib.import_module(module), name)
        return function(engine, run, **parameters)

    return carry_out


def lease(kind: str, parameters: Mapping[str, Any]) -> str | None:
    """What a run of this kind holds alone while it goes on."""
    if kind in ("import", "demo", "ingest", "backfill", "reconcile"):
        return "ingest"
    if kind in ("refresh", "promote"):
        return kind
    if kind == "train":
        return f"train:{parameters.get('model', '')}"
    return None
