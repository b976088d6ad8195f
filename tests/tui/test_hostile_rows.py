"""Rows that other programs may have written: every place that shows them opens, and shows nothing but text."""

from __future__ import annotations

from collections.abc import Callable

from test_migrations_screen import put_back  # noqa: F401

from tui.app import Console

MakeConsole = Callable[..., Console]
EVIL = "\x1b[31mred\x1b]0;title\x07\x9b1m[bold]b[/bold][/]\u202e\r\n\t"
LONG = EVIL + "x" * 1_000_000
