"""The terminal, and handing it back: whatever ends the console, the terminal is as it was within a second."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import sys
import termios
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from textual import constants
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, Paste

from tui.ascii import given_environ, is_utf8, plain

if TYPE_CHECKING:
    from tui.app import Console

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
FORCE_SECONDS = 0.8  # an ending that takes longer (a line that stalls, a loop that is stuck) is forced
BURST = 256  # characters that come at once: more than anybody types, so that they were pasted
PASTE_BEGINS, PASTE_ENDS = "\x1b[200~", "\x1b[201~"
LULL_SECONDS = 0.1  # no key is pressed sooner behind a paste; its pieces come sooner, even over a slow line
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # of keys; a tab and ends of lines are pasted
ACT_SECONDS = 0.1  # that a key is waited for at most by one that comes right behind it
CALM_TURNS = 6  # of the event loop without a message
PASTE_SECONDS = 2.0  # of silence in the middle of a paste: its end got lost on the way
REPLIES = re.compile(r"\x1b\[[?>][\d;]*[uc]|\x1bP[^\x1b]*\x1b\\|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")  # nobody asked
CLEAR = "\x1b[2J"
MOUSE_OFF = "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
HAND_BACK = f"\x1b[?2026l\x1b[?2004l\x1b[?2048l{MOUSE_OFF}\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l\x1b[0m"


class Line:
    """Where the driver writes: once the line is cut, writing is no error, and reaches nobody."""

    def __init__(self, descriptor: int, *, utf8: bool = True) -> None:
        self._descriptor = descriptor
        self._utf8 = utf8
        self._pending: list[str] = []
        self._cut = False

    def fileno(self) -> int:
        """The descriptor that is written to."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Keep the text until `flush`."""
        self._pending.append(text)
        return len(text)

    def flush(self) -> None:
        """Send what was written."""
        text = "".join(self._pending)
        data = memoryview((text if self._utf8 else plain(text)).encode("utf-8", "replace"))
        self._pending.clear()
        while data and not self._cut:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError:
                self._cut = True


class Pastes:
    """Tells what was pasted in a terminal that does not say so from what was typed.

    A key for each of its characters would keep the console busy for a minute, and do things that nobody asked for.
    """

    def __init__(self) -> None:
        self.goes_on = False  # one that the terminal told the beginning of
        self._end = ""
        self._pieces: list[str] = []

    @property
    def is_coming(self) -> bool:
        """Whether pieces of a paste are kept that the terminal told nothing of."""
        return bool(self._pieces)

    def typed(self, text: str) -> str:
        """Of what came at once what is no paste, or one that the terminal tells; pieces of others are kept."""
        before, seen = self.goes_on, self._end + text
        begins, ends = seen.rfind(PASTE_BEGINS), seen.rfind(PASTE_ENDS)
        if begins != ends:
            self.goes_on = begins > ends
        self._end = seen[-len(PASTE_BEGINS) + 1 :]
        key = CONTROLS.search(text)
        piece = text[: key.start()] if key else text
        held = len(set(piece)) == 1  # a key, over a line that stalled
        begins_one = len(piece) >= BURST and not held and not before and not self.goes_on
        if not piece or not (self._pieces or begins_one):
            return text
        self._pieces.append(piece)
        return text[len(piece) :]

    def pasted(self) -> str:
        """The whole of it: nothing more comes, or a key was pressed behind it."""
        text = "".join(self._pieces)
        self._pieces.clear()
        return text


class Terminal(LinuxDriver):
    """Textual's driver, that also ends on SIGTERM, SIGHUP, SIGINT and a cut line, and never wakes up for nothing."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._line = Line(_descriptor(), utf8=is_utf8(given_environ()))
        self._file = cast(Any, self._line)
        self._handlers: dict[signal.Signals, Any] = {}
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._watchdog: threading.Timer | None = None
        self._wake: tuple[int, int] | None = None
        self._suspended = False
        self._parser = XTermParser(self._debug)
        self._pressed = ("", float("-inf"))

    @property
    def is_taken(self) -> bool:
        """Whether the terminal is the console's now; a process in the background cannot take it."""
        return self._key_thread is not None and self._key_thread.is_alive()

    def start_application_mode(self) -> None:
        """Take the terminal over, and listen to the signals that end the console."""
        self._running_loop = asyncio.get_running_loop()
        if self._wake is None:
            self._wake = os.pipe()
        for number in SIGNALS:
            if number not in self._handlers and signal.getsignal(number) != signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._signalled)
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if not self.is_taken and self._is_cut():
            self.end(128 + signal.SIGHUP)

    def stop_application_mode(self) -> None:
        """Give the terminal back; empty first, as tmux lays what was drawn over a window that has grown since."""
        self.write(CLEAR)
        super().stop_application_mode()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def disable_input(self) -> None:
        """Read no more keys."""
        if self._wake is None:
            return
        os.write(self._wake[1], b".")
        super().disable_input()
        for descriptor in self._wake:
            os.close(descriptor)
        self._wake = None

    def close(self) -> None:
        """Send what is left to send; the end is no longer to be forced."""
        super().close()
        if self._watchdog is not None:
            self._watchdog.cancel()

    def run_input_thread(self) -> None:
        """Read keys until the input is disabled or the line is cut."""
        wake = self._wake[0] if self._wake else self.fileno
        decode = getincrementaldecoder("utf-8")("replace").decode
        pastes, patience = Pastes(), None
        while not self.exit_event.is_set():
            ready, _, _ = select.select([self.fileno, wake], [], [], patience)
            if self.fileno in ready:
                data = self._read()
                if not data:
                    self.end(128 + signal.SIGHUP)
                    return
                typed = pastes.typed(decode(data))
                if pastes.is_coming and not typed:
                    patience = LULL_SECONDS
                    continue
                self._paste(pastes)
                self._hear(typed)
            elif pastes.goes_on and patience == PASTE_SECONDS:
                self._hear(pastes.typed(PASTE_ENDS))
            else:
                self._paste(pastes)
            self._hear(None)
            silence = PASTE_SECONDS if pastes.goes_on else None
            patience = constants.ESCAPE_DELAY if self.fileno in ready else silence

    def _paste(self, pastes: Pastes) -> None:
        if pastes.is_coming:
            self.process_message(Paste(pastes.pasted()))

    def _hear(self, text: str | None) -> None:
        """Take in what came, or with None that nothing more has come for a while."""
        try:
            known = REPLIES.sub("", text or "")
            events = list(self._parser.feed(known) if known else self._parser.tick())
        except Exception:  # garbled on its way: what it was cannot be told
            self._parser = XTermParser(self._debug)
            return
        for event in events:
            if isinstance(event, Key):
                self._wait_for_focus(event.key)
            self.process_message(event)

    def _wait_for_focus(self, key: str) -> None:
        """Let the key before act first, where another one comes at once: it may have moved the focus."""
        before, self._pressed = self._pressed, (key, time.monotonic())
        if key == before[0] or self._pressed[1] - before[1] > ACT_SECONDS or self._running_loop is None:
            return
        with suppress(Exception):  # it is slow, or the console ends: the key goes where the focus is now
            heard = asyncio.run_coroutine_threadsafe(_all_is_heard(self._app), self._running_loop)
            heard.result(2 * ACT_SECONDS)

    def _get_terminal_size(self) -> tuple[int, int]:
        """The terminal's own: COLUMNS and LINES, where they are set, say how large it was once."""
        with suppress(OSError):
            columns, lines = os.get_terminal_size(self.fileno)
            if columns and lines:
                return columns, lines
        return super()._get_terminal_size()

    def end(self, code: int) -> None:
        """End the console with an exit code, by force where it does not end by itself. Safe from any thread."""
        if self._watchdog is None:
            self._watchdog = threading.Timer(FORCE_SECONDS, self._force, [code])
            self._watchdog.daemon = True
            self._watchdog.start()
        if self._running_loop is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._running_loop.call_soon_threadsafe(self._app.exit, None, code)

    def _sigtstp_application(self, *_: object) -> None:
        self._soon(self._suspend)

    def _sigcont_application(self, *_: object) -> None:
        if not self._suspended:  # it was stopped by what cannot be caught, and the shell has had the terminal
            self._soon(self._take_again)

    def _suspend(self) -> None:
        self._suspended = True
        self.suspend_application_mode()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take_again()
        self._suspended = False

    def _take_again(self) -> None:
        if self.is_taken:
            self.suspend_application_mode()
        while not self.is_taken and self._watchdog is None:  # in the background it stops again as it tries
            self.resume_application_mode()
        cast("Console", self._app).action_redraw()

    def _soon(self, action: Callable[[], None]) -> None:
        """Act in the loop's turn: a handler might interrupt whoever holds the lock that it needs."""
        if self._running_loop is not None:
            self._running_loop.call_soon_threadsafe(action)

    def _is_cut(self) -> bool:
        try:
            termios.tcgetattr(self.fileno)
        except termios.error:
            return True
        return False

    def _disable_mouse_support(self) -> None:
        if self._mouse:
            self.write(MOUSE_OFF)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self.end(128 + number)

    def _force(self, code: int) -> None:
        if self.attrs_before is not None:
            with suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        descriptor = self._line.fileno()
        with suppress(OSError):
            if select.select([], [descriptor], [], 0)[1]:
                os.write(descriptor, HAND_BACK.encode())
        os._exit(code)


async def _all_is_heard(app: App[Any]) -> None:
    """Wait, not for long, until no message is left of what the keys so far have begun."""
    calm = 0
    async with asyncio.timeout(ACT_SECONDS):
        while calm < CALM_TURNS:
            await asyncio.sleep(0)
            pumps = (app, *app.screen.walk_children(with_self=True))
            calm = 0 if any(pump.message_queue_size for pump in pumps) else calm + 1


def _descriptor() -> int:
    """What is drawn on: standard error, or standard output where errors go elsewhere."""
    streams = (sys.__stderr__, sys.__stdout__)
    return next((each.fileno() for each in streams if each is not None and each.isatty()), 2)
