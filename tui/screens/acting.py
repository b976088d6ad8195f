"""What screens do: changes made in threads, runs started, asked for in forms, and asked to stop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from tui.threads import in_thread
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.config import Settings
    from musktracker.run_info import RunInfo
    from tui.app import Console
    from tui.widgets.form import FormScreen

LOSES_WORK = ("train", "demo", "compare", "promote")  # what other kinds have done stays in the database


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
        """Start a run as a detached process; `then` is called with its id."""
        settings = self.app.settings
        start = partial(_launched, settings, kind=kind, parameters=parameters)
        self.act(start, done=lambda run_id: _started(run_id, kind), then=then)

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

        def started(run_id: int | None) -> None:
            if run_id is not None:
                self.notify(_started(run_id, kind), markup=False, timeout=4)
                if then is not None:
                    then(run_id)
                self.refresh_data()

        form.go_on(lambda engine, given: _launched(settings, engine, kind, given))
        self.app.push_screen(form, started)

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

    def _say(self, done: str | Callable[[Any], str] | None, seconds: float, result: Any) -> None:
        if done is not None:
            self.app.notify(done if isinstance(done, str) else done(result), markup=False, timeout=seconds)


def _launched(settings: Settings, engine: Engine, kind: str, parameters: dict[str, Any]) -> int:
    from musktracker import launching
    from musktracker.pipeline import stages

    return launching.launch(settings, engine, kind, parameters, lease=stages.lease(kind, parameters))


def _started(run_id: int, kind: str) -> str:
    return f"Run {run_id} ({kind}) started"
