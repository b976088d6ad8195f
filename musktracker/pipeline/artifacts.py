"""Model artifacts: a fit's arrays as npz, in the database and as a file; never a pickle."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select

from musktracker.db.tables import ModelArtifact
from musktracker.errors import DataError, MuskTrackerError


def pack(parameters: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays as the bytes of an npz file; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(parameters))
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file; objects are refused. Raises ValueError where it is not one."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            return dict(found)
    except (BadZipFile, OSError, EOFError) as error:
        raise ValueError(f"not an npz file: {error}") from None


def store(connection: Connection, model_metadata_id: int, content: bytes) -> None:
    """Keep a version's artifact in the database, with its checksum."""
    checksum = hashlib.sha256(content).hexdigest()
    connection.execute(
        insert(ModelArtifact).values(model_metadata_id=model_metadata_id, sha256=checksum, content=content)
    )


def read(connection: Connection, model_metadata_id: int) -> dict[str, NDArray[Any]]:
    """A version's arrays from the database. Raises DataError where they are missing or damaged."""
    query = select(ModelArtifact.sha256, ModelArtifact.content)
    row = connection.execute(query.where(ModelArtifact.model_metadata_id == model_metadata_id)).one_or_none()
    if row is None:
        raise DataError("This model version has no artifact in the database", "Train again: musktracker train")
    content = bytes(row.content)
    try:
        if hashlib.sha256(content).hexdigest() != row.sha256:
            raise ValueError("its checksum is wrong")
        return unpack(content)
    except ValueError as error:
        raise DataError(
            f"The artifact of this model version is damaged: {error}", "Train again: musktracker train"
        ) from None


def save(path: Path, content: bytes) -> None:
    """Write a file that is either whole or not there, readable by its owner alone.

    Raises MuskTrackerError where it cannot be written, as on a full disk.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MuskTrackerError(
            f"The artifact cannot be written to {path}: {error.strerror}, so no version was stored",
            "Make room or give the right to write there, and train again",
        ) from error
