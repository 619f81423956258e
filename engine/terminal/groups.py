"""Commands in files of their own, and groups of them: their help, one that has a default one, that of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup


def one_command() -> typer.Typer:
    """What a file of engine/commands with one command defines it on, as `app`."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class CommandFiles(Mapping[str, Any]):
    """Commands by name, each read from the file of its name when it is asked for: a command imports no other's."""

    def __init__(self, package: str, names: Sequence[str]) -> None:
        self._package = package
        self._names = names

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        command = typer.main.get_command(import_module(f"{self._package}.{name}").app)
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


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


class AllCommands(CommandGroup):
    """The commands in the files of a package, which has their `NAMES`.

    Where its epilog has `place`, its help has the environment's name of every setting, also of installed packs.
    """

    package = "weft.engine.commands"
    place = "WEFT_..."

    def __init__(self, **said: Any) -> None:
        super().__init__(**said)
        self.commands = CommandFiles(self.package, import_module(self.package).NAMES)  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names: no file is read for that."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        from weft.engine.schema.packs import Packs
        from weft.engine.settings import variables

        names = ", ".join(variables(Packs.installed().settings.values()))
        self.epilog = (self.epilog or "").replace(self.place, names)
        super().format_help(ctx, formatter)
