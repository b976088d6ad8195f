"""Untrusted text, made safe to show and to store, and numbers of things in words."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text that does nothing to a terminal but be read: control characters become spaces or visible marks."""
    if text.isprintable():
        return text
    return "".join(" " if c in "\t\n\r" else c if c.isprintable() else "�" for c in text)


def storable(text: str) -> str:
    """Text that both databases take: without NUL, and without the halves of characters that names of files hold."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")


def counted(number: int, noun: str) -> str:
    """A number of things in words, whose plural is the noun with an s: 1 hole, 2,000 holes."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
