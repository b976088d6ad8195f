"""The hyperparameters of every model: their defaults, and which values cannot be.

Each model is one of these with a way to fit it. Here is no numpy, so that whoever only asks what a model takes, as a
form does, need not wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from musktracker.models.feature_names import FEATURES, HISTORY_FEATURES

MEMORY = tuple(name for name in HISTORY_FEATURES if not name.startswith("rolling_std"))
MOST_COMPONENTS = 3


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What all have; `name` is the model's, fewer counted than `fewest_days` are never enough for a fit.

    Raises ValueError for values that cannot be.
    """

    name: ClassVar[str]
    fewest_days: ClassVar[int]

    def least_hours(self) -> int:
        """From the first to the last counted hour, fewer than which are never enough for a fit."""
        return 24 * self.fewest_days


@dataclass(frozen=True, slots=True)
class Har(Hyperparameters):
    """Weeks of the last `analog_days` say how the level errs, their weight halving in `analog_half_life` days.

    `activity_bandwidth` and `level_bandwidth` are those of the likeness of two starts, in logs; `reach` is by how
    many hours of the day they may differ. `level_ridge` draws the level's weights to a smooth memory,
    `level_half_life` (days) is the regression's. `spread_exponent` and `volatility_exponent` say how the relative
    spread falls as the level rises and grows with the last days' own spread; `jitter` is the deviation of the log by
    which each path is moved. `profile_half_life` is in days. `splice_first` is 1 to take the first hour from its own
    regression, 0 to leave it like the others. `event_effects` is 1 to scale the hours that known events reach by
    their estimated effect, 0 to leave events out.
    """

    fewest_days: ClassVar[int] = 28 + 9 + 7  # four weeks before each of ten days, and a week after
    analog_days: int = 900
    analog_half_life: float = 450.0
    activity_bandwidth: float = 0.6
    level_bandwidth: float = 0.8
    reach: int = 2
    level_ridge: float = 2000.0
    level_half_life: float = 400.0
    profile_half_life: float = 90.0
    spread_exponent: float = 0.2
    volatility_exponent: float = 0.25
    jitter: float = 0.1
    splice_first: int = 1
    event_effects: int = 1

    def __post_init__(self) -> None:
        limits = {
            "analog_days": (28, 3650),
            "analog_half_life": (3, 100_000),
            "activity_bandwidth": (0.05, 1000),
            "level_bandwidth": (0.05, 1000),
            "reach": (0, 11),
            "level_ridge": (0, 1e12),
            "level_half_life": (3, 100_000),
            "profile_half_life": (3, 100_000),
            "spread_exponent": (0, 1),
            "volatility_exponent": (0, 1),
            "jitter": (0, 1),
            "splice_first": (0, 1),
            "event_effects": (0, 1),
        }
        for name, (least, most) in limits.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be {least:g} to {most:g}, not {getattr(self, name):g}")


@dataclass(frozen=True, slots=True)
class HarBootstrap(Har):
    """Those of every model on this level; see Har."""

    name: ClassVar[str] = "har_bootstrap"


@dataclass(frozen=True, slots=True)
class HarNegativeBinomial(Har):
    """Those of every model on this level; see Har."""

    name: ClassVar[str] = "har_negative_binomial"


@dataclass(frozen=True, slots=True)
class Hawkes(Har):
    """Fitted to the posts of the last `window_days`, with up to `components` exponentials.

    `error_share` is how much of the level's past errors paths have beside what the clusters themselves vary. The
    others are the hyperparameters of the level; see Har (`splice_first` has no effect).
    """

    name: ClassVar[str] = "hawkes"
    window_days: int = 90
    components: int = 3
    error_share: float = 0.5

    def __post_init__(self) -> None:
        Har.__post_init__(self)
        if not 7 <= self.window_days <= 3650:
            raise ValueError(f"window_days must be 7 to 3650, not {self.window_days}")
        if not 1 <= self.components <= MOST_COMPONENTS:
            raise ValueError(f"components must be 1 to {MOST_COMPONENTS}, not {self.components}")
        if not 0 <= self.error_share <= 1:
            raise ValueError(f"error_share must be 0 to 1, not {self.error_share:g}")


@dataclass(frozen=True, slots=True)
class NegativeBinomial(Hyperparameters):
    """NB2 regression on the hours of the last `window_days`.

    `features` names those used. Lags and means enter as log(1 + x), the hour of the day as `harmonics` pairs of sine
    and cosine, the day of the week as three pairs, the rest as they are. The rolling deviations cannot be used: fed
    back into a recursion they make it explode.
    """

    name: ClassVar[str] = "negative_binomial"
    window_days: int = 365
    harmonics: int = 4
    features: tuple[str, ...] = (*MEMORY, "hour_of_day", "is_weekend", "event_intensity")

    def __post_init__(self) -> None:
        if not 14 <= self.window_days <= 3650:
            raise ValueError(f"window_days must be 14 to 3650, not {self.window_days}")
        if not 1 <= self.harmonics <= 11:
            raise ValueError(f"harmonics must be 1 to 11, not {self.harmonics}")
        usable = [name for name in FEATURES if not name.startswith("rolling_std")]
        for name in self.features:
            if name not in usable:
                raise ValueError(f"features cannot hold {name!r}, only {', '.join(usable)}")
        if len(set(self.features)) < len(self.features):
            raise ValueError("features names one twice")
        if {"day_of_week", "is_weekend"} <= set(self.features):
            raise ValueError("features cannot hold both: is_weekend follows from day_of_week")

    def least_hours(self) -> int:
        """A week; before it another where a feature goes back as far."""
        return 24 * 7 * (1 + any(name.endswith("_7d") for name in self.features))


@dataclass(frozen=True, slots=True)
class Pool(Hyperparameters):
    """Pools `models`, their weights fitted over the last `stretch_days` at most.

    `prior` is how many of the stretch's totals equal weights are worth. `event_effects` is that of the components
    that have one; else they have their default hyperparameters.
    """

    name: ClassVar[str] = "pool"
    models: tuple[str, ...] = ("har_bootstrap", "har_negative_binomial", "hawkes")
    stretch_days: int = 84
    prior: float = 6.0
    event_effects: int = 1

    def __post_init__(self) -> None:
        if len(self.models) < 2 or len(set(self.models)) < len(self.models):
            raise ValueError("models must name two or more, each once")
        for name in self.models:
            if name == self.name or name not in MODELS:
                raise ValueError(f"models cannot hold {name!r}")
        if not 14 <= self.stretch_days <= 730:
            raise ValueError(f"stretch_days must be 14 to 730, not {self.stretch_days}")
        if not 0 <= self.prior <= 1e6:
            raise ValueError(f"prior must be 0 to 1000000, not {self.prior:g}")
        if self.event_effects not in (0, 1):
            raise ValueError(f"event_effects must be 0 or 1, not {self.event_effects}")

    def least_hours(self) -> int:
        """Enough for two of the components."""
        return sorted(MODELS[name]().least_hours() for name in self.models)[1]


@dataclass(frozen=True, slots=True)
class Sarimax(Hyperparameters):
    """Fitted to the last `window_days`, in at most `most_steps` of the search."""

    name: ClassVar[str] = "sarimax"
    fewest_days: ClassVar[int] = 14
    window_days: int = 30
    most_steps: int = 100

    def __post_init__(self) -> None:
        if not self.fewest_days <= self.window_days <= 365:
            raise ValueError(f"window_days must be {self.fewest_days} to 365, not {self.window_days}")
        if not 5 <= self.most_steps <= 1000:
            raise ValueError(f"most_steps must be 5 to 1000, not {self.most_steps}")


@dataclass(frozen=True, slots=True)
class SeasonalNaive(Hyperparameters):
    """Draws whole days out of the last `window_days`; a day with an unobserved hour is never drawn."""

    name: ClassVar[str] = "seasonal_naive"
    fewest_days: ClassVar[int] = 7
    window_days: int = 28

    def __post_init__(self) -> None:
        if not self.fewest_days <= self.window_days <= 3650:
            raise ValueError(f"window_days must be {self.fewest_days} to 3650, not {self.window_days}")


MODELS: dict[str, type[Hyperparameters]] = {
    kind.name: kind
    for kind in (HarBootstrap, HarNegativeBinomial, Hawkes, NegativeBinomial, Pool, Sarimax, SeasonalNaive)
}
