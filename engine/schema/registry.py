"""Registry: class_type -> NodeSchema, and the RunnableNode where the code is there. An object; two can coexist."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from weft.engine.errors import DefinitionError, Warn, WeftError, did_you_mean, python_warning
from weft.engine.schema.authoring import is_marked, read_function
from weft.engine.schema.node import DescribedNode, NodeSchema, RunnableNode
from weft.engine.schema.packs import NODES, NodeSource, Pack, Packs, resolve

HOW_CLASSES_GET_IN = (
    "--custom-nodes DIR loads packs for ComfyUI, --nodes FILE.py nodes of your own; "
    f"or pip install a package whose entry point in {NODES!r} has it: docs/nodes.md, Packs"
)
_OWN = __name__.partition(".")[0]
_MAX_HINTS = 100
"""Near names are searched for so many unknown classes: more searches would take minutes and help nobody."""
_NEAR = 0.8
"""How alike a class must be to be suggested: names of a pack share endings, and most unknown classes are no slips."""


class UnknownNode(WeftError):
    """No node class of that name."""

    exit_code = 3


class NotRunnable(DefinitionError):
    """A node class that is known, and has no code here."""


class Registry:
    """The node classes that a workflow can use.

    `registry[class_type]` is the schema: all that validating, converting and drawing a workflow needs. The code, where
    there is any, is asked for by name: `registry.runnable(class_type)`. A class that came from an object_info has none.

    They come from packs (schema/packs.py) or are put in by hand. A source given as text is imported when its class is
    first asked for: running a workflow imports only the files it uses. `packs` are those in force for all that is no
    node, whichever classes are here; default: the installed ones. `broken` says which could not be loaded, and why.

    Of an installed pack the digest of its files tells the code, beside the version. What is put in by hand may be any
    code: two registries with functions of one name have different cache keys, unless it is one and the same function.
    """

    def __init__(self, sources: Mapping[str, NodeSource] | None = None, *, packs: Packs | None = None) -> None:
        self._sources: dict[str, NodeSource] = dict(sources or {})
        self._nodes: dict[str, RunnableNode | DescribedNode] = {}
        self._owners: dict[str, str] = {}
        self._titles: dict[str, str] = {}
        self._faults: dict[str, str] = {}
        self.broken: list[str] = []
        self._near: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        self._packs = packs

    @property
    def packs(self) -> Packs:
        """The packs in force; found when they are first asked for."""
        if self._packs is None:
            self._packs = Packs.installed()
        return self._packs

    @classmethod
    def discover(cls, warn: Warn = python_warning) -> Registry:
        """A registry of every installed pack.

        `warn` is told of a pack that cannot be loaded and is left out, and of a class that two packs claim: a workflow
        that needs such a class is told why it is missing. Raises DefinitionError where no pack is left.
        """
        packs = Packs.installed().with_mappings()
        registry = cls(packs=packs)
        registry.broken = list(packs.broken)
        for message in packs.broken:
            warn(message)
        for pack in packs:
            for class_type in [name for name in pack.nodes if name in registry._owners]:
                owners = f"{registry._owners[class_type]!r} and {pack.name!r}"
                registry._faults[class_type] = f"{class_type!r} is in two packs: {owners}"
                warn(f"{registry._faults[class_type]}; it is left out")
            registry.adopt(
                replace(pack, nodes={name: node for name, node in pack.nodes.items() if name not in registry._faults})
            )
        if not registry._sources:
            hint = "install Weft itself: pip install ."
            raise DefinitionError("; ".join(registry.broken) or "no node pack is installed", hint=hint)
        return registry

    def add(self, sources: Mapping[str, NodeSource] | Iterable[Callable[..., Any]] | Callable[..., Any]) -> Registry:
        """Register a mapping of sources, or `@node` functions under their own names; returns self."""
        if not isinstance(sources, Mapping):
            functions: list[Any] = [sources] if callable(sources) else list(sources)
            sources = {read_function(function).schema.class_type: function for function in functions}
        for class_type, source in sources.items():
            self._sources[class_type] = source
            for known in (self._nodes, self._faults, self._owners, self._titles, self._near):
                known.pop(class_type, None)
        return self

    def adopt(self, pack: Pack) -> None:
        """Register the nodes of a pack, as its own."""
        self.add(pack.nodes)
        self._owners.update(dict.fromkeys(pack.nodes, pack.name))
        self._titles.update(pack.titles)

    def copy(self) -> Registry:
        """A registry of its own with the same classes."""
        copied = Registry(self._sources, packs=self._packs)
        copied._owners, copied._titles, copied._faults = dict(self._owners), dict(self._titles), dict(self._faults)
        copied.broken = list(self.broken)
        return copied

    def add_object_info(self, dump: Mapping[str, Any]) -> Registry:
        """Register the classes of an object_info dump that are not there yet, without code; returns self."""
        for class_type, info in dump.items():
            if class_type not in self._sources or class_type in self._faults:
                self.add({class_type: NodeSchema.from_object_info(class_type, info)})
        return self

    def __contains__(self, class_type: object) -> bool:
        """Whether the class can be had: it is there, and nothing is wrong with it."""
        return isinstance(class_type, str) and self.find(class_type) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, class_type: str) -> NodeSchema:
        """The schema of a class. Raises UnknownNode with the nearest name, DefinitionError for a faulty one."""
        return self._node(class_type).schema

    def runnable(self, class_type: str) -> RunnableNode:
        """The class with its code. Raises as `registry[class_type]`, and NotRunnable where there is none."""
        node = self._node(class_type)
        if isinstance(node, DescribedNode):
            raise NotRunnable(f"{class_type} cannot be run: {node.unavailable}")
        return node

    def find(self, class_type: str) -> RunnableNode | DescribedNode | None:
        """The class, with its code if that is here; None where it cannot be had."""
        node = self._nodes.get(class_type)
        if node is None and class_type in self._sources:
            with suppress(DefinitionError):
                return self._node(class_type)
        return node

    def _node(self, class_type: str) -> RunnableNode | DescribedNode:
        node = self._nodes.get(class_type)
        if node is not None:
            return node
        if class_type in self._faults:
            raise DefinitionError(self._faults[class_type])
        if class_type not in self._sources:
            message, hint = self.unknown(class_type)
            raise UnknownNode(message, hint="; ".join(filter(None, (hint, HOW_CLASSES_GET_IN))))
        try:
            node = self._read(class_type)
        except Exception as error:  # the author's code: it may raise anything
            what = (
                str(error) if isinstance(error, DefinitionError) else f"{class_type}: {type(error).__name__}: {error}"
            )
            owner = f"node pack {self._owners[class_type]!r}: " if class_type in self._owners else ""
            # Asked for again, as it is for every node of its class, it is not read again.
            self._faults[class_type] = f"{owner}{what}"
            raise DefinitionError(self._faults[class_type]) from error
        if class_type in self._titles:
            node = _with_schema(node, replace(node.schema, display_name=self._titles[class_type]))
        self._nodes[class_type] = node
        return node

    def _read(self, class_type: str) -> RunnableNode | DescribedNode:
        source = self._sources[class_type]
        found: Any = _loaded(class_type, source) if isinstance(source, str) else source
        node = _node_from(class_type, found)
        if isinstance(node, DescribedNode):
            return node
        if class_type not in self._owners:
            return replace(node, code=_code(node.call if node is found else found))
        # The version of a V1 class is that digest.
        return node if inspect.isclass(found) else replace(node, code=self._digest_of_pack(node.module))

    def _digest_of_pack(self, module: str) -> str:
        """The digest of the files of a module's pack; of Weft's own code, it stands in front of every key."""
        pack = module.partition(".")[0]
        if pack == _OWN:
            return ""
        if pack not in self._digests:
            from weft.engine.schema.v1 import DIGESTS, pack_digest

            try:
                file = Path(sys.modules[module].__file__ or "")
                self._digests[pack] = DIGESTS.get(pack) or pack_digest(module, file)
            except (KeyError, AttributeError, OSError):  # nothing tells whether its code is what it was
                self._digests[pack] = f"session:{os.urandom(16).hex()}"
        return self._digests[pack]

    def source(self, class_type: str) -> NodeSource:
        """What the class was registered as. Raises KeyError."""
        return self._sources[class_type]

    def schemas(self, warn: Warn = python_warning) -> Iterator[NodeSchema]:
        """Every class that can be had; `warn` is told of the others."""
        for class_type in self:
            if class_type in self:
                yield self[class_type]
            else:
                warn(f"{self._faults[class_type]}; it is left out")

    def unknown(self, class_type: str) -> tuple[str, str]:
        """What to say of a class that cannot be had, and a hint: the nearest name, and the packs that did not load."""
        if class_type in self._faults:
            return f"node class {class_type!r} cannot be used: {self._faults[class_type]}", ""
        if class_type not in self._near and len(self._near) < _MAX_HINTS:
            self._near[class_type] = did_you_mean(class_type, self, _NEAR)
        hints = [self._near.get(class_type, ""), *self.broken]
        return f"unknown node class {class_type!r}", "; ".join(filter(None, hints))


def _node_from(class_type: str, found: Any) -> RunnableNode | DescribedNode:
    node: RunnableNode | DescribedNode
    if isinstance(found, RunnableNode):
        node = found
    elif isinstance(found, NodeSchema):
        node = DescribedNode(found)
    elif is_marked(found):
        node = read_function(found)
    elif inspect.isclass(found):
        from weft.engine.schema.v1 import read_class

        node = read_class(class_type, found)
    else:
        raise DefinitionError(f"{class_type!r}: expected a @node function or a V1 class, got {found!r}")
    if node.schema.class_type != class_type:
        raise DefinitionError(f"{class_type!r} is registered as {node.schema.class_type!r}: the names must agree")
    return node


def _with_schema(node: RunnableNode | DescribedNode, schema: NodeSchema) -> RunnableNode | DescribedNode:
    return node._replace(schema=schema) if isinstance(node, DescribedNode) else replace(node, schema=schema)


_CODES: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def _code(thing: Any) -> str:
    """What tells this function or class from every other that this process has had; no other process knows it."""
    fresh = os.urandom(16).hex()
    try:
        return _CODES.setdefault(thing, fresh)
    except TypeError:  # it cannot be told again
        return fresh


def _loaded(class_type: str, place: str) -> Any:
    try:
        return resolve(place if ":" in place else f"{place}:")
    except DefinitionError as error:
        why = f"{type(error.__cause__).__name__}: {error.__cause__}"
        raise DefinitionError(f"{class_type!r} cannot be loaded from {place!r}: {why}") from error
