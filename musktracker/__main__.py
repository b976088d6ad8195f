"""python -m musktracker: the same as the command musktracker."""

import sys

from musktracker.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
