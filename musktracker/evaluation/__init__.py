"""How good a forecast was: scores of sample paths, and backtests by rolling origin."""
