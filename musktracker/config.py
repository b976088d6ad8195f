"""Settings: defaults, then a TOML file, then `.env`, then the environment; every path in one place.

Secrets (the bearer token, the database password) are never shown: `Settings.shown()` masks them and
`Settings.scrub()` removes them from any text.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError

MASK = "••••"
LONG = 8  # characters of a secret that is no part of a word
APPLICATION = "musktracker"
ENVIRONMENT = {
    "database_url": "MUSKTRACKER_DATABASE_URL",
    "x_bearer_token": "X_BEARER_TOKEN",
    "x_api_base_url": "MUSKTRACKER_X_API_BASE_URL",
    "account": "MUSKTRACKER_ACCOUNT",
    "timezone": "MUSKTRACKER_TIMEZONE",
    "data_dir": "MUSKTRACKER_DATA_DIR",
    "log_level": "MUSKTRACKER_LOG_LEVEL",
    "alert_command": "MUSKTRACKER_ALERT_COMMAND",
}
CONFIG_FILE = "MUSKTRACKER_CONFIG"
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """What this process runs with. `origins` says where each value came from."""

    data_dir: Path
    database_url: str = field(repr=False)
    x_bearer_token: str | None = field(default=None, repr=False)
    x_api_base_url: str = "https://api.x.com"
    account: str = "elonmusk"
    timezone: str = "UTC"
    log_level: str = "info"
    alert_command: str | None = field(default=None, repr=False)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def zone(self) -> ZoneInfo:
        """The display time zone; storage never changes with it."""
        return ZoneInfo(self.timezone)

    @property
    def artifact_dir(self) -> Path:
        """Where model artifacts are saved."""
        return self.data_dir / "artifacts"

    @property
    def log_dir(self) -> Path:
        """Where detached runs leave what they print."""
        return self.data_dir / "logs"

    @property
    def safe_database_url(self) -> str:
        """The database's address without its password."""
        return mask_url(self.database_url)

    @property
    def may_write(self) -> bool:
        """Whether the database may be changed, as far as its file tells: others may only let it be looked at."""
        scheme, _, name = self.database_url.partition(":///")
        path = Path(name)
        if scheme != "sqlite" or not path.exists():
            return True
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)

    def with_data_dir_made(self) -> Settings:
        """Create the data directory, readable by its owner alone. Raises UsageError where that cannot be."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"The data directory {self.data_dir} cannot be made: {error.strerror}",
                f"Make room for it there, or name another in {ENVIRONMENT['data_dir']}",
            ) from None
        return self

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for a process that is to run with the same ones."""
        values = {name: getattr(self, name) for name in ENVIRONMENT}
        return {ENVIRONMENT[name]: str(value) for name, value in values.items() if value is not None}

    def shown(self) -> dict[str, tuple[str, str]]:
        """Name to (value, origin), secrets masked."""
        values = {name: str(getattr(self, name) or "") for name in ENVIRONMENT}
        values["database_url"] = self.safe_database_url
        values["x_bearer_token"] = MASK if self.x_bearer_token else ""
        values["alert_command"] = mask_arguments(self.alert_command or "")
        return {name: (value, self.origins.get(name, "default")) for name, value in values.items()}

    def scrub(self, text: str) -> str:
        """The text without any secret in it."""
        for secret in self._secrets():
            if len(secret) >= LONG:
                text = text.replace(secret, MASK)
            else:  # within words it would be anything
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
        return text

    def _secrets(self) -> list[str]:
        parts = urlsplit(self.database_url)
        found = [self.x_bearer_token, parts.password, unquote(parts.password or "")]
        found += re.findall(r"(?i)[?&][^=&]*(?:password|secret|token)[^=&]*=([^&]+)", self.database_url)
        return sorted({secret for secret in found if secret}, key=len, reverse=True)


def load(environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Settings:
    """Read the settings of this process. Raises UsageError, in one line, for a value that cannot be."""
    environ = os.environ if environ is None else environ
    raw: dict[str, tuple[Any, str]] = {}
    raw |= _from_toml(environ)
    raw |= _from_dotenv((directory or Path.cwd()) / ".env")
    raw |= {
        name: (environ[variable], f"environment ({variable})")
        for name, variable in ENVIRONMENT.items()
        if environ.get(variable)
    }
    values = {name: _checked(name, value, origin) for name, (value, origin) in raw.items()}
    origins = {name: origin for name, (_, origin) in raw.items()}
    if "data_dir" not in values:
        import platformdirs

        values["data_dir"] = platformdirs.user_data_path(APPLICATION, appauthor=False)
    values.setdefault("database_url", f"sqlite:///{values['data_dir'] / 'musktracker.db'}")
    return Settings(**values, origins=origins)


def config_file(environ: Mapping[str, str] | None = None) -> Path:
    """The TOML file that is read where it is there: the one that MUSKTRACKER_CONFIG names, or the user's own."""
    named = (os.environ if environ is None else environ).get(CONFIG_FILE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_config_path(APPLICATION, appauthor=False) / "config.toml"


def for_demo(settings: Settings) -> Settings:
    """The same settings on the demo's own database, account and directory."""
    data_dir = settings.data_dir / "demo"
    origins = dict.fromkeys(("data_dir", "database_url", "account"), "demo")
    return replace(
        settings,
        data_dir=data_dir,
        database_url=f"sqlite:///{data_dir / 'musktracker.db'}",
        account="demo",
        x_bearer_token=None,
        origins={**settings.origins, **origins},
    )


def mask_url(url: str) -> str:
    """A database URL without the password, wherever in it the password is."""
    parts = urlsplit(url)
    netloc = parts.netloc
    if parts.password is not None:
        user, host = parts.username or "", netloc.rpartition("@")[2]
        netloc = f"{user}:{MASK}@{host}"
    query = re.sub(r"(?i)((?:^|&)[^=&]*(?:password|secret|token)[^=&]*=)[^&]*", rf"\1{MASK}", parts.query)
    if not netloc and parts.path.startswith("/"):
        return f"{parts.scheme}://{parts.path}" + (f"?{query}" if query else "")
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def mask_arguments(command: str) -> str:
    """A command without its arguments, which may be addresses that are secrets."""
    program, *arguments = shlex.split(command) or [""]
    return f"{program} {MASK}" if arguments else program


def _from_toml(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    path = config_file(environ)
    if not path.is_file():
        if environ.get(CONFIG_FILE):
            raise UsageError(f"{CONFIG_FILE} names {path}, which is not a file")
        return {}
    import tomllib

    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} cannot be read as TOML: {error}") from None
    unknown = sorted(set(found) - set(ENVIRONMENT))
    if unknown:
        raise UsageError(f"{path} has the unknown setting {unknown[0]!r}", f"Known: {', '.join(ENVIRONMENT)}")
    return {name: (value, str(path)) for name, value in found.items()}


def _from_dotenv(path: Path) -> dict[str, tuple[Any, str]]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    found = dotenv_values(path)
    return {
        name: (found[variable], f"{path} ({variable})")
        for name, variable in ENVIRONMENT.items()
        if found.get(variable)
    }


def _checked(name: str, value: Any, origin: str) -> Any:
    if not isinstance(value, str):
        raise UsageError(f"{name} from {origin} must be text, not {type(value).__name__}")
    try:
        return _CHECKS[name](value.strip())
    except ValueError as error:
        raise UsageError(f"{name} from {origin} {error}") from None


def _database_url(value: str) -> str:
    scheme = value.partition("://")[0]
    if scheme not in ("sqlite", "postgresql", "postgresql+psycopg", "postgres"):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    if scheme == "sqlite":
        path = value.removeprefix("sqlite://").removeprefix("/").partition("?")[0]
        if not path or path == ":memory:":
            raise ValueError("must name a file: sqlite:///relative/path or sqlite:////absolute/path")
        return f"sqlite:///{Path(path).expanduser().absolute()}"
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises where the port is no number
    except ValueError:
        raise ValueError(
            "has a port that is not a number, or a password in which / ? # @ are not %-encoded"
        ) from None
    if parts.fragment or "@" in parts.path + parts.query + parts.netloc.rpartition("@")[0]:
        raise ValueError("has a user or password in which / ? # @ are not written as %2F %3F %23 %40")
    return "postgresql+psycopg://" + value.partition("://")[2]


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if "@" in value or parts.query or parts.fragment:  # a password would take the token's place, and be shown
        raise ValueError("must hold no user, password, query or fragment")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"must be an http or https address, not {value!r}")
    return value.rstrip("/")


def _account(value: str) -> str:
    name = value.removeprefix("@")
    if not re.fullmatch(r"[A-Za-z0-9_]{1,15}", name):
        raise ValueError(f"must be an account name (letters, digits, _, at most 15), not {value!r}")
    return name


def _timezone(value: str) -> str:
    name = {"ET": "America/New_York", "PT": "America/Los_Angeles", "CT": "America/Chicago"}.get(value, value)
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"must be a time zone such as UTC or America/New_York, not {value!r}") from None
    return name


def _data_dir(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _log_level(value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}, not {value!r}")
    return value.lower()


def _token(value: str) -> str:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be printable ASCII without spaces")
    return value


def _command(value: str) -> str:
    try:
        parts = shlex.split(value)
    except ValueError as error:
        raise ValueError(f"cannot be read as a command: {error}") from None
    if not parts or not parts[0]:
        raise ValueError("must name a program")
    return value


_CHECKS: dict[str, Callable[[str], Any]] = {
    "database_url": _database_url,
    "x_bearer_token": _token,
    "x_api_base_url": _base_url,
    "account": _account,
    "timezone": _timezone,
    "data_dir": _data_dir,
    "log_level": _log_level,
    "alert_command": _command,
}
