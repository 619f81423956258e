"""Registry: class_type -> NodeDefinition. An object; two can coexist."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from engine.authoring import definition_of, is_node
from engine.definition import NodeDefinition
from engine.errors import DefinitionError, WeftError, did_you_mean

ENTRY_POINTS = "weft.nodes"

Source = NodeDefinition | str | type | Callable[..., Any]
"""What can be registered: a definition, a `@node` function, a V1 class, or `module:attribute` naming one of these."""


class UnknownNode(WeftError):
    """No node class of that name."""

    exit_code = 3


class Registry:
    """The node classes that a run can use.

    A node pack is a mapping from class_type to a Source, found through the entry-point group `weft.nodes`. A source
    given as text is imported when its class is first asked for: running a workflow imports only the files it uses.
    """

    def __init__(self, sources: Mapping[str, Source] | None = None) -> None:
        self._sources: dict[str, Source] = dict(sources or {})
        self._definitions: dict[str, NodeDefinition] = {}

    @classmethod
    def discover(cls) -> Registry:
        """A registry of every installed pack. Raises DefinitionError where two packs claim one class."""
        from importlib.metadata import entry_points

        registry = cls()
        owners: dict[str, str] = {}
        for entry in entry_points(group=ENTRY_POINTS):
            try:
                pack = entry.load()
            except Exception as error:  # a pack's own code: it may raise anything
                what = f"{type(error).__name__}: {error}"
                raise DefinitionError(f"node pack {entry.name!r} ({entry.value}) cannot be loaded: {what}") from error
            if not isinstance(pack, Mapping):
                raise DefinitionError(f"node pack {entry.name!r} ({entry.value}): expected a mapping, got {pack!r}")
            for class_type in pack:
                if class_type in owners:
                    raise DefinitionError(f"{class_type!r} is in two packs: {owners[class_type]!r} and {entry.name!r}")
                owners[class_type] = entry.name
            registry.add(pack)
        if not owners:
            raise DefinitionError("no node pack is installed", hint="install Weft itself: pip install .")
        return registry

    def add(self, sources: Mapping[str, Source] | Iterable[Callable[..., Any]] | Callable[..., Any]) -> Registry:
        """Register a mapping of sources, or `@node` functions under their own names; returns self."""
        if not isinstance(sources, Mapping):
            functions: list[Any] = [sources] if callable(sources) else list(sources)
            sources = {definition.class_type: definition for definition in map(definition_of, functions)}
        for class_type, source in sources.items():
            self._sources[class_type] = source
            self._definitions.pop(class_type, None)
        return self

    def copy(self) -> Registry:
        """A registry of its own with the same classes."""
        return Registry(self._sources)

    def add_object_info(self, dump: Mapping[str, Any]) -> Registry:
        """Register the classes of an object_info dump that are not there yet, without code; returns self."""
        for class_type, info in dump.items():
            if class_type not in self._sources:
                self._sources[class_type] = NodeDefinition.from_object_info(class_type, info)
        return self

    def __contains__(self, class_type: object) -> bool:
        return class_type in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, class_type: str) -> NodeDefinition:
        """The definition of a class. Raises UnknownNode with the nearest name."""
        definition = self._definitions.get(class_type)
        if definition is None:
            if class_type not in self._sources:
                raise UnknownNode(f"unknown node class {class_type!r}", hint=did_you_mean(class_type, self._sources))
            definition = self._definitions[class_type] = _define(class_type, self._sources[class_type])
        return definition


def _define(class_type: str, source: Source) -> NodeDefinition:
    found: Any = _load(class_type, source) if isinstance(source, str) else source
    if isinstance(found, NodeDefinition):
        definition = found
    elif is_node(found):
        definition = definition_of(found)
    elif inspect.isclass(found):
        from engine.v1 import definition_of_class

        definition = definition_of_class(class_type, found)
    else:
        raise DefinitionError(f"{class_type!r}: expected a @node function or a V1 class, got {found!r}")
    if definition.class_type != class_type:
        raise DefinitionError(f"{class_type!r} is registered as {definition.class_type!r}: the names must agree")
    return definition


def _load(class_type: str, place: str) -> Any:
    """What stands at `module:attribute`."""
    module, _, attribute = place.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a pack's own code: it may raise anything
        what = f"{type(error).__name__}: {error}"
        raise DefinitionError(f"{class_type!r} cannot be loaded from {place!r}: {what}") from error
