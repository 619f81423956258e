"""Settings of a run: a flag (or argument) beats the environment, which beats weft.toml, which beats the default."""

from __future__ import annotations

import keyword
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError, field_validator

from weft.engine.documents import names_a_place, read_toml
from weft.engine.errors import DefinitionError, UsageError, did_you_mean

_T = TypeVar("_T")

SETTINGS_FILE = "weft.toml"
ARGUMENTS = "the arguments"
_SEVERAL = ("models", "cache", "custom_nodes", "nodes")
_PLACES = (*_SEVERAL, "input", "output", "temp")
_TABLES = ("lint",)
TAKEN = frozenset(
    {
        *("registry", "object_info", "cache", "batch", "sources", "warn", "settings"),  # Session
        *("workflow", "overrides", "targets", "only", "bypass", "mute", "observers", "seed", "cancel"),  # weft.run
        *("set", "runs", "markers", "tolerance"),  # keys of NAME.test.toml and [tool.weft.test]
        "lint",  # a table of weft.toml
    }
)
"""What has a meaning already where settings are given by name: no setting is called so."""


@dataclass(frozen=True)
class Flag:
    """The option of a setting: its help, what stands for its value there, and which commands take it.

    `weft test` and its commands count as `test`. An option of a switch has neither value nor `metavar`.
    """

    help: str
    metavar: str = ""
    commands: tuple[str, ...] = ("run", "plan", "test")


@dataclass(frozen=True)
class Setting:
    """A setting of a pack: an argument of `weft.run`, `WEFT_<NAME>`, a key of weft.toml, with a `flag` an option.

    `type` is what pydantic reads it as. `numbers`: results computed with another value are other ones, so a cache keeps
    them apart. `forgives` are the codes of issues that stop no run with this value. What has `words` is recorded: files
    say which value made them, and run again they run with it; `words` are for each value, as in "was made {words}", and
    `verb` goes before them where a run is told of. `label` is what a difference in it is called. `unsaid` is the value
    of files that do not say it, where that is not the default: those that were made before there was the setting.
    `needs` names another setting, a switch, without which it says nothing: given as an argument without that, it is an
    error.
    """

    name: str
    type: Any
    default: Any
    flag: Flag | None = None
    numbers: bool = False
    forgives: Mapping[Any, Collection[str]] = field(default_factory=dict)
    words: Mapping[Any, str] = field(default_factory=dict)
    verb: str = "run"
    label: str = ""
    unsaid: Any = None
    needs: str = ""
    reader: TypeAdapter[Any] = field(init=False, repr=False, compare=False)
    """Reads a value as the setting's type."""

    def __post_init__(self) -> None:
        """Raise DefinitionError for a name or a type that is none: at its making, so that it is known whose it is."""
        name = self.name
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise DefinitionError(f"setting {name!r:.200}: expected a name that a parameter in Python can have")
        if name in TAKEN or name in dir(Settings):
            raise DefinitionError(f"setting {name!r}: the name is taken")
        try:
            reader = TypeAdapter(self.type)
        except Exception as error:  # a type of the pack's own: it may raise anything
            why = str(error).partition("\n")[0]  # pydantic's advice is for who calls it
            raise DefinitionError(f"setting {name!r}: its type: {type(error).__name__}: {why}") from error
        if not reader.pydantic_complete:
            raise DefinitionError(f"setting {name!r}: its type {self.type!r:.200} is not known")
        object.__setattr__(self, "reader", reader)

    def said(self, value: Any) -> str:
        """How a run with this value is: `in continuous mode`."""
        return next(_under(value, self.words), f"with {self.name} {value!r:.40}")

    def forgiven(self, value: Any) -> Collection[str]:
        """The codes of issues that stop no run with this value."""
        return next(_under(value, self.forgives), ())

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return self.type is bool

    def option(self, value: Any) -> str:
        """What gives it this value on the command line."""
        dashed = self.name.replace("_", "-")
        if self.is_switch:
            return f"--{dashed}" if value else f"--no-{dashed}"
        return f"--{dashed} {value}"


def _under(value: Any, table: Mapping[Any, _T]) -> Iterator[_T]:
    """What a table has for a value, which may be a list or a mapping: those are no keys."""
    return (each for key, each in table.items() if key == value)


def own_temp() -> Path:
    """A folder for previews, one for each user; on Windows, temporary files are the user's own.

    Anybody can make a folder of that name: `Folders` looks whose it is before anything is written there.
    """
    return Path(tempfile.gettempdir()) / f"weft-{getattr(os, 'getuid', int)()}"


def own_cache() -> Path | None:
    """Weft's place in the user's cache folder; None for a user without a home, as in some containers."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return None if base.startswith("~") else Path(base) / "weft"


class Settings(BaseModel):
    """What can be set; every field is also `WEFT_<FIELD>` in the environment and a key of weft.toml.

    Beside these fields it has those of the packs' settings that it was loaded with. `cache` are the folders in which
    `weft run` keeps what it computes: the first is written to, the others are read (None: the user's own folder; no
    folder: nothing is kept). `cache_gib` is how large the first may become. `keep_alive` is for how many minutes a
    process stays after `weft run` and takes the runs that follow (None: as long as one that is there was told).
    `checkpoint_gib` is how much states between the steps of samplers may take, in the first folder beside that, and in
    memory; a sampler leaves one at least each `checkpoint_seconds`.

    `custom_nodes` are folders of packs for ComfyUI, `nodes` single files with nodes of one's own: their code runs, so
    none is there by default. One that has not been imported after `import_seconds` fails; `trust_custom_nodes` lets
    them start processes and open connections while they are imported.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    models: tuple[Path, ...] = (Path("models"),)
    input: Path = Path("input")
    output: Path = Path("output")
    temp: Path = Field(default_factory=own_temp)
    device: str = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    cache: tuple[Path, ...] | None = None
    cache_gib: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    keep_alive: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    checkpoint_gib: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    checkpoint_seconds: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    custom_nodes: tuple[Path, ...] = ()
    nodes: tuple[Path, ...] = ()
    import_seconds: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    trust_custom_nodes: bool = False
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """A pack's setting."""

    def source(self, name: str) -> str:
        """Where a setting comes from, for messages: `weft.toml`, `WEFT_MODELS in the environment`, `the arguments`."""
        return self._sources.get(name, "the default")

    @field_validator(*_SEVERAL, mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | Path) else value

    @field_validator(*_PLACES)
    @classmethod
    def _place(cls, value: Any) -> Any:
        places = value if isinstance(value, tuple) else (value,)
        if not all(names_a_place(str(place)) for place in places):
            raise ValueError("expected the path of a folder; no path has such characters")
        # No shell has replaced the `~` of what Python gives.
        found = tuple(place.expanduser() if isinstance(place, Path) else place for place in places)
        return found if isinstance(value, tuple) else found[0]

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
            raise ValueError("expected auto, cpu, cuda or cuda:N")
        return value

    @classmethod
    def load(
        cls,
        given: Mapping[str, Any],
        known: Collection[Setting] = (),
        *,
        folder: Path | None = None,
        sources: Mapping[str, str] | None = None,
    ) -> Settings:
        """The settings in force: `given` (None: not given), WEFT_* variables, weft.toml in `folder` (default: cwd).

        `known` are the settings of packs. `sources` says of what is given where it comes from, if not from the
        arguments. Raises UsageError naming the source, the field, what was got and what was expected.
        """
        folder = folder if folder is not None else Path.cwd()
        names = [*cls.model_fields, *(setting.name for setting in known)]
        passed = {name: value for name, value in given.items() if value is not None}
        environment = _from_environment(names)
        said = [(name, value, SETTINGS_FILE) for name, value in _from_file(folder / SETTINGS_FILE).items()]
        said += [(name, value, f"{_variable(name)} in the environment") for name, value in environment.items()]
        said += [(name, value, (sources or {}).get(name, ARGUMENTS)) for name, value in passed.items()]
        merged: dict[str, tuple[Any, str]] = {}
        for name, value, source in said:
            if name not in names:
                raise UsageError(f"{source}: unknown setting {name!r}", hint=did_you_mean(name, names))
            merged[name] = (value, source)
        name = ""
        try:
            settings = cls(**{name: value for name, (value, _) in merged.items() if name in cls.model_fields})
            read: dict[str, Any] = {}
            for setting in known:
                name = setting.name
                read[name] = setting.default
                if name in merged:
                    read[name] = setting.reader.validate_python(merged[name][0])
        except ValidationError as error:
            first = error.errors()[0]
            name = name or str(first["loc"][0])
            reason = first["msg"].removeprefix("Value error, ")
            raise UsageError(f"{merged[name][1]}: setting {name!r} is {merged[name][0]!r:.200}: {reason}") from error
        settings = settings.model_copy(update=read)
        settings._sources = {name: source for name, (_, source) in merged.items()}
        for setting in known:
            # What stands in a file or in the environment waits for runs that switch it on.
            switched = settings.source(setting.name) == ARGUMENTS and bool(read[setting.name])
            if switched and setting.needs and not read.get(setting.needs):
                option, switch = (f"--{each.replace('_', '-')}" for each in (setting.name, setting.needs))
                raise UsageError(f"{option} says nothing without {switch}", hint=f"add {switch}, or leave it out")
        return settings


def check_models(settings: Settings) -> None:
    """Raise UsageError for a models folder that was asked for and is not there."""
    if "models" in settings.model_fields_set:
        for root in settings.models:
            if not root.is_dir():
                hint = f"it is named by {settings.source('models')}"
                raise UsageError(f"the models folder {root} does not exist", hint=hint)


def another_device(settings: Settings) -> str:
    """The hint where the device that is asked for is not there."""
    source = settings.source("device")
    return "--device cpu" if source == ARGUMENTS else f"it is asked for by {source}; --device cpu"


def variables(known: Collection[Setting]) -> list[str]:
    """What all settings are called in the environment; `known` are those of packs."""
    return [_variable(name) for name in [*Settings.model_fields, *(setting.name for setting in known)]]


def _variable(name: str) -> str:
    return f"WEFT_{name.upper()}"


def _from_environment(names: Collection[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in names:
        text = os.environ.get(_variable(name))
        if text:
            values[name] = _places(text) if name in _SEVERAL else text
    return values


def _places(text: str) -> tuple[str, ...]:
    """The folders in a text, separated as those in PATH. No shell has replaced the `~` of one that is quoted."""
    return tuple(os.path.expanduser(place) for place in text.split(os.pathsep) if place)


def _from_file(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    values = read_toml(file)
    # Paths in a file are relative to that file. Tables are others' (weft.engine.linting.selection).
    return {name: _beside(file, name, value) for name, value in values.items() if name not in _TABLES}


def _beside(file: Path, name: str, value: Any) -> Any:
    if name in _SEVERAL and isinstance(value, list):
        return tuple(_beside(file, name, item) for item in value)
    if name in _PLACES and isinstance(value, str) and names_a_place(value):
        return file.parent / os.path.expanduser(value)
    return value
