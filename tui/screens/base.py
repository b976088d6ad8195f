"""What all screens share: data fetched in a thread, and shown by difference."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key, Resize, ScreenResume
from textual.geometry import Size
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from tui.compositor import SparingCompositor
from tui.hints import hint
from tui.screens.acting import ActingScreen
from tui.screens.terms import Terms
from tui.threads import in_thread
from tui.widgets.header import Header
from tui.widgets.keys import Keys
from tui.widgets.waiting import Waiting
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine


STALE_SECONDS = 60.0  # without any change in the database, data are read again after this long: minutes are shown
LATE_SECONDS = 6.0  # a database that answers takes none as long: SQLite waits for 5 s at most
PASSING_SECONDS = 0.06  # a cursor that moves on within it has not chosen anything
RESTING_SECONDS = 0.25  # what is drawn of a row is several times what a move sends over the line: it waits for a rest
READING_SHARE = 0.005  # of a processor, for what is read again while the database goes on changing
OPENED_TO_READ = "Opened read-only: “{}” needs a console opened without --read-only"
MAY_ONLY_READ = "“{}” would change the database, whose file may only be read here"


class ConsoleScreen(ActingScreen):
    """A place of the console: `fetch` reads in a thread, `show` paints what it read.

    `fetch` runs every `REFRESH_SECONDS` while the screen is the current one and the database has changed, or less
    often where it takes long; what it returns must compare equal when nothing changed, and then nothing is painted.
    """

    TITLE: ClassVar[str]
    REFRESH_SECONDS: ClassVar[float] = 2.0
    CHANGES: ClassVar[frozenset[str]] = frozenset()  # actions that change something: not in a console that only reads
    TERMS: ClassVar[Terms] = ()  # the words and marks of the screen, for its help
    AUTO_FOCUS = "*"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", show=False, tooltip="Back to the list, then out of it", id="screen.back"),
        Binding("tab", "app.focus_next", "Next panel", show=False, tooltip="Go to the next panel", id="screen.next"),
        Binding(
            "shift+tab",
            "app.focus_previous",
            "Panel before",
            show=False,
            tooltip="Go to the panel before",
            id="screen.previous",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.under = ""  # the title of the screen by number that this one is open over
        self._compositor = SparingCompositor()
        self._shown: Any = None
        self._fetching = False
        self._again = False
        self._wanted_anew = False
        self.reading_share = READING_SHARE
        self._fetched_at = self._rests_until = float("-inf")
        self._fetching_since = 0.0
        self._pulse: object = None
        self._timer: Timer | None = None
        self._styled_for: object = None
        self._resumed = False
        self._opens_later: Callable[[], None] | None = None
        self._once_read: list[Callable[[], object]] = []

    def fetch(self, engine: Engine) -> Any:
        """Read what the screen shows; called in a thread, touches no widget."""
        raise NotImplementedError

    def show(self, data: Any) -> None:
        """Bring the widgets up to what `fetch` returned, by difference: cursor and scroll stay."""
        raise NotImplementedError

    def compose_body(self) -> ComposeResult:
        """The screen's own widgets, between header and footer."""
        yield from ()

    def compose(self) -> ComposeResult:
        """Header, banner for what keeps the screen from the truth, body, keys."""
        self._fit(self.app.size)
        self._styled_for = self._look
        yield Header()
        yield Static(id="banner", markup=False)
        with Vertical(id="body"):
            yield from self.compose_body()
            yield Waiting()
        yield Keys()
        yield Static("Too small: make this window\nat least 60 columns by 16 rows.\nctrl+q quits", id="too-small")

    def refresh_data(self) -> None:
        """Fetch again, now or as soon as the fetch that is under way has ended."""
        self._wanted_anew, self._rests_until = True, float("-inf")
        self._fetch_soon()

    def once_read(self, then: Callable[[], object]) -> None:
        """Do something once the screen shows what it read; at once where it does."""
        if self._shown is None:
            self._once_read.append(then)
        else:
            self.call_after_refresh(then)

    def open_over(
        self, screen: Screen[Any], closed: Callable[[Any], None] | None = None, *, later: bool = False
    ) -> None:
        """Open what was worked out meanwhile over this screen, never over something else.

        Where the operator has gone on, it is dropped, or opened `later`, when this screen is back on top.
        """
        self._opens_later = None
        if self.app.screen is self:
            self.app.push_screen(screen, closed)
        elif later:
            self._opens_later = partial(self.open_over, screen, closed, later=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """A console that only reads has no action that would change something, and a screen in the making none."""
        if not self._is_whole or (self.app.read_only and action in self.CHANGES):
            return False
        return self.can(action)

    def can(self, action: str) -> bool | None:  # noqa: ARG002
        """Whether an action can be done now: None dims its key, False takes it away."""
        return True

    def on_key(self, event: Key) -> None:
        """Say what keeps a key that would change something from it, in a console that only reads."""
        if not (self.app.read_only and self._is_whole):
            return
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            action = binding.action.partition("(")[0]
            if action in self.CHANGES and self.can(action) is not False and event.key not in self.active_bindings:
                words = OPENED_TO_READ if self.app.settings.may_write else MAY_ONLY_READ
                hint(self.app, words.format(binding.description))

    def action_back(self) -> None:
        """Give the keys back to the list that had them first; from there, leave a screen opened from another."""
        home = self.query(str(self.AUTO_FOCUS)).first()
        if self.focused is not home and home.focusable and is_shown(home):
            home.focus()
        else:
            self.app.navigation.up()

    def _update_auto_focus(self) -> None:
        """As Textual does, but nothing that is not shown gets the keys."""
        super()._update_auto_focus()
        if self.focused is not None and not is_shown(self.focused):
            self.set_focus(None)

    def on_mount(self) -> None:
        """Begin to read."""
        self._timer = self.set_interval(self.REFRESH_SECONDS, self._fetch_in_time, pause=not self.is_current)

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Become the current screen: paint, then read, and go on reading.

        Its styles are made again only where they would come out otherwise: that takes as long as to paint it.
        """
        if self._resumed:
            event.prevent_default()  # a new screen is told twice, and would be painted twice
            return
        self._resumed = True
        look = self._look
        event.refresh_styles = look != self._styled_for
        self._styled_for = look
        if self._timer is not None:
            self._timer.resume()
        self.call_after_refresh(self._fetch_soon)
        if self._opens_later is not None:
            self._opens_later()

    @property
    def _look(self) -> object:
        """All beside its own classes that its styles depend on."""
        return self.app._css_update_count, self.app.app_focus, frozenset(self.app.classes)

    def _fit(self, size: Size) -> None:
        """Take the classes of a size before there are widgets whose styles would be made twice."""
        for length, breakpoints in (
            (size.width, self.HORIZONTAL_BREAKPOINTS),
            (size.height, self.VERTICAL_BREAKPOINTS),
        ):
            self.add_class(*self._get_breakpoint_classes(length, breakpoints or []))

    @on(Resize)
    def _offer_keys(self) -> None:
        """Offer the keys that make sense at this size."""
        self.refresh_bindings()

    def on_screen_suspend(self) -> None:
        """Cease to be the current screen: read no more, and keep no drawn lines, which are drawn again in no time."""
        self._resumed = False
        if self._timer is not None:
            self._timer.pause()
        for widget in self.walk_children(Widget):
            widget._styles_cache.clear()

    def _fetch_in_time(self) -> None:
        late = self.app.monotonic() - self._fetching_since
        if self._fetching and late >= LATE_SECONDS and self._is_whole:
            self._pulse = None  # so that the answer is shown, whatever it is
            self.query_one(Waiting).say("There is nothing to show yet")
            self.banner(f"The database has not answered for {late:.0f} s. See that its server runs and is reachable")
        else:
            self._fetch_soon(rests=self.app.monotonic() < self._rests_until)

    def _fetch_soon(self, *, rests: bool = False) -> None:
        """Look whether there is anything new, and read it, unless it `rests`: then only a database that is away."""
        if self._fetching:
            self._again = True
        elif self.app.engine is not None and self.is_attached and self.is_current:
            self._fetching, self._fetching_since = True, self.app.monotonic()
            begin(self, "fetch", self._fetch, self.app.engine, rests)

    async def _fetch(self, engine: Engine, rests: bool) -> None:
        try:
            await self._fetch_once(engine, rests)
        finally:
            self._fetching = False
            if self._again:
                self._again = False
                self._fetch_soon()

    async def _fetch_once(self, engine: Engine, rests: bool) -> None:
        pulse = await in_thread(self.app.connection.pulse, engine)
        moment = self.app.monotonic()
        as_before = pulse is not None and pulse == self._pulse and moment - self._fetched_at < STALE_SECONDS
        if (as_before or (rests and pulse is not None)) and not self._wanted_anew:
            return
        self._wanted_anew = False
        try:
            status, data, seconds = await in_thread(self._read, engine)
            if self._shown is not None:  # the first took most of its time to import what reads
                self._rests_until = moment + seconds / self.reading_share
            if self._is_whole:
                self._show_read(status, data)
        except Exception as error:  # also of rows that cannot be shown: others write them too
            self._pulse = None
            if not self._is_whole:
                return
            self.query_one(Waiting).say("There is nothing to show yet")
            self.banner(f"{self.app.failed(error)}\nr reads again · ! shows the details")
            return
        self._pulse, self._fetched_at = pulse, moment

    def _show_read(self, status: Any, data: Any) -> None:
        self.banner("")
        self.query_one(Waiting).display = False
        self.app.status = status
        if data != self._shown:
            self.show(data)
            self._shown = data
        for then in self._once_read:
            self.call_after_refresh(then)
        self._once_read.clear()

    def _read(self, engine: Engine) -> tuple[Any, Any, float]:
        """What the header and the screen show, and the processor's time that it took."""
        from musktracker.db.queries import overview

        started = time.thread_time()
        try:
            status = overview.status(engine)
        except Exception:  # a schema that was taken down: the screen says more than the header could
            status = None
        data = self.fetch(engine)
        return status, data, time.thread_time() - started

    def banner(self, text: str) -> None:
        """Say on the screen what keeps it from showing the truth; an empty text takes that away."""
        banner = self.query_one("#banner", Static)
        if banner.display == bool(text) and (not text or banner.content == text):
            return
        banner.update(text)
        banner.display = bool(text)


def is_shown(widget: Widget) -> bool:
    """Whether a widget and all that it stands in have a place on the screen."""
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))
