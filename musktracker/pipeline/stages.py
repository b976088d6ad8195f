"""Which function carries out which kind of run, and which runs must not overlap."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.reporting import Run

STAGES = {
    "import": "musktracker.pipeline.ingest:import_files",
    "ingest": "musktracker.pipeline.follow:ingest",
    "backfill": "musktracker.pipeline.backfill:backfill",
    "reconcile": "musktracker.pipeline.reconcile:reconcile",
    "refresh": "musktracker.pipeline.aggregate:refresh",
    "train": "musktracker.pipeline.train:train",
    "promote": "musktracker.pipeline.promotion:promote",
    "forecast": "musktracker.pipeline.forecast:forecast",
    "what_if": "musktracker.pipeline.what_if:what_if",
    "window": "musktracker.pipeline.window:window",
    "backtest": "musktracker.pipeline.backtest:backtest",
    "compare": "musktracker.pipeline.backtest:compare_stored",
    "score": "musktracker.pipeline.monitor:score",
    "retention": "musktracker.pipeline.retention:retain",
    "service": "musktracker.pipeline.service:serve",
    "demo": "musktracker.pipeline.demo:prepare",
}


POST_STORING = ("ingest", "backfill", "reconcile", "import")


def stage(kind: str) -> Callable[..., Mapping[str, Any]]:
    """The function of a kind of run, `stage(engine, run, **parameters)`; its module is imported when it is called."""
    module, name = STAGES[kind].split(":")

    def carry_out(engine: Engine, run: Run, **parameters: Any) -> Mapping[str, Any]:
        function: Callable[..., Mapping[str, Any]] = getattr(importlib.import_module(module), name)
        return function(engine, run, **parameters)

    return carry_out


def lease(kind: str, parameters: Mapping[str, Any]) -> str | None:
    """What a run of this kind holds alone while it goes on.

    Whatever stores posts keeps out its own kind, and none of the others: a follower runs for months, and to fetch
    what was before, to reconcile and to import must be possible meanwhile. An ingest alone moves the high-water mark
    and finishes the ranges of a follower; a backfill alone finishes those of a backfill, and knows what of them is to
    be verified; a reconciliation leaves nothing to finish, but two would buy the same posts; and what two imports of
    one source say of coverage and holes would depend on which came last. What they share is stored in turn, see
    musktracker.pipeline.store. The demo prepares a whole database: it holds the leases of all of them.
    """
    if kind in POST_STORING:
        return kind
    if kind == "demo":
        return " ".join(POST_STORING)
    if kind in ("refresh", "promote", "service"):
        return kind
    if kind == "train":
        return f"train:{parameters.get('model', '')}"
    return None
