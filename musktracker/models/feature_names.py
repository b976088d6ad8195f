"""The features by name, in the order of their columns. Without numpy: a form asks which there are."""

from __future__ import annotations

LAGS = {"lag_1h": 1, "lag_6h": 6, "lag_12h": 12, "lag_24h": 24, "lag_7d": 168}
ROLLING = ("rolling_mean_24h", "rolling_std_24h", "rolling_mean_7d", "rolling_std_7d")
CALENDAR = ("hour_of_day", "day_of_week", "is_weekend")
EVENT_FEATURES = ("event_intensity", "events_in_window")
HISTORY_FEATURES = (*LAGS, *ROLLING)
FEATURES = (*HISTORY_FEATURES, *CALENDAR, *EVENT_FEATURES)
