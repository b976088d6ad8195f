"""This machine: its name, who acts on it, and which of its processes have ended."""

from __future__ import annotations

import getpass
import os
import socket


def whoami() -> str:
    """Who acts, as the change logs show it: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"[:255]


def host_name() -> str:
    """This machine's name, as runs hold it."""
    return socket.gethostname()[:255]


def process_is_gone(host: str, pid: int | None) -> bool:
    """Whether a process was one of this machine, and is none any more; of other machines nothing is known."""
    if pid is None or pid < 1 or host != host_name():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
