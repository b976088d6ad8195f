"""Signals that ask this process to stop, while a run is carried out in it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from musktracker.errors import Cancelled

CHECK_SECONDS = 0.1  # between looks at whether a signal came while an ending is written
LAST_SECONDS = 1.0  # that an ending has left once a signal wants the process to end while it is written


class StopSignals:
    """SIGTERM and SIGHUP, which raise Cancelled while the stage runs, and wait while its row begins or ends."""

    def __init__(self) -> None:
        self._raises = False
        self._kept: int | None = None
        self._met: int | None = None
        self._again: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._meet) for number in (signal.SIGTERM, signal.SIGHUP)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def raise_from_now_on(self) -> None:
        """A signal raises Cancelled, as does one that was kept."""
        self._raises = True
        if self._kept is not None:
            self._meet(self._kept, None)

    @contextmanager
    def seen(self) -> Iterator[None]:
        """Raise Cancelled in place of what hides it: a driver that is cut off in a query raises errors of its own."""
        try:
            yield
        except Exception:
            self.check()
            raise

    def check(self) -> None:
        """Raise Cancelled once more where a signal raised it, whatever became of that."""
        if self._met is not None:
            raise Cancelled(f"Ended by {signal.Signals(self._met).name}", signal=self._met)

    def keep_from_now_on(self) -> None:
        """A signal is kept, an interrupt too: a second one must not cut off the ending either."""
        self._raises, self._again = False, None
        if self._before and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._before.setdefault(signal.SIGINT, signal.signal(signal.SIGINT, self._meet))

    def wait_for(self, ending: threading.Thread) -> None:
        """Wait for an ending to be written; SIGTERM or an interrupt leaves it a moment, then ends the process."""
        while ending.is_alive() and self._again is None:
            ending.join(CHECK_SECONDS)
        if self._again is not None:
            ending.join(LAST_SECONDS)
        if ending.is_alive() and self._again is not None:
            signal.signal(self._again, signal.SIG_DFL)
            os.kill(os.getpid(), self._again)

    def _meet(self, number: int, _frame: FrameType | None) -> None:
        self._kept = number
        if number != signal.SIGHUP:  # of which a terminal that goes may send several
            self._again = number
        if self._raises:
            self._raises, self._met = False, number  # one is enough: a second must not cut off the ending
            self.check()
