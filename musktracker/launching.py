"""Runs in processes of their own, which outlive the one that starts them and its terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from musktracker import runs
from musktracker.config import Settings


def launch(
    settings: Settings,
    engine: Engine,
    kind: str,
    parameters: Mapping[str, Any],
    *,
    lease: str | None = None,
) -> int:
    """Queue a run and start a detached process for it, which outlives this one and its terminal; returns its id."""
    run_id = runs.create(engine, kind, parameters, lease=lease)
    try:
        worker = _start_worker(settings, run_id)
    except OSError as error:
        runs.finish(engine, run_id, runs.ending("failed", error=f"No process could be started for it: {error}"))
        raise
    threading.Thread(target=worker.wait, name=f"reap-{run_id}", daemon=True).start()
    return run_id


def _start_worker(settings: Settings, run_id: int) -> subprocess.Popen[bytes]:
    settings.log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = os.open(settings.log_dir / "workers.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "musktracker.cli.main", "work", str(run_id)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=settings.data_dir,
            env={**os.environ, **settings.environment()},
        )
    finally:
        os.close(log)
