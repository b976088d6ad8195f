"""Delivery of alerts to a command of the operator's, which can fail or hang without holding up anybody."""

from __future__ import annotations

import json
import os
import queue
import shlex
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Self

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from musktracker.config import Settings
from musktracker.errors import describe
from musktracker.pipeline import alerts
from musktracker.pipeline.alert_conditions import Finding
from musktracker.pipeline.alerts import Raised
from musktracker.reporting import Run
from musktracker.text import printable
from musktracker.timeline import iso, now

TIMEOUT = 30.0  # seconds that the command may take
LAST_TIMEOUT = 35.0  # seconds that what is under way at the end may take
PREFIX = "MUSKTRACKER_ALERT_"
SAID = 300  # characters of what a failed command printed that are kept


def run_command(command: str, alert: Raised, *, is_test: bool = False, timeout: float = TIMEOUT) -> str | None:
    """Run the operator's command for an alert; returns what went wrong, None where it ended with 0.

    It gets the alert as JSON on standard input, and its parts in MUSKTRACKER_ALERT_ID, _RULE, _KEY, _SEVERITY,
    _RAISED_AT and _MESSAGE. No shell reads it, unless it names one. After `timeout` seconds it and what it started
    are killed.
    """
    told = {**asdict(alert), "raised_at": iso(alert.raised_at), "details": dict(alert.details), "test": is_test}
    variables = {PREFIX + name.upper(): printable(str(told[name])) for name in told if name != "details"}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(json.dumps(told, default=str).encode())
        given.seek(0)
        try:
            process = subprocess.Popen(
                shlex.split(command),
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env={**os.environ, **variables},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"The alert command cannot be started: {getattr(error, 'strerror', None) or error}"
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"The alert command took longer than {timeout:g} s and was ended"
        if code == 0:
            return None
        said.seek(0)
        words = " ".join(printable(said.read(4 * SAID).decode(errors="replace")).split())[:SAID]
        return f"The alert command ended with {code}" + (f": {words}" if words else "")


@dataclass(frozen=True, slots=True)
class Tested:
    """What a rule finds now, and what came of the test: `delivered` is None where no command is set."""

    findings: tuple[Finding, ...]
    delivered: bool | None
    error: str | None = None


def test(engine: Engine, settings: Settings, name: str) -> Tested:
    """Look at a rule now, storing nothing, and send a test to the operator's command, which may take TIMEOUT.

    Raises UsageError where there is no such rule.
    """
    moment = now()
    found = tuple(alerts.findings(engine, name, moment))
    if settings.alert_command is None:
        return Tested(found, None)
    message = found[0].message if found else f"A test of the rule {name}"
    sample = Raised(0, name, "test", "info", moment, message, {})
    error = run_command(settings.alert_command, sample, is_test=True)
    return Tested(found, error is None, error and settings.scrub(error))


class Courier:
    """Delivers alerts one after the other in a thread of its own; without a command it delivers none."""

    def __init__(self, engine: Engine, run: Run, settings: Settings, *, timeout: float = TIMEOUT) -> None:
        self._engine = engine
        self._run = run
        self._command = settings.alert_command
        self._scrub = settings.scrub
        self._timeout = timeout
        self._waiting: queue.SimpleQueue[Raised | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="courier", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Deliver what waits, as far as that takes no longer than one command may."""
        self._waiting.put(None)
        self._thread.join(LAST_TIMEOUT)

    def deliver(self, alert: Raised) -> None:
        """Deliver an alert soon."""
        if self._command is not None:
            self._waiting.put(alert)

    def _work(self) -> None:
        while (alert := self._waiting.get()) is not None:
            self._deliver(self._command or "", alert)

    def _deliver(self, command: str, alert: Raised) -> None:
        error = run_command(command, alert, timeout=self._timeout)
        error = error and self._scrub(error)
        if error is not None:
            self._run.warning(f"Alert {alert.id} was not delivered: {error}", alert=alert.id)
        try:
            alerts.note_delivery(self._engine, alert.id, now(), error)
        except DBAPIError as away:
            self._run.warning(f"What came of alert {alert.id} cannot be stored: {describe(away)}")
