"""An alias means one version; who changed it, why and from what is kept, and a change can be rolled back."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, delete, select
from stored_versions import store_version

from musktracker.db.engines import reading, writing
from musktracker.db.queries import models
from musktracker.db.tables import AliasChange, ModelArtifact
from musktracker.errors import DataError, MuskTrackerError, UsageError
from musktracker.pipeline import aliases
from musktracker.pipeline.aliases import Name


def name(engine: Engine, alias: str, key: str, reason: str | None = None) -> None:
    with writing(engine) as connection:
        before = aliases.holder(connection, alias)
        chosen = aliases.find(connection, key)
        aliases.point(connection, alias, chosen, before=before, reason=reason, who="ada@tower")


def champion(engine: Engine) -> str | None:
    with reading(engine) as connection:
        found = aliases.champion(connection)
    return found and found.key


@pytest.fixture
def three(engine: Engine) -> Engine:
    """A database with three versions of a model, and no alias."""
    for key in (1, 2, 3):
        store_version(engine, key)
    return engine


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        (None, None, Name()),
        (None, "v3", Name(version="v3")),
        ("hawkes", None, Name(model="hawkes")),
        ("hawkes", "v3", Name(model="hawkes", version="v3")),
        ("hawkes:v3", None, Name(model="hawkes", version="v3")),
        ("@champion", None, Name(alias="champion")),
        ("@challenger", None, Name(alias="challenger")),
    ],
)
def test_a_name_is_an_alias_or_a_model_and_its_version(text: str | None, version: str | None, expected: Name) -> None:
    assert aliases.parse(text, version) == expected


@pytest.mark.parametrize(("text", "version"), [("@best", None), ("@champion", "v1"), ("hawkes:v3", "v4")])
def test_a_name_that_cannot_be_is_wrong_use(text: str, version: str | None) -> None:
    with pytest.raises(UsageError):
        aliases.parse(text, version)


def test_a_model_without_a_version_means_its_newest(three: Engine) -> None:
    with reading(three) as connection:
        assert aliases.find(connection, "seasonal_naive").key == "seasonal_naive:v3"
        assert aliases.find(connection, "seasonal_naive:v2").id == 2


def test_what_was_never_trained_or_named_is_told(three: Engine) -> None:
    with reading(three) as connection:
        with pytest.raises(DataError, match="No hawkes v1 has been trained yet"):
            aliases.find(connection, "hawkes:v1")
        with pytest.raises(DataError, match="There is no challenger yet"):
            aliases.find(connection, "@challenger")
        with pytest.raises(UsageError, match="begins with its model"):
            aliases.find(connection, ":v1")


def test_versions_are_read_with_their_aliases(three: Engine) -> None:
    name(three, "champion", "seasonal_naive:v1")
    name(three, "challenger", "seasonal_naive:v1")
    name(three, "champion", "seasonal_naive:v2")
    found = {version.version: version.aliases for version in models.versions(three)}
    assert found == {"v1": ("challenger",), "v2": ("champion",), "v3": ()}


def test_every_change_is_kept_with_who_and_why(three: Engine) -> None:
    name(three, "champion", "seasonal_naive:v1", "the first")
    name(three, "champion", "seasonal_naive:v2")
    newest, oldest = aliases.history(three)
    assert (oldest.before, oldest.after, oldest.who, oldest.reason) == (
        None,
        "seasonal_naive:v1",
        "ada@tower",
        "the first",
    )
    assert (newest.before, newest.after, newest.reason) == ("seasonal_naive:v1", "seasonal_naive:v2", None)
    assert aliases.history(three, "challenger") == []


def test_rolling_back_goes_through_the_champions_one_by_one(three: Engine) -> None:
    for key in (1, 2, 3):
        name(three, "champion", f"seasonal_naive:v{key}")
    change = aliases.rollback(three, reason="too low", who="grace@tower")
    assert (change.before, change.after) == ("seasonal_naive:v3", "seasonal_naive:v2")
    assert (change.reason, change.who, change.undoes) == ("too low", "grace@tower", 3)
    aliases.rollback(three)
    assert champion(three) == "seasonal_naive:v1"
    with pytest.raises(MuskTrackerError, match="no champion before"):
        aliases.rollback(three)
    assert len(aliases.history(three)) == 5


def test_what_comes_after_a_roll_back_is_rolled_back_to_it(three: Engine) -> None:
    name(three, "champion", "seasonal_naive:v1")
    name(three, "champion", "seasonal_naive:v2")
    aliases.rollback(three)
    name(three, "champion", "seasonal_naive:v3")
    assert aliases.rollback(three).after == "seasonal_naive:v1"


def test_rolling_back_what_is_not_the_latest_change_any_more_names_the_latest_and_changes_nothing(
    three: Engine,
) -> None:
    for key in (1, 2):
        name(three, "champion", f"seasonal_naive:v{key}")
    known = aliases.history(three)[0].id
    name(three, "challenger", "seasonal_naive:v3")  # another alias's change is no matter
    name(three, "champion", "seasonal_naive:v3")
    with pytest.raises(MuskTrackerError, match="seasonal_naive:v3 was made the champion by ada@tower at "):
        aliases.rollback(three, expected=known)
    assert champion(three) == "seasonal_naive:v3"
    assert aliases.rollback(three, expected=aliases.history(three)[0].id).after == "seasonal_naive:v2"


def test_each_alias_is_rolled_back_by_itself(three: Engine) -> None:
    name(three, "champion", "seasonal_naive:v1")
    name(three, "challenger", "seasonal_naive:v2")
    name(three, "challenger", "seasonal_naive:v3")
    aliases.rollback(three, "challenger")
    with reading(three) as connection:
        held = [aliases.holder(connection, alias) for alias in aliases.ALIASES]
    assert [one and one.version for one in held] == ["v1", "v2"]
    with pytest.raises(UsageError, match="no alias @best"):
        aliases.rollback(three, "best")


def test_who_decided_on_what_is_the_champion_no_more_is_refused(three: Engine) -> None:
    with reading(three) as connection:
        first, second, third = (aliases.find(connection, f"seasonal_naive:v{key}") for key in (1, 2, 3))
    name(three, "champion", "seasonal_naive:v1")
    name(three, "champion", "seasonal_naive:v2")
    for before in (None, first):
        with pytest.raises(MuskTrackerError, match="in the meantime"), writing(three) as connection:
            aliases.point(connection, "champion", third, before=before)
    with reading(three) as connection:
        assert aliases.champion(connection) == second
        assert len(connection.scalars(select(AliasChange.id)).all()) == 2


def test_of_two_who_name_the_first_at_once_one_is_told_of_the_other(three: Engine) -> None:
    ready = threading.Barrier(2, timeout=10)

    def first(key: str) -> str | None:
        with reading(three) as connection:
            chosen = aliases.find(connection, key)
        ready.wait()
        try:
            with writing(three) as connection:
                aliases.point(connection, "champion", chosen, before=None)
                time.sleep(0.2)  # so that the other comes before this is committed
        except MuskTrackerError as error:
            return error.message
        return None

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(first, ("seasonal_naive:v1", "seasonal_naive:v2")))
    assert sorted(map(str, said)) == ["None", "Somebody else has changed the champion in the meantime"]


def test_a_version_without_an_artifact_cannot_be_named(three: Engine) -> None:
    with writing(three) as connection:
        connection.execute(delete(ModelArtifact).where(ModelArtifact.model_metadata_id == 1))
    with pytest.raises(DataError, match="no artifact"):
        name(three, "champion", "seasonal_naive:v1")


def test_a_reason_is_text_of_a_reasonable_length() -> None:
    assert aliases.checked_reason("  because \x00 ") == "because �"
    assert aliases.checked_reason("  ") is aliases.checked_reason(None) is None
    with pytest.raises(UsageError, match="at most 1,000 characters"):
        aliases.checked_reason("x" * 1001)
