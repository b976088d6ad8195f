"""python -m musktracker.simulator: a simulator of whoever writes its settings to standard input."""

from musktracker.simulator.process import work

work()
