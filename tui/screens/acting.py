"""What screens do: changes made in threads, runs started, asked for in forms, and asked to stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from tui.hints import hint
from tui.threads import in_thread
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.config import Settings
    from musktracker.run_info import RunInfo
    from tui.app import Console
    from tui.widgets.form import FormScreen

LOSES_WORK = ("train", "demo", "compare", "promote")  # what other kinds have done stays in the database


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was asked for; `before` where the very same went on already, and none was started."""

    run_id: int
    kind: str
    before: bool = False


class ActingScreen(Screen[None]):
    """A screen that changes what is in the database, in threads, and tells how that ended."""

    app: Console

    def refresh_data(self) -> None:
        """Read again what is shown, where something is."""

    def act(
        self,
        function: Callable[[Engine], Any],
        *,
        done: str | Callable[[Any], str] | None = None,
        then: Callable[[Any], None] | None = None,
        after: Callable[[], None] | None = None,
        seconds: float = 4,
        lasting: str = "",
    ) -> None:
        """Make a change in a thread; then say `done` for some seconds, call `then` with its result, and fetch again.

        `after` is called last, whether it worked or not. How it ended is told also where the screen was left; `then`
        and `after` are for a screen that is there. Before the console ends, it asks about what is `lasting`.
        """
        said = partial(self._say, done, seconds)
        begin(self.app, "act", self._act, function, said, then, after, description=lasting)

    def launch(self, kind: str, parameters: dict[str, Any], *, then: Callable[[int], None] | None = None) -> None:
        """Start a run as a detached process; `then` is called with its id.

        Where the same goes on already, be it because a key was pressed twice, that is told instead of started anew,
        and `then` is called with it.
        """
        start = partial(_launched, self.app.settings, kind=kind, parameters=parameters)
        follow = None if then is None else lambda started: then(started.run_id)
        begin(self.app, "act", self._act, start, self._tell_start, follow, None)

    def ask_run(
        self,
        form: FormScreen,
        kind: str,
        *,
        then: Callable[[int], None] | None = None,
    ) -> None:
        """Open a form, and start a run with the parameters that it gives, as `launch` does.

        What keeps the run from starting is said in the form, which stays.
        """
        settings = self.app.settings

        def closed(started: Started | None) -> None:
            if started is not None:
                self._tell_start(started)
                if then is not None:
                    then(started.run_id)
                self.refresh_data()

        form.go_on(lambda engine, given: _launched(settings, engine, kind, given))
        self.app.push_screen(form, closed)

    def cancel_run(self, info: RunInfo) -> None:
        """Ask a run that goes on to stop; first the operator, where work would be lost."""
        from tui.widgets.confirm import Confirm
        from tui.widgets.run_progress import took

        if not info.active:
            return
        if info.lost or info.kind not in LOSES_WORK:
            self._ask_to_stop(info.id)
            return
        lines = [f"It has run for {took(info, self.app.now())}.", "What it has computed so far is lost."]
        question = Confirm(f"Cancel run {info.id} ({info.kind})?", lines, yes="Cancel the run", no="Let it go on")
        self.app.push_screen(question, lambda yes: self._ask_to_stop(info.id) if yes else None)

    def _ask_to_stop(self, run_id: int) -> None:
        def cancel(engine: Engine) -> bool:
            from musktracker import runs

            return runs.request_cancel(engine, run_id)

        def said(asked: bool) -> str:
            return f"Run {run_id} was asked to stop" if asked else f"Run {run_id} has ended already"

        self.act(cancel, done=said)

    def action_import(self) -> None:
        """Ask for a file of posts, and import it."""
        from tui.screens.import_form import import_form

        self.ask_run(import_form(), "import", then=self.run_started)

    def run_started(self, run_id: int) -> None:
        """A run that was asked for here has begun; a screen that shows runs goes to it."""

    @property
    def _is_whole(self) -> bool:
        """Whether its widgets are all there: they go before the screen itself does."""
        return self.is_attached and any(child.id == "banner" for child in self.children)

    async def _act(
        self,
        function: Callable[[Engine], Any],
        said: Callable[[Any], None],
        then: Callable[[Any], None] | None,
        after: Callable[[], None] | None,
    ) -> None:
        try:
            await self._act_once(function, said, then)
        finally:
            if after is not None and self._is_whole:
                after()

    async def _act_once(
        self,
        function: Callable[[Engine], Any],
        said: Callable[[Any], None],
        then: Callable[[Any], None] | None,
    ) -> None:
        engine = self.app.engine
        if engine is None:
            self.app.complain("The database is not open yet")
            return
        try:
            result = await in_thread(function, engine)
        except Exception as error:
            self.app.complain(error)
        else:
            said(result)
            if then is not None and self._is_whole:
                then(result)
        self.refresh_data()

    def _tell_start(self, started: Started) -> None:
        run = f"Run {started.run_id} ({started.kind})"
        if started.before:
            hint(self.app, f"{run} goes on already: 3 shows it")
        else:
            self.app.notify(f"{run} started", markup=False, timeout=4)

    def _say(self, done: str | Callable[[Any], str] | None, seconds: float, result: Any) -> None:
        if done is not None:
            self.app.notify(done if isinstance(done, str) else done(result), markup=False, timeout=seconds)


def _launched(settings: Settings, engine: Engine, kind: str, parameters: dict[str, Any]) -> Started:
    from musktracker import launching, leases
    from musktracker.pipeline import stages

    lease = stages.lease(kind, parameters) or _own_lease(kind, parameters)
    try:
        return Started(launching.launch(settings, engine, kind, parameters, lease=lease), kind)
    except leases.LeaseHeld as held:
        holder = held.holder
        if holder.kind != kind or _stored(holder.parameters) != _stored(parameters):
            raise
        return Started(holder.id, kind, before=True)


def _own_lease(kind: str, parameters: Mapping[str, Any]) -> str:
    """What no other run wants but the very same, for kinds that may overlap."""
    from hashlib import blake2b

    return f"{kind}:{blake2b(_stored(parameters).encode(), digest_size=8).hexdigest()}" if parameters else kind


def _stored(parameters: Mapping[str, Any]) -> str:
    """Parameters as a run's row has them."""
    return json.dumps(dict(parameters), sort_keys=True, default=str)
