"""A group of commands that has a default one."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class Defaulting(TyperGroup):
    """The command `check` stands for itself: `weft test PATH` is `weft test check PATH`."""

    default = "check"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command in front of what names no command and asks for no help."""
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = [self.default, *args]
        return super().parse_args(ctx, args)
