"""What is told of a file that can be read, but may be wrong or lack something."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from musktracker.sources import files as sources
from musktracker.sources.file_posts import Posts
from musktracker.text import counted
from musktracker.timeline import Span, iso


def doubts(read: sources.FileRead, covers: Span | None, *, coverage: bool) -> list[str]:
    """What is odd about it. `covers` is what it is said to cover; without `coverage` it covers nothing."""
    return [*_of_rows(read, covered=coverage), *_strays(read.posts, covers)]


def _of_rows(read: sources.FileRead, *, covered: bool) -> Iterator[str]:
    posts = read.posts
    if posts.contradicted:
        yield (
            f"{_stating(posts.contradicted)} more than 2 s from the one in the id, which was taken "
            f"(first: {'; '.join(posts.contradicted_at)})"
        )
    if posts.unread_times:
        yield f"{_stating(posts.unread_times)} that cannot be read; the one in the id was taken"
    if posts.of_other_days:
        yield (
            f"{posts.of_other_days:,} rows were left out since they state another day than their ids; if that column "
            f"does not say when posts were made, import again with --map created_at=none"
        )
    if posts.bad and covered:
        lacking = f"{counted(posts.bad, 'bad row')} may stand for posts that are missing"
        yield f"{lacking} from a time that now counts as observed whole"
    yield from (f"left out {text}" for text in read.left_out)


def _strays(posts: Posts, covers: Span | None) -> Iterator[str]:
    """What is not covered although it lies between posts of the file: years of silence, and the few posts beyond."""
    for part in posts.parts:
        if posts.is_stray(part) and not (covers and covers.start <= part.span.start < covers.end):
            count = "a post is" if part.posts == 1 else f"{part.posts:,} posts are"
            yield (
                f"{count} over a year from the others (id {part.first}, {posts.where(part.first)}, "
                f"{iso(part.span.start)}), in time that does not count as observed: if digits of the id are missing, "
                f"correct it; if it is right, --covers START..END says of what time the file holds every post"
            )
    observed = posts.observed()
    for before, after in pairwise(observed if not covers else ()):
        yield (
            f"no post from {iso(before.end)} to {iso(after.start)}, which does not count as observed: if every post "
            f"of that time is in the file, import again with --covers {iso(before.start)}..{iso(after.end)}"
        )


def _stating(rows: int) -> str:
    return f"{counted(rows, 'row')} {'states' if rows == 1 else 'state'} a time"
