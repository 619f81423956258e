"""Groups of commands: their help, one that has a default one, one whose help lists the settings."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class CommandGroup(TyperGroup):
    """A group whose help says of each command the whole sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands."""
        known = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        rows = [(one.name, one.get_short_help_str(limit=_WHOLE)) for one in known if one is not None and not one.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


_WHOLE = 1000


class Defaulting(CommandGroup):
    """The command `check` stands for itself: `weft test PATH` is `weft test check PATH`."""

    default = "check"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command in front of what names no command and asks for no help."""
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


class ListingSettings(CommandGroup):
    """Where its epilog has `place`, its help has the environment's name of every setting, also of installed packs."""

    place = "WEFT_..."

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        from weft.engine.schema.packs import Packs
        from weft.engine.settings import variables

        names = ", ".join(variables(Packs.installed().settings.values()))
        self.epilog = (self.epilog or "").replace(self.place, names)
        super().format_help(ctx, formatter)
