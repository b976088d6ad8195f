"""MuskTracker counts the posts of one account and forecasts how many will come."""

__version__ = "0.1.0"
