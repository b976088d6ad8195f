"""What the console remembers from one start to the next, for one user on one machine: how it looks, where it was."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

NAME = "console.json"


def load(data_dir: Path) -> dict[str, Any]:
    """What was remembered; nothing where there is no such file or it cannot be read."""
    try:
        found = json.loads((data_dir / NAME).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def save(data_dir: Path, **values: Any) -> None:
    """Remember these beside what is remembered already. A disk that refuses is no reason to stop."""
    with suppress(OSError):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = data_dir / f"{NAME}.{os.getpid()}"
        path.write_text(json.dumps({**load(data_dir), **values}), "utf-8")
        path.chmod(0o600)
        path.replace(data_dir / NAME)
