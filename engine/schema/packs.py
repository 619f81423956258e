"""What node libraries give the engine: packs, each a `Pack`, found through the entry-point group `weft.packs`.

A library that has nothing but nodes may name their mapping in the group `weft.nodes` instead. Where text names what a
pack brings, `module:attribute`, that is imported when it is first needed: finding packs must cost next to nothing.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib import import_module, metadata
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from weft.engine.errors import DefinitionError
from weft.engine.schema.frontend import Frontend
from weft.engine.schema.node import NodeSchema, RunnableNode
from weft.engine.settings import Setting, Settings

if TYPE_CHECKING:
    from weft.engine.reckoning import MemoryAccount, PlannedRun
    from weft.engine.templating import Template

PACKS, NODES = "weft.packs", "weft.nodes"
"""The entry-point groups of packs, and of mappings of nodes."""

DISPLAY_NAMES = "NODE_DISPLAY_NAME_MAPPINGS"
"""ComfyUI's name for what a library's module calls its classes, by class_type."""

CHECKOUT = Path(__file__).resolve().parents[2] / "pyproject.toml"
"""Where Weft's own pack is declared, if this is a checkout."""

NodeSource = NodeSchema | RunnableNode | str | type | Callable[..., Any]
"""What can be registered: a schema, a node, a `@node` function, a V1 class, or `module:attribute` naming one."""


@dataclass(frozen=True)
class Pass:
    """A pass over a prompt before it is planned, in runs that have the switch of its name on.

    What replaces a class stands with it: `@node(passes={name: function})`, see `weft.engine.planning.lowering`.
    `idle` is what the user is told where nothing was replaced.
    """

    name: str
    idle: str = ""


class Version(NamedTuple):
    """A number that files record and that is raised when what it counts changes; `of` says what that is."""

    name: str
    number: int
    of: str


class SelfTests(NamedTuple):
    """The node classes by which a workflow tests itself.

    A `definition` says what the test is called and what it needs; an assertion that does not hold fails the run. Those
    `passing` pass on what they get: nothing may ask for that, and still they are to run.
    """

    definitions: frozenset[str] = frozenset()
    assertions: frozenset[str] = frozenset()
    passing: frozenset[str] = frozenset()


Computes = Callable[[Settings], Mapping[str, str]]
"""What computes in a run with these settings: facts by name, nothing left to be decided, on which numbers depend."""


class Codec(NamedTuple):
    """What turns values of a type into bytes and back, the same value each time.

    `encode` raises TypeError for a value that has no such form: a cache then keeps it in memory alone.
    """

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


Meet = Callable[[Callable[[Sequence[Any]], Sequence[Any]], Any], Any]
"""Waits until other runs ask, too, has one of them answer all, and gives what was found: see Turns.meet."""


class Gatherer(Protocol):
    """What a library evaluates together for several runs; it is made of a Meet."""

    def joined(self) -> AbstractContextManager[None]:
        """Inside the block, the run of this thread meets the others."""


Measure = Callable[[Any], Any]
"""What a golden holds of a value: plain data and tensors, in lists and mappings."""


@dataclass(frozen=True)
class Pack:
    """A node library, as the engine sees it; everything is optional.

    `nodes` are its classes by class_type, `titles` what it calls them, where their sources do not say. Files record
    its `versions`, beside the values of its `settings` that have words. `frontend` is its part in the browser,
    `self_tests` are its assertion nodes, `measures` say by socket type what `weft test` compares of a value that is
    neither plain data nor a tensor, `instrument` is what measures tensors (`weft.engine.testing.instrument`),
    `imports` is the module that answers what custom nodes for ComfyUI import (`weft.engine.custom_nodes.records`).
    `borrowed` are its classes that stand for those of a custom node pack, which come first where that pack is loaded.
    `common` are those that workflows use most, the commonest first: lists show them first.
    `pictures` what draws sheets of pictures (`weft.engine.sweeping.pictures`), `stand_ins` what stands in for files
    that are not there, in runs that have the setting of that name on (`weft.engine.standins`). `checkup` is what
    `weft doctor` asks (`weft.engine.checkup`), `templates` where the mapping is of the workflows that `weft new` begins
    with, by name (`weft.engine.templating`). `check` is where what raises UsageError is for settings that nothing can
    run with, such as a GPU that is not there.
    `lint` is where its rules for `weft lint` are, a tuple of `weft.engine.linting.rules.LintRule`; `memory` what says
    how much of a GPU's memory a plan takes (`weft.engine.reckoning.Reckon`).
    `environment` says what computes, `codecs` by value type (`torch.Tensor`) how values of it are kept outside of the
    process: of a type that has none, they are not. `gatherer` evaluates together what several runs ask for at once; it
    is found without a library. `name` is its entry point's.
    """

    nodes: Mapping[str, NodeSource] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    passes: tuple[Pass, ...] = ()
    versions: tuple[Version, ...] = ()
    frontend: Frontend = field(default_factory=Frontend)
    self_tests: SelfTests = field(default_factory=SelfTests)
    measures: Mapping[str, Measure | str] = field(default_factory=dict)
    instrument: str = ""
    pictures: str = ""
    imports: str = ""
    borrowed: frozenset[str] = frozenset()
    common: tuple[str, ...] = ()
    stand_ins: str = ""
    checkup: str = ""
    check: str = ""
    templates: str = ""
    lint: str = ""
    memory: str = ""
    environment: Computes | str = ""
    codecs: Mapping[str, Codec | str] = field(default_factory=dict)
    gatherer: Callable[[Meet], Gatherer] | str = ""
    name: str = ""

    def __post_init__(self) -> None:
        """Raise DefinitionError for a part that is none: at its making, so that it is known whose it is."""
        for part, kind in _PARTS.items():
            value = getattr(self, part)
            if not isinstance(value, kind):
                raise DefinitionError(f"{part}: expected a {kind.__name__}, got {value!r:.200}")
        for part, kind in _SEVERAL.items():
            value = getattr(self, part)
            if not isinstance(value, tuple) or not all(isinstance(each, kind) for each in value):
                raise DefinitionError(f"{part}: expected a tuple of {kind.__name__}, got {value!r:.200}")
        for class_type, title in self.titles.items():
            if not isinstance(title, str) or not title:
                raise DefinitionError(f"titles: expected a text for {class_type!r}, got {title!r:.200}")


_PARTS: Mapping[str, type] = {
    "nodes": Mapping, "titles": Mapping, "frontend": Frontend, "self_tests": SelfTests, "measures": Mapping,
    "instrument": str, "pictures": str, "imports": str, "borrowed": frozenset, "stand_ins": str, "codecs": Mapping,
    "checkup": str, "check": str, "templates": str, "lint": str, "memory": str,
}  # fmt: skip
_SEVERAL: Mapping[str, type] = {"settings": Setting, "passes": Pass, "versions": Version, "common": str}


@dataclass(frozen=True)
class Packs:
    """The packs in force, in the order in which they were found; `broken` says which could not be loaded, and why."""

    all: tuple[Pack, ...] = ()
    broken: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Pack]:
        return iter(self.all)

    @cached_property
    def settings(self) -> Mapping[str, Setting]:
        """The settings of all packs, by name."""
        return {setting.name: setting for pack in self for setting in pack.settings}

    @cached_property
    def frontend(self) -> Frontend:
        """What all packs do in the browser."""
        return Frontend.of(pack.frontend for pack in self)

    @cached_property
    def common(self) -> tuple[str, ...]:
        """The classes that workflows use most, the commonest first; of several packs, one after the other."""
        return tuple(class_type for pack in self for class_type in pack.common)

    @cached_property
    def self_tests(self) -> SelfTests:
        """The classes of all packs by which workflows test themselves."""
        return SelfTests(*(frozenset().union(*each) for each in zip(*(pack.self_tests for pack in self), strict=True)))

    def measure(self, io_type: str, value: Any) -> Any:
        """What a golden holds of a value of a socket type. Raises DefinitionError naming the pack that failed at it."""
        pack = next((pack for pack in self if io_type in pack.measures), None)
        if pack is None:
            return value
        measure = pack.measures[io_type]
        try:
            return (resolve(measure) if isinstance(measure, str) else measure)(value)
        except Exception as error:  # a pack's own code: it may raise anything
            message = error.message if isinstance(error, DefinitionError) else f"{type(error).__name__}: {error}"
            raise DefinitionError(f"node pack {pack.name!r}: its measure of {io_type}: {message}") from error

    def codec(self, kind: str) -> Codec | None:
        """The codec of a value type, `module.Name`. Raises DefinitionError naming the pack that failed at it."""
        pack = next((pack for pack in self if kind in pack.codecs), None)
        if pack is None:
            return None
        codec = pack.codecs[kind]
        try:
            found = resolve(codec) if isinstance(codec, str) else codec
        except DefinitionError as error:
            raise DefinitionError(f"node pack {pack.name!r}: its codec of {kind}: {error.message}") from error
        if not isinstance(found, Codec):
            raise DefinitionError(f"node pack {pack.name!r}: its codec of {kind}: expected a Codec, got {found!r:.200}")
        return found

    def gatherers(self, meet: Meet) -> list[Gatherer]:
        """What evaluates together, in all packs, for runs that `meet`. Raises DefinitionError naming the pack."""
        found: list[Gatherer] = []
        for pack in (pack for pack in self if pack.gatherer):
            try:
                make = resolve(pack.gatherer) if isinstance(pack.gatherer, str) else pack.gatherer
                found.append(make(meet))
            except Exception as error:  # a pack's own code: it may raise anything
                message = error.message if isinstance(error, DefinitionError) else f"{type(error).__name__}: {error}"
                raise DefinitionError(f"node pack {pack.name!r}: its gatherer: {message}") from error
        return found

    @property
    def templates(self) -> Mapping[str, Template]:
        """The workflows to begin with, by name; of one name the first pack's is meant. Raises DefinitionError."""
        found: dict[str, Template] = {}
        for pack in (pack for pack in self if pack.templates):
            named = resolve(pack.templates)
            if not isinstance(named, Mapping):
                raise DefinitionError(f"node pack {pack.name!r}: templates: expected a mapping, got {named!r:.200}")
            found = {**named, **found}
        return found

    def reckoned(self, plan: PlannedRun, settings: Settings) -> MemoryAccount | None:
        """How much memory a plan takes, as the first pack says that can. Raises DefinitionError naming the pack."""
        pack = next((pack for pack in self if pack.memory), None)
        if pack is None:
            return None
        try:
            account: MemoryAccount = resolve(pack.memory)(plan, settings)
        except Exception as error:  # a pack's own code: it may raise anything
            message = error.message if isinstance(error, DefinitionError) else f"{type(error).__name__}: {error}"
            raise DefinitionError(f"node pack {pack.name!r}: its account of memory: {message}") from error
        return account

    @property
    def recorded(self) -> Mapping[str, Setting]:
        """Those settings that files record."""
        return {name: setting for name, setting in self.settings.items() if setting.words}

    @property
    def versions(self) -> Mapping[str, Version]:
        """What else files record, by name."""
        return {version.name: version for pack in self for version in pack.versions}

    def making(self, settings: Settings) -> dict[str, Any]:
        """What files record of a run with these settings; of a switch, only that it is on."""
        values = {name: getattr(settings, name) for name in self.recorded}
        chosen = {name: value for name, value in values.items() if value is not False and value is not True}
        switched = {name: value for name, value in values.items() if value is True}
        return {**chosen, **{version.name: version.number for version in self.versions.values()}, **switched}

    def environment(self, settings: Settings) -> dict[str, Any]:
        """What the numbers of a run depend on beside its nodes: settings, versions and what computes, by name.

        Raises DefinitionError naming the pack that failed at it.
        """
        facts = {name: getattr(settings, name) for name, setting in self.settings.items() if setting.numbers}
        facts |= {version.name: version.number for version in self.versions.values()}
        for pack in (pack for pack in self if pack.environment):
            try:
                computes = resolve(pack.environment) if isinstance(pack.environment, str) else pack.environment
                facts |= {f"{pack.name}.{name}": fact for name, fact in computes(settings).items()}
            except Exception as error:  # a pack's own code: it may raise anything
                message = error.message if isinstance(error, DefinitionError) else f"{type(error).__name__}: {error}"
                raise DefinitionError(f"node pack {pack.name!r}: its environment: {message}") from error
        return facts

    def check(self, settings: Settings) -> None:
        """Raise UsageError for settings that nothing can run with, before anything is loaded."""
        for pack in (pack for pack in self if pack.check):
            resolve(pack.check)(settings)

    def passes(self, settings: Settings) -> list[Pass]:
        """The passes of a run with these settings."""
        return [each for pack in self for each in pack.passes if getattr(settings, each.name, False)]

    @classmethod
    def installed(cls) -> Packs:
        """Those of the group `weft.packs`; one that cannot be loaded is among the broken, and left out.

        So is a setting of a name that is taken.
        """
        found = cls._found((entry, _pack, entry.name) for entry in _entries())
        taken, packs, broken = set(Settings.model_fields), [], list(found.broken)
        for pack in found:
            double = [setting.name for setting in pack.settings if setting.name in taken]
            broken += [
                f"node pack {pack.name!r}: there is a setting {name!r} already; it is left out" for name in double
            ]
            packs.append(replace(pack, settings=tuple(one for one in pack.settings if one.name not in taken)))
            taken.update(setting.name for setting in pack.settings)
        return cls(tuple(packs), tuple(broken))

    def with_mappings(self) -> Packs:
        """These, and the mappings of the group `weft.nodes`.

        One that its own library has as a pack, under the same name, is passed over: a library may name its nodes there
        for versions that know no packs. That of another library is called after both.
        """
        names = {pack.name for pack in self}
        entries: list[tuple[EntryPoint, Callable[[EntryPoint, Any], Pack], str]] = []
        for entry in _declared(NODES):
            if entry.name not in names:
                entries.append((entry, _mapping, entry.name))
            elif _library(entry) not in {_library(each) for each in _entries() if each.name == entry.name}:
                entries.append((entry, _mapping, f"{entry.name} of {_library(entry)}"))
        found = self._found(entries)
        return Packs((*self.all, *found.all), (*self.broken, *found.broken))

    @classmethod
    def _found(cls, entries: Iterable[tuple[EntryPoint, Callable[[EntryPoint, Any], Pack], str]]) -> Packs:
        """What the entry points name, read and called so."""
        packs: list[Pack] = []
        broken: list[str] = []
        for entry, read, name in entries:
            try:
                packs.append(replace(read(entry, _load(entry)), name=name))
            except DefinitionError as error:
                broken.append(error.message)
        return cls(tuple(packs), tuple(broken))


def resolve(place: str) -> Any:
    """What stands at `module:attribute`, or the module. Raises DefinitionError."""
    module, colon, attribute = place.partition(":")
    try:
        found = import_module(module)
        return getattr(found, attribute) if colon else found
    except (Exception, SystemExit) as error:  # a pack's own code: it may raise anything
        raise DefinitionError(f"{place!r}: {type(error).__name__}: {error}") from error


def _entries() -> Iterable[EntryPoint]:
    """The entry points of packs, those of Weft's own checkout too where its installation is older than they are."""
    found = _declared(PACKS)
    if not any(entry.name == "builtin" for entry in found) and CHECKOUT.is_file():
        declared = tomllib.loads(CHECKOUT.read_text(encoding="utf-8"))["project"]["entry-points"].get(PACKS, {})
        found = [*(EntryPoint(name, value, PACKS) for name, value in declared.items()), *found]
    return found


def _declared(group: str) -> Sequence[EntryPoint]:
    """The entry points of a group, for which every library is looked into: once, while none comes or goes."""
    return _read(group, metadata.entry_points, tuple((folder, _changed(folder)) for folder in sys.path))


@lru_cache(maxsize=8)
def _read(group: str, read: Callable[..., Iterable[EntryPoint]], folders: Any) -> Sequence[EntryPoint]:
    return tuple(read(group=group))


def _changed(folder: str) -> int:
    """When a file of a folder came or went, in nanoseconds; 0 without such a folder."""
    try:
        return os.stat(folder or os.curdir).st_mtime_ns
    except OSError:
        return 0


def _library(entry: EntryPoint) -> str:
    """The distribution that has an entry point; what stands in the checkout has none, and is Weft's."""
    return entry.dist.name if entry.dist is not None else "weft"


def _called(entry: EntryPoint) -> str:
    return f"node pack {entry.name!r} ({entry.value})"


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:  # a pack's own code: it may raise anything
        raise DefinitionError(f"{_called(entry)} cannot be loaded: {type(error).__name__}: {error}") from error


def _pack(entry: EntryPoint, found: Any) -> Pack:
    if not isinstance(found, Pack):
        raise DefinitionError(f"{_called(entry)}: expected a Pack, got {found!r:.200}")
    return found


def _mapping(entry: EntryPoint, found: Any) -> Pack:
    try:
        nodes: Any = dict(found) if isinstance(found, Mapping) else None
    except Exception as error:  # a mapping of the pack's own
        raise DefinitionError(f"{_called(entry)} cannot be loaded: {type(error).__name__}: {error}") from error
    if nodes is None:
        raise DefinitionError(f"{_called(entry)}: expected a mapping, got {found!r:.200}")
    titles = getattr(sys.modules.get(entry.module), DISPLAY_NAMES, None)
    if not isinstance(titles, Mapping):
        titles = {}
    said = {name: title for name, title in titles.items() if name in nodes and isinstance(title, str) and title}
    return Pack(nodes, said)
