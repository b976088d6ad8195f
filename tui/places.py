"""The places that open over the overview: by a key there and in one another, and from anywhere by the palette."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Place:
    """A screen `tui.screens.NAME:TitleScreen`, and what it tells."""

    title: str
    key: str
    about: str


PLACES = {
    "alerts": Place("Alerts", "A", "What was to be told of, and on which conditions"),
    "service": Place("Service", "S", "What is done by itself: when, and how it went last"),
    "settings": Place("Settings", "C", "Every setting, and where it came from"),
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
