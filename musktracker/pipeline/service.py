"""The service: keeps a follower alive, and has everything else done at its time, each as a run of its own.

All that it knows of the past it reads from the runs: it can end at any moment, and the next one goes on. Work is done
in detached processes, which this one only starts and watches; what fails is tried again, and stops nothing else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from musktracker import config, launching, leases, runs
from musktracker.db import settings as database_settings
from musktracker.db.engines import is_passing, reading
from musktracker.db.queries import changes
from musktracker.errors import Cancelled, DataError, MuskTrackerError, describe
from musktracker.pipeline import agenda, alerts, attempts, schedule, stages, upkeep
from musktracker.pipeline.alert_delivery import Courier
from musktracker.pipeline.attempts import Attempt
from musktracker.pipeline.outages import CHECK_SECONDS, pause, through_outages
from musktracker.pipeline.schedule import Plan, Standing, Step
from musktracker.reporting import Run
from musktracker.timeline import HOUR, floor_hour, now, utc_text

TURN_SECONDS = 2.0  # between looks at what is due
LOOK = timedelta(minutes=1)  # between looks at the conditions of alerts; also after each step
ASK_AGAIN = timedelta(seconds=30)  # between looks at whether there is more to count
HOUR_PATIENCE = timedelta(minutes=3)  # that an hour's refresh waits for the follower
UNDELIVERED = HOUR  # for which alerts are delivered that a service before did not live to deliver
PATIENCE = 30.0  # seconds that short runs are given to end by themselves when the service stops
INSISTENCE = 15.0  # seconds that runs are given to end when they are asked to
STOPPING = PATIENCE + INSISTENCE + 40.0  # seconds that all of it may take, with the last alerts
FOLLOWER_SETTING = "service_follower"  # the run of the follower that a service started
LONG = ("ingest", "train")  # kinds that are asked to stop with the service; others are done soon
Launch = Callable[[str, Mapping[str, Any]], int]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the service has from its process: how runs are started, time, and where things are."""

    launch: Launch
    artifact_dir: str
    timezone: str
    courier: Courier
    clock: Callable[[], datetime] = now
    sleep: Callable[[float], None] = time.sleep


def serve(engine: Engine, run: Run, *, ingest: bool = True, once: bool = False) -> dict[str, Any]:
    """Serve until it is stopped; with `once`, do what is due and end. Without `ingest` files feed the database.

    Raises Cancelled when it is stopped, after its follower has ended; LeaseLost where another service has taken over;
    with `once` MuskTrackerError where a step failed, DataError where all that failed did for want of data.
    """
    settings = config.load()

    def launch(kind: str, parameters: Mapping[str, Any]) -> int:
        return launching.launch(settings, engine, kind, parameters, lease=stages.lease(kind, parameters))

    courier = Courier(engine, run, settings)
    surroundings = Surroundings(launch, str(settings.artifact_dir), settings.timezone, courier)
    with courier:
        for alert in alerts.undelivered(engine, now() - UNDELIVERED):
            courier.deliver(alert)
        service = Service(engine, run, surroundings, ingest=ingest, once=once)
        return service.once() if once else service.go_on()


class Service:
    """One service at work. `mine` are the runs that it started and has not seen end, names by their ids."""

    def __init__(
        self, engine: Engine, run: Run, around: Surroundings, *, ingest: bool = True, once: bool = False
    ) -> None:
        self.engine, self.run, self.around = engine, run, around
        self.ingest, self.is_once = ingest, once
        self.mine: dict[int, str] = {}
        self.started = 0
        self.failed: dict[str, int] = {}
        self._begun = around.clock()
        self._looked: datetime | None = None
        self._ask_after = self._begun
        self._told = ""

    def go_on(self) -> dict[str, Any]:
        """Take turns until the run is cancelled."""
        try:
            while True:
                self._turn_through_outages()
                pause(self.run, TURN_SECONDS, self.around.sleep)
        except (Cancelled, KeyboardInterrupt):
            self.run.take_time(STOPPING)
            self._stop()
            raise

    def once(self) -> dict[str, Any]:
        """Take turns until nothing is due and nothing that was started goes on."""
        try:
            while self._turn_through_outages() or self.mine:
                pause(self.run, CHECK_SECONDS, self.around.sleep)
        except (Cancelled, KeyboardInterrupt):
            self.run.take_time(STOPPING)
            self._stop()
            raise
        if self.failed:
            refused = all(code == DataError.exit_code for code in self.failed.values())
            raise (DataError if refused else MuskTrackerError)(
                f"{len(self.failed)} of {self.started} steps failed: {', '.join(self.failed)}",
                "musktracker runs list shows why",
            )
        return {"steps": self.started}

    def turn(self) -> bool:
        """Note what has ended, start what is due, look at the alerts; whether any step was started or goes on."""
        self._hold_lease()
        plan = schedule.read(self.engine)
        past = attempts.newest(self.engine, agenda.KINDS)
        moment = self.around.clock()  # not before the runs are read, one of which may have ended meanwhile
        ended = self._note_ended(past, moment)
        standings = self._standings(plan, past, moment)
        begun = [
            step for step in self._due(plan, standings, moment) if self._start(step.name, step.kind, step.parameters)
        ]
        if self.ingest and not self.is_once:
            self._keep_following(past, moment)
        if ended or self._looked is None or not timedelta() <= moment - self._looked < LOOK:
            self._look(moment)
        self._tell(standings, moment)
        return bool(begun) or any(one.going for one in standings.values())

    def _hold_lease(self) -> None:
        with reading(self.engine) as connection:
            leases.require_lease(connection, self.run)

    def _standings(self, plan: Plan, past: list[Attempt], moment: datetime) -> dict[str, Standing]:
        where = {"artifact_dir": self.around.artifact_dir, "timezone": self.around.timezone}
        planned = agenda.planned(self.engine, plan, past, moment, **where)
        if self.is_once and self.ingest and not self._others_ingest(past, moment):
            planned.insert(0, Step("ingest", "ingest", {}, self._begun, HOUR, {"follow": None}))
            planned = [
                replace(step, after=("ingest", *step.after)) if step.name == "refresh" else step for step in planned
            ]
        return schedule.judge(planned, past, moment, self._begun, once=self.is_once)

    def _others_ingest(self, past: list[Attempt], moment: datetime) -> bool:
        return any(one.holds(upkeep.LEASE) and one.going(moment) and one.id not in self.mine for one in past)

    def _due(self, plan: Plan, standings: Mapping[str, Standing], moment: datetime) -> list[Step]:
        refresh = standings["refresh"]
        found = [
            step for step in schedule.due(standings, moment) if step != refresh.step or self._is_hour_in(step, moment)
        ]
        if not self.is_once and self._is_changed(plan, refresh, moment):
            found.append(refresh.step)
        return found

    def _is_changed(self, plan: Plan, refresh: Standing, moment: datetime) -> bool:
        """Whether a refresh between the hours is due: some time after the last one, where there is more to count."""
        self._ask_after = min(self._ask_after, moment + ASK_AGAIN)  # which a clock that was set back would put off
        if refresh.last is None or not refresh.done or refresh.going or moment < max(refresh.due_at, self._ask_after):
            return False
        if moment - refresh.last.begun < timedelta(minutes=plan.refresh_minutes):
            return False
        self._ask_after = moment + ASK_AGAIN
        return changes.to_count(self.engine, refresh.last.begun, moment)

    def _is_hour_in(self, refresh: Step, moment: datetime) -> bool:
        """Whether the hour that is over was observed, for which the follower is given a while."""
        if not self.ingest or self.is_once or moment >= max(refresh.slot, self._begun) + HOUR_PATIENCE:
            return True
        until = changes.observed_until(self.engine)
        return until is not None and until >= floor_hour(refresh.slot)

    def _start(self, name: str, kind: str, parameters: Mapping[str, Any]) -> int | None:
        """Start a run; None where that cannot be now, since another holds its lease or no process can be made."""
        try:
            run_id = self.around.launch(kind, parameters)
        except leases.LeaseHeld as held:
            self.run.debug(f"{name} waits: {held.message}")
            return None
        except OSError as error:
            self.run.error(f"{name} cannot be started: {error}")
            return None
        self.mine[run_id] = name
        self.started += 1
        self.run.info(f"{name}: run {run_id} started", step=name, run=run_id)
        return run_id

    def _note_ended(self, past: list[Attempt], moment: datetime) -> bool:
        """Log how the runs that were started here ended; whether any did."""
        ended = False
        by_id = {attempt.id: attempt for attempt in past}
        for run_id, name in list(self.mine.items()):
            attempt = by_id.get(run_id)
            if attempt is not None and attempt.going(moment):
                continue
            if attempt is not None and attempt.lost(moment):
                runs.request_cancel(self.engine, run_id)  # which closes it
            del self.mine[run_id]
            ended = True
            self._tell_end(run_id, name)
        return ended

    def _tell_end(self, run_id: int, name: str) -> None:
        info = runs.get(self.engine, run_id)
        if info.status == "succeeded":
            self.run.info(f"{name}: run {run_id} succeeded", step=name, run=run_id)
            return
        if info.status != "cancelled" and self.is_once:
            self.failed[name] = (info.result or {}).get("exit_code", 1)
        self.run.warning(
            f"{name}: run {run_id} {info.status}: {info.error or 'no reason was given'}", step=name, run=run_id
        )

    def _keep_following(self, past: list[Attempt], moment: datetime) -> None:
        decision = upkeep.decide([one for one in past if one.kind in upkeep.KINDS], moment, self._begun)
        if decision.start:
            run_id = self._start("follower", "ingest", {"follow": True})
            if run_id is not None:
                database_settings.set(self.engine, FOLLOWER_SETTING, str(run_id))
            return
        if decision.following and decision.run_id is not None and self._is_a_services(decision.run_id):
            self.mine[decision.run_id] = "follower"
        if decision.words != self._told:
            self._told = decision.words
            self.run.log("warning" if decision.called_off else "info", f"Ingestion: {decision.words}")

    def _is_a_services(self, run_id: int) -> bool:
        """Whether a follower is one that this service started, or one before it that did not live to stop it."""
        return database_settings.get(self.engine, FOLLOWER_SETTING) == str(run_id)

    def _look(self, moment: datetime) -> None:
        self._looked = moment
        try:
            raised = alerts.look(self.engine, self.run, moment)
        except Exception as error:
            if isinstance(error, Cancelled) or is_passing(error):  # a signal can end the run at any line
                raise
            self.run.error(f"The alerts cannot be looked at: {describe(error)}")
            return
        for alert in raised:
            self.run.warning(f"Alert {alert.id}: {alert.message}", alert=alert.id, rule=alert.rule, key=alert.key)
            self.around.courier.deliver(alert)

    def _tell(self, standings: Mapping[str, Standing], moment: datetime) -> None:
        going = [f"{one.step.name} goes on" for one in standings.values() if one.going]
        waiting = [
            f"{one.step.name} is tried again at {utc_text(one.due_at, seconds=True)}"
            for one in standings.values()
            if one.failures and not one.done and one.due_at > moment
        ]
        slots = (one.step.slot + one.step.period for one in standings.values())
        soonest = min((slot for slot in slots if slot > moment), default=moment)
        following = [self._told] if self._told and self.ingest else []
        parts = [*going, *waiting, *following, f"next at {utc_text(soonest)}"]
        self.run.progress(stage="serving", message="; ".join(parts))

    def _stop(self) -> None:
        """End what was started here: ask long runs to, let short ones end by themselves, and then ask them, too."""
        try:
            self._ask([one for one in self._still_going() if one.kind in LONG])
            if self._wait_for_ends(PATIENCE):
                self._ask(self._still_going())
                left = self._wait_for_ends(INSISTENCE)
                if left:
                    self.run.warning(f"Left running: {', '.join(f'run {one.id} ({one.kind})' for one in left)}")
        except DBAPIError as error:
            self.run.error(f"The database is away, so what was started may go on: {describe(error)}")

    def _turn_through_outages(self) -> bool:
        return through_outages(self.run, self.turn, longest=math.inf, sleep=self.around.sleep)

    def _ask(self, going: list[Attempt]) -> None:
        for one in going:
            self.run.info(f"{self.mine[one.id]}: run {one.id} is asked to stop")
            runs.request_cancel(self.engine, one.id)

    def _wait_for_ends(self, seconds: float) -> list[Attempt]:
        left = seconds
        while left > 0 and self._still_going():
            self.around.sleep(CHECK_SECONDS)
            left -= CHECK_SECONDS
        return self._still_going()

    def _still_going(self) -> list[Attempt]:
        moment = self.around.clock()
        found = attempts.newest(self.engine, agenda.KINDS) if self.mine else []
        return [one for one in found if one.id in self.mine and one.going(moment)]
