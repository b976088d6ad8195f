"""What a file is packed in: plain, gzip, zip; opened with bounds, since whoever made it is not trusted."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from musktracker.sources.file_posts import Unreadable

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What an honest file stays within: bytes unpacked, and how often its own size that is once it is large."""

    unpacked: int = 8 << 30
    ratio: int = 200
    ratio_counts_from: int = 64 << 20
    members: int = 10_000


class Member(NamedTuple):
    """A file inside a file: its name ("" where it is the file itself), what it was packed in, and its text."""

    name: str
    packing: str
    text: Iterator[str]


def members(path: Path, limits: Limits, progress: Callable[[float], None]) -> Generator[Member, None, None]:
    """The texts in a file, each to be read before the next is asked for. `progress` hears 0..1.

    Raises Unreadable, in words, for what is no regular file, is damaged, no text, or unpacks to too much.
    """
    with _opened(path) as file:
        meter = _Meter(file, limits, progress)
        if meter.size == 0:
            raise Unreadable("is empty")
        magic = file.peek(8)[:8]
        if magic.startswith(b"PK\x03\x04"):
            yield from _unzipped(file, meter)
        else:
            yield from _single("", file, meter)


def _single(name: str, file: IO[bytes], meter: _Meter, packing: str = "") -> Iterator[Member]:
    buffered = io.BufferedReader(file, CHUNK) if not isinstance(file, io.BufferedReader) else file  # type: ignore[type-var]
    if buffered.peek(2)[:2] == b"\x1f\x8b":
        unpacked = gzip.GzipFile(fileobj=buffered)
        yield Member(name, f"{packing} gzip".strip(), _decoded(meter.chunks(unpacked, packed=True)))
    else:
        yield Member(name, packing, _decoded(meter.chunks(buffered, packed=bool(packing))))


def _unzipped(file: IO[bytes], meter: _Meter) -> Iterator[Member]:
    with _in_words(), zipfile.ZipFile(file) as archive:
        wanted = _wanted(archive, meter.limits)
        for info in wanted:
            if info.flag_bits & 1:
                raise Unreadable("is encrypted", "Unpack it with its password, and import what is inside")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Unreadable("is packed in an unusual way", "Unpack it, and import what is inside")
            with archive.open(info) as member:
                yield from _single(info.filename if len(wanted) > 1 else "", member, meter, "zip")


def _wanted(archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    names = [info.filename for info in infos]
    if any(name.startswith("xl/") for name in names):
        raise Unreadable("is a spreadsheet", "Save it as CSV with the ids as text, and import that")
    if len(infos) > limits.members and not any(_ARCHIVE_TWEETS.search(name) for name in names):
        raise Unreadable(f"holds more than {limits.members:,} files")
    tweets = [info for info in infos if _ARCHIVE_TWEETS.search(info.filename)]
    if not tweets and any(_ARCHIVE.search(name) for name in names):
        raise Unreadable("is an account archive without data/tweets.js")
    found = tweets or [info for info in infos if not _HIDDEN.search(info.filename)]
    if not found:
        raise Unreadable("is a zip file with nothing in it")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    try:
        # A FIFO without a writer would otherwise block for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise Unreadable("is not there", "Check the path") from None
    except PermissionError:
        raise Unreadable("may not be read by this user") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be opened ({getattr(error, 'strerror', None) or error})") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise Unreadable("is a directory", "Name the files in it")
        raise Unreadable("is not a regular file (a pipe or a device)", "Write it to a file first")
    with os.fdopen(descriptor, "rb") as file:
        yield file


class _Meter:
    """How much of a file was read, and how much that unpacked to."""

    def __init__(self, file: IO[bytes], limits: Limits, progress: Callable[[float], None]) -> None:
        self.size = os.fstat(file.fileno()).st_size
        self.limits = limits
        self._file = file
        self._progress = progress
        self._unpacked = 0

    def chunks(self, stream: IO[bytes] | gzip.GzipFile, *, packed: bool) -> Iterator[bytes]:
        with _in_words():
            while chunk := stream.read(CHUNK):
                if packed:
                    self._count(len(chunk))
                self._progress(min(self._file.tell() / self.size, 1.0))
                yield chunk

    def _count(self, size: int) -> None:
        self._unpacked += size
        if self._unpacked > self.limits.unpacked:
            raise Unreadable(f"unpacks to more than {self.limits.unpacked >> 20:,} MB", "Import it in parts")
        if self._unpacked > max(self.limits.ratio_counts_from, self.limits.ratio * self.size):
            raise Unreadable(f"unpacks to more than {self.limits.ratio} times its size, as no honest file does")


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, struct.error, NotImplementedError) as error:
        ends = isinstance(error, EOFError) or "not a zip file" in str(error)
        what = "ends in the middle" if ends else "is damaged"
        raise Unreadable(f"{what}: it could not be unpacked whole", "Fetch it again") from None
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror or error})") from None


def _decoded(chunks: Iterator[bytes]) -> Iterator[str]:
    first = next(chunks, b"")
    while len(first) < 4 and (more := next(chunks, b"")):
        first += more
    decode = _Decoder(first)
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    yield newlines.decode(decode(first))
    for chunk in chunks:
        yield newlines.decode(decode(chunk))
    yield newlines.decode(decode(b"", final=True), final=True)


class _Decoder:
    """Bytes to text: by the byte order mark, else UTF-8, else, from where that fails, Latin-1, which never does."""

    def __init__(self, first: bytes) -> None:
        name = next((name for mark, name in _MARKS if first.startswith(mark)), "utf-8")
        if name == "utf-8":
            _refuse_binary(first[:65536])
        self._decoder = codecs.getincrementaldecoder(name)("strict" if name == "utf-8" else "replace")
        self._latin = False

    def __call__(self, data: bytes, *, final: bool = False) -> str:
        if not self._latin:
            held = self._decoder.getstate()[0]
            try:
                return self._decoder.decode(data, final)
            except UnicodeDecodeError:
                self._latin = True
                data = held + data
        return data.decode("latin-1")


def _refuse_binary(start: bytes) -> None:
    for magic, what in _MAGICS:
        if start.startswith(magic):
            raise Unreadable(f"is {what}", "Unpack or export it as CSV or JSON first")
    if start.count(0) > len(start) // 4:
        raise Unreadable("is not text", "Export it as CSV or JSON in UTF-8")


_ARCHIVE = re.compile(r"(?:^|/)data/(?:account|manifest|profile)\.js$")
_ARCHIVE_TWEETS = re.compile(r"(?:^|/)data/tweets?(?:-part[0-9]+)?\.js$")
_HIDDEN = re.compile(r"(?:^|/)(?:\.|__MACOSX/)")
_MARKS = (  # UTF-32 before UTF-16: its mark begins with the other's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGICS = (
    (b"BZh", "packed with bzip2"),
    (b"\xfd7zXZ", "packed with xz"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (b"7z\xbc\xaf", "packed with 7-Zip"),
    (b"PK", "a zip file inside another, or a damaged one"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "a SQLite database"),
    (b"%PDF", "a PDF"),
)
