"""The two lines on top: whose posts, in which database, how fresh, what runs, what time it is, and the screens."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from musktracker.text import printable
from musktracker.timeline import HOUR
from tui.places import SCREENS

if TYPE_CHECKING:
    from musktracker.db.queries.overview import ActiveRun, Status
    from tui.app import Console

GAP = "  "
ACCOUNT = "bold $primary"
QUIET = "$text-muted"
GOOD = "$success"
WARNING = "$warning"
BAD = "$error"
RUN = "$accent"
HERE = "bold $block-cursor-foreground on $block-cursor-background"
KEY = "$accent"


class Header(Widget):
    """Account, database, freshness and clock; below them the screens by their keys. Painted only when it differs."""

    app: Console
    DEFAULT_CSS = """
    Header {
        dock: top;
        height: 2;
        padding: 0 1;
        background: $surface;
        color: $foreground;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._painted: Content | None = None

    def on_mount(self) -> None:
        """Follow what the app knows, and the clock from minute to minute."""
        self.watch(self.app, "status", self.update, init=False)
        self.watch(self.app, "phase", self.update, init=False)
        self._wait_for_the_minute()

    def update(self) -> None:
        """Paint, if there is anything new to see."""
        if not self.is_attached or not self.size.width or self._painted is None:
            return
        if not self._content(self.content_size.width).is_same(self._painted):
            self.refresh()

    def render(self) -> Content:
        self._painted = self._content(self.content_size.width)
        return self._painted

    def _wait_for_the_minute(self) -> None:
        moment = self.app.now()
        self.update()
        self.set_timer(60.05 - moment.second - moment.microsecond / 1e6, self._wait_for_the_minute)

    def _content(self, width: int) -> Content:
        return Content("\n").join([self._state_line(width), self._screens_line(width)])

    def _state_line(self, width: int) -> Content:
        right = self._right(width)
        room = width - right.cell_length - len(GAP)
        account = Content.styled(f"@{self.app.settings.account}", ACCOUNT)
        if self.app.read_only:
            account += Content.styled(" read only", WARNING)
        database = _database_name(self.app.settings.safe_database_url, room - account.cell_length - len(GAP))
        left = account + Content.styled(f"{GAP}{database}" if database else "", QUIET)
        return left.pad_right(max(width - left.cell_length - right.cell_length, 0)) + right

    def _right(self, width: int) -> Content:
        clock = Content.styled(self.app.format_time(self.app.now(), "%H:%M %Z"), QUIET)
        status = self.app.status
        if status is None:
            return Content.styled(f"{self.app.phase}{GAP}", RUN) + clock
        parts = [*self._runs(status, width), *self._freshness(status, width), clock]
        return Content(GAP).join(parts)

    def _runs(self, status: Status, width: int) -> list[Content]:
        # a service is there all the time: it is shown where nothing else is, or where it is lost
        active = [run for run in status.active if run.kind != "service" or self._lost(run)] or list(status.active)
        if not active:
            return []
        if len(active) > 1:
            return [Content.styled(f"● {len(active)} runs", RUN)]
        run = active[0]
        percent = "" if run.progress is None else f" {run.progress:.0%}"
        if self._lost(run):
            return [Content.styled(f"! {run.kind} lost", BAD)]
        return [Content.styled(f"● {run.kind}{percent}" if width >= 70 else f"●{percent}", RUN)]

    def _freshness(self, status: Status, width: int) -> list[Content]:
        if status.last_post is None or width < 70:
            return []
        since = self.app.now() - status.last_post
        parts = [Content.styled("post ", QUIET) + Content(age(since))]
        if status.last_bucket_end is not None and width >= 90:
            behind = self.app.now() - status.last_bucket_end > 2 * HOUR
            counted = self.app.format_time(status.last_bucket_end, "%m-%d %H:%M")
            style = WARNING if behind else GOOD
            parts.append(Content.styled("counted to ", QUIET) + Content.styled(counted, style))
        return parts

    def _lost(self, run: ActiveRun) -> bool:
        from musktracker.run_info import STALE

        return self.app.now() - (run.heartbeat_at or run.created_at) > STALE

    def _screens_line(self, width: int) -> Content:
        here, parts = getattr(self.screen, "under", "") or self.screen.title, []
        titles = [place.title for place in SCREENS.values()]
        long = sum(len(title) + 4 for title in titles) <= width + 2
        for i, title in enumerate(titles, 1):
            shown = title if long or title == here else title[:4]
            if title == here:
                parts.append(Content.styled(f" {i} {shown} ", HERE))
            else:
                key = Content.styled(f" {i} ", KEY)
                parts.append(key + Content.styled(f"{shown} ", QUIET))
        return Content("").join(parts).truncate(width)


def age(since: timedelta) -> str:
    """How long ago, in words as short as they can be."""
    minutes = int(since.total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // 1440} d ago"


def _database_name(url: str, room: int) -> str:
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        path = PurePath(rest.removeprefix("/"))
        home = _home()
        short = f"~/{path.relative_to(home)}" if home and path.is_relative_to(home) else str(path)
        candidates = [short, f"…/{path.name}", path.name]
    else:
        place, _, name = rest.rpartition("/")
        name = name.partition("?")[0]
        candidates = [
            f"postgresql://{place}/{name}",
            f"postgres {place.rpartition('@')[2]}/{name}",
            f"postgres {name}",
        ]
    return next((printable(text) for text in candidates if len(text) <= room), "")


def _home() -> PurePath | None:
    from pathlib import Path

    try:
        return Path.home()
    except RuntimeError:
        return None
