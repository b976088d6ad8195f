"""Untrusted text, made safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text that does nothing to a terminal but be read: control characters become spaces or visible marks."""
    if text.isprintable():
        return text
    return "".join(" " if c in "\t\n\r" else c if c.isprintable() else "�" for c in text)
