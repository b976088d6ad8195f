"""Versions of models in a database, for tests of what refers to them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, insert

from musktracker.db.engines import writing
from musktracker.db.tables import ModelArtifact, ModelMetadata

TRAINED = datetime(2025, 6, 1, 12, tzinfo=UTC)


def store_version(engine: Engine, key: int, model: str = "seasonal_naive", **more: Any) -> int:
    """Store a version with an artifact; `key` is its id and the number of its version."""
    values = {
        "id": key,
        "model_name": model,
        "model_version": f"v{key}",
        "trained_at": TRAINED,
        "training_start_date": datetime(2025, 1, 1, tzinfo=UTC),
        "training_end_date": TRAINED,
        "hyperparameters": json.dumps({"window_days": 28, "seed": 1} if model == "seasonal_naive" else {}),
        "diagnostics": json.dumps({"converged": True}),
        "counting": "all",
    }
    with writing(engine) as connection:
        connection.execute(insert(ModelMetadata).values(values | more))
    store_artifact(engine, key)
    return key


def store_artifact(engine: Engine, key: int) -> None:
    """Store an artifact of a version that has none."""
    with writing(engine) as connection:
        connection.execute(insert(ModelArtifact).values(model_metadata_id=key, sha256="0" * 64, content=b"numbers"))
