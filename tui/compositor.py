"""A compositor that asks widgets only for what is painted anew and seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual._compositor import Compositor
from textual.geometry import Region
from textual.strip import Strip


class SparingCompositor(Compositor):
    """Textual's asks every widget of a screen for all of its lines, whatever has changed and whatever covers it."""

    def _get_renders(self, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        bare = [self.size.region if crop is None else crop]  # what no widget in front has painted
        top, height = bare[0].y, bare[0].height
        for widget, (region, clip) in self.visible_widgets.items():
            seen = region.intersection(clip)
            if not (seen and any(map(seen.overlaps, bare))):
                continue
            seen = seen.intersection(Region(seen.x, top, seen.width, height))
            bare = [piece for each in bare for piece in _without(each, seen)]
            yield seen, seen, widget.render_lines(seen.translate(-region.offset))


def _without(piece: Region, cover: Region) -> Iterator[Region]:
    """The parts of a region above, below, left and right of another."""
    hidden = piece.intersection(cover)
    if not hidden:
        yield piece
        return
    parts = (
        Region(piece.x, piece.y, piece.width, hidden.y - piece.y),
        Region(piece.x, hidden.bottom, piece.width, piece.bottom - hidden.bottom),
        Region(piece.x, hidden.y, hidden.x - piece.x, hidden.height),
        Region(hidden.right, hidden.y, piece.right - hidden.right, hidden.height),
    )
    yield from filter(None, parts)
