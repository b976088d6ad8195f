"""The places of the console: the screens by number, and what opens over them by name."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType

if TYPE_CHECKING:
    from tui.screens.base import ConsoleScreen


@dataclass(frozen=True, slots=True)
class Place:
    """A screen, `kind` the module and the class of it, and what it tells. To call it is to make it."""

    title: str
    kind: str
    key: str = ""
    about: str = ""

    def __call__(self) -> ConsoleScreen:
        return self.screen_class()

    @property
    def screen_class(self) -> type[ConsoleScreen]:
        """Its class, from a module that is imported only now."""
        module, _, name = self.kind.partition(".")
        found: type[ConsoleScreen] = getattr(importlib.import_module(f"tui.screens.{module}"), name)
        return found


SCREENS = {  # by number
    "overview": Place("Overview", "overview.OverviewScreen"),
    "migrations": Place("Migrations", "migrations.MigrationsScreen"),
    "ingestion": Place("Ingestion", "ingestion.IngestionScreen"),
    "events": Place("Events", "events.EventsScreen"),
    "models": Place("Models", "models.ModelsScreen"),
    "forecasts": Place("Forecasts", "forecasts.ForecastsScreen"),
}
PLACES = {  # over any of them: by a key on the overview and in one another, and from anywhere by the palette
    "alerts": Place("Alerts", "alerts.AlertsScreen", "A", "What was to be told of, and on which conditions"),
    "service": Place("Service", "service.ServiceScreen", "S", "What is done by itself: when, and how it went last"),
    "settings": Place("Settings", "settings.SettingsScreen", "C", "Every setting, and where it came from"),
}
OF_FORECASTS = {  # over the forecasts; the next start goes on there
    "windows": Place("Windows", "window_view.WindowScreen"),
    "what_if": Place("What if", "what_if_view.WhatIfScreen"),
    "calibration": Place("Calibration", "calibration_view.CalibrationScreen"),
}


def place_keys(here: str = "", *, shown: tuple[str, ...] = ()) -> list[BindingType]:
    """The keys of all places but the one that is here; those of the `shown` ones are told at the bottom."""
    return [
        Binding(
            place.key,
            f"app.place('{name}')",
            place.title,
            show=name in shown,
            tooltip=place.about,
            id=f"place.{name}",
        )
        for name, place in PLACES.items()
        if name != here
    ]
