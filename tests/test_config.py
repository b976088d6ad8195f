"""Settings: where each value comes from, one clear line for a wrong one, and no secret ever shown."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musktracker.config import ENVIRONMENT, MASK, Settings, config_file, for_demo, load, mask_url
from musktracker.errors import UsageError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with nothing configured."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_with_nothing_configured_there_is_a_database_in_the_users_data_directory(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert settings.account == "elonmusk"
    assert settings.timezone == "UTC"
    assert settings.x_bearer_token is None
    assert settings.database_url == f"sqlite:///{settings.data_dir / 'musktracker.db'}"
    assert settings.data_dir.name == "musktracker"
    assert {origin for _, origin in settings.shown().values()} == {"default"}


def test_the_environment_wins_over_dotenv_and_that_over_the_file(tmp_path: Path) -> None:
    toml = tmp_path / "settings.toml"
    toml.write_text('account = "a"\ntimezone = "ET"\nlog_level = "debug"\n')
    (tmp_path / ".env").write_text("MUSKTRACKER_ACCOUNT=b\nMUSKTRACKER_TIMEZONE=PT\n")
    settings = load({"MUSKTRACKER_CONFIG": str(toml), "MUSKTRACKER_ACCOUNT": "c"}, tmp_path)
    assert (settings.account, settings.timezone, settings.log_level) == ("c", "America/Los_Angeles", "debug")
    shown = settings.shown()
    assert shown["account"][1] == "environment (MUSKTRACKER_ACCOUNT)"
    assert shown["timezone"][1] == f"{tmp_path / '.env'} (MUSKTRACKER_TIMEZONE)"
    assert shown["log_level"][1] == str(toml)


def test_the_users_own_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "config" / "musktracker").mkdir(parents=True)
    (tmp_path / "config" / "musktracker" / "config.toml").write_text('account = "fromfile"\n')
    assert load({}, tmp_path).account == "fromfile"


def test_the_file_to_edit_is_the_users_own_unless_a_variable_names_another(tmp_path: Path) -> None:
    assert config_file({}) == tmp_path / "config" / "musktracker" / "config.toml"
    assert config_file({"MUSKTRACKER_CONFIG": str(tmp_path / "own.toml")}) == tmp_path / "own.toml"


def test_of_the_alert_command_only_the_program_is_shown(tmp_path: Path) -> None:
    settings = load({"MUSKTRACKER_ALERT_COMMAND": "curl -d@- 'https://hooks.example/s e c r e t'"}, tmp_path)
    assert settings.alert_command == "curl -d@- 'https://hooks.example/s e c r e t'"
    assert settings.shown()["alert_command"] == (f"curl {MASK}", "environment (MUSKTRACKER_ALERT_COMMAND)")
    assert "hooks.example" not in repr(settings)
    assert (
        load({"MUSKTRACKER_ALERT_COMMAND": "/usr/bin/pager"}, tmp_path).shown()["alert_command"][0]
        == "/usr/bin/pager"
    )


def test_an_empty_variable_is_no_value(tmp_path: Path) -> None:
    assert load({"MUSKTRACKER_ACCOUNT": "", "X_BEARER_TOKEN": ""}, tmp_path).account == "elonmusk"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MUSKTRACKER_ACCOUNT", "no spaces", "must be an account name"),
        ("MUSKTRACKER_ACCOUNT", "sixteencharacter", "must be an account name"),
        ("MUSKTRACKER_ALERT_COMMAND", "say 'it", "cannot be read as a command"),
        ("MUSKTRACKER_ALERT_COMMAND", "''", "must name a program"),
        ("MUSKTRACKER_TIMEZONE", "Mars/Olympus", "must be a time zone"),
        ("MUSKTRACKER_TIMEZONE", "../../etc/passwd", "must be a time zone"),
        ("MUSKTRACKER_LOG_LEVEL", "loud", "must be one of debug, info, warning, error"),
        ("MUSKTRACKER_X_API_BASE_URL", "ftp://x", "must be an http or https address"),
        ("MUSKTRACKER_X_API_BASE_URL", "https://me:hunter2@api.x.com", "must hold no user"),
        ("MUSKTRACKER_X_API_BASE_URL", "https://api.x.com/?key=hunter2", "must hold no user"),
        ("MUSKTRACKER_DATABASE_URL", "mysql://h/d", "must begin with sqlite:/// or postgresql://"),
        ("MUSKTRACKER_DATABASE_URL", "sqlite://", "must name a file"),
        ("MUSKTRACKER_DATABASE_URL", "sqlite:///:memory:", "must name a file"),
        ("MUSKTRACKER_DATABASE_URL", "postgresql://u:hunter2@h:port/d", "has a port that is not a number"),
        ("MUSKTRACKER_DATABASE_URL", "postgresql://u:hunter2/x@h/d", "not a number, or a password"),
        ("MUSKTRACKER_DATABASE_URL", "postgresql://u:12#hunter2@h/d", "not written as %2F"),
        ("MUSKTRACKER_DATABASE_URL", "postgresql://u:12?hunter2@h/d", "not written as %2F"),
        ("MUSKTRACKER_DATABASE_URL", "postgresql://u:12@hunter2@h/d", "not written as %2F"),
        ("X_BEARER_TOKEN", "hunter2 hunter2", "must be printable ASCII"),
        ("X_BEARER_TOKEN", "hunter2\u00e9", "must be printable ASCII"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_origin_and_no_secret(
    tmp_path: Path, variable: str, value: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load({variable: value}, tmp_path)
    text = str(caught.value)
    assert f"environment ({variable})" in text
    assert "hunter2" not in text
    assert "\n" not in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"account = ", "cannot be read as TOML"),
        (b"\xff\xfe", "cannot be read as TOML"),
        (b'acount = "x"', "unknown setting 'acount'"),
        (b"account = 5", "account from .* must be text, not int"),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        load({"MUSKTRACKER_CONFIG": str(path)}, tmp_path)


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a file"):
        load({"MUSKTRACKER_CONFIG": str(tmp_path / "none.toml")}, tmp_path)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("sqlite:////var/x.db", "sqlite:////var/x.db"),
        ("sqlite:///~/x.db", "sqlite:///{home}/x.db"),
        ("sqlite:///x.db", "sqlite:///{here}/x.db"),
        ("postgres://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql://u:p%40@h:5433/d?sslmode=require", "postgresql+psycopg://u:p%40@h:5433/d?sslmode=require"),
        ("postgresql+psycopg://u@/d?host=/run/pg", "postgresql+psycopg://u@/d?host=/run/pg"),
    ],
)
def test_a_database_url_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, meant: str) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load({"MUSKTRACKER_DATABASE_URL": url}, tmp_path)
    assert settings.database_url == meant.format(home=tmp_path, here=tmp_path)


def test_secrets_are_masked_wherever_settings_are_shown(tmp_path: Path) -> None:
    url = "postgresql://me:hunter%402@host/d?sslpassword=hunter3"
    settings = load({"MUSKTRACKER_DATABASE_URL": url, "X_BEARER_TOKEN": "hunter4"}, tmp_path)
    shown = f"{settings!r} {settings.shown()} {settings.safe_database_url} {for_demo(settings)!r}"
    assert "hunter" not in shown
    assert settings.shown()["database_url"][0] == f"postgresql+psycopg://me:{MASK}@host/d?sslpassword={MASK}"
    scrubbed = settings.scrub("failed: hunter%402, hunter@2, hunter3, Bearer hunter4")
    assert scrubbed == f"failed: {MASK}, {MASK}, {MASK}, Bearer {MASK}"


def test_a_short_secret_is_masked_where_it_stands_alone_and_no_letter_of_a_word_is(tmp_path: Path) -> None:
    settings = load({"X_BEARER_TOKEN": "t"}, tmp_path)
    assert settings.scrub("musktracker: Bearer t was refused") == f"musktracker: Bearer {MASK} was refused"


@given(password=st.text(st.characters(codec="ascii", categories=["L", "N"])).map("p4ss".__add__))
def test_no_password_survives_the_mask(password: str) -> None:
    for url in (f"postgresql://me:{password}@localhost/d", f"postgresql://h/d?user=me&password={password}"):
        assert password not in mask_url(url)


def test_a_url_without_a_password_is_shown_as_it_is() -> None:
    for url in ("sqlite:////var/x.db", "postgresql+psycopg://me@host:5433/d?sslmode=require"):
        assert mask_url(url) == url


def test_a_data_directory_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    for path in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(UsageError, match=r"taken.* cannot be made: .*name another in MUSKTRACKER_DATA_DIR"):
            load({"MUSKTRACKER_DATA_DIR": str(path)}, tmp_path).with_data_dir_made()


def test_the_data_directory_is_its_owners_alone(tmp_path: Path) -> None:
    settings = load({"MUSKTRACKER_DATA_DIR": str(tmp_path / "a" / "b")}, tmp_path).with_data_dir_made()
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700


def test_a_process_started_with_them_has_the_same_settings(tmp_path: Path) -> None:
    given_settings = load({"X_BEARER_TOKEN": "t", "MUSKTRACKER_TIMEZONE": "ET"}, tmp_path)
    assert load(given_settings.environment(), tmp_path / "elsewhere") == given_settings
    assert set(given_settings.environment()) <= set(ENVIRONMENT.values())


def test_the_demo_has_its_own_database_and_no_token(tmp_path: Path) -> None:
    settings = for_demo(load({"X_BEARER_TOKEN": "t", "MUSKTRACKER_DATABASE_URL": "postgresql://h/d"}, tmp_path))
    assert settings.database_url == f"sqlite:///{settings.data_dir / 'musktracker.db'}"
    assert (settings.account, settings.x_bearer_token) == ("demo", None)
    assert isinstance(settings, Settings)
