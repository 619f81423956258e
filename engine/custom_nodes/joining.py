"""Puts the packs that settings name into a registry.

A pack is the process's, as every module is: what one session has imported the next one uses, unless its files have
changed since.

Invariants:
- A pack that fails is a line to the user, and a hint where one of its classes is missing; nothing else depends on it.
- A class of Weft's own stays what it is, but for those that it has only borrowed, and so does one of a pack that came
  before: the order is that of the settings, files of the user's first, then folders, each sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.engine.custom_nodes.importing import digest_of, forget, packs_in, prepare, read, unread
from weft.engine.custom_nodes.records import AddedRoute, CustomPack, Host, Imports, Serving
from weft.engine.errors import DefinitionError, Warn, python_warning
from weft.engine.folders import Folders
from weft.engine.schema.packs import Pack, Packs, resolve
from weft.engine.schema.registry import Registry
from weft.engine.settings import Settings

_IMPORTED: dict[Path, CustomPack] = {}
"""The packs of this process, by their places."""


def join(registry: Registry, settings: Settings, folders: Folders, warn: Warn) -> tuple[Registry, list[CustomPack]]:
    """A registry with the classes of the packs too, and the packs.

    `warn` is told of each that did not load, and of classes that are hidden. Raises UsageError for a place that is not
    there.
    """
    registry = registry.copy()
    own = [path for place in settings.nodes for path in packs_in(place, settings.source("nodes"))]
    others = [path for place in settings.custom_nodes for path in packs_in(place, settings.source("custom_nodes"))]
    imports = _imports(registry.packs, warn)
    if imports is not None:
        imports.install(Host(registry, folders, settings))
    paths = dict.fromkeys([*own, *others])
    packs = [_known(path) for path in paths]
    limits: dict[str, Any] = {"seconds": settings.import_seconds, "trust": settings.trust_custom_nodes}
    for pack in packs:
        if pack is not _IMPORTED.get(pack.path):
            prepare(pack, imports, **limits)
    borrowed = frozenset().union(*(pack.borrowed for pack in registry.packs))
    owners = {name: "" for name in registry if name not in borrowed}
    for pack in packs:
        if pack is not _IMPORTED.get(pack.path):
            read(pack, imports, own=pack.path in own, **limits)
            _IMPORTED[pack.path] = pack
        _adopt(registry, pack, owners, warn)
    return registry, packs


def resume(registry: Registry, settings: Settings, folders: Folders) -> None:
    """Have what packs import mean this session again: another one may have loaded packs since."""
    imports = _imports(registry.packs, python_warning)
    if imports is not None:
        imports.install(Host(registry, folders, settings))


def _known(path: Path) -> CustomPack:
    """The pack as it was imported; a new record where it was not, or where its files are others since."""
    new, old = unread(path), _IMPORTED.get(path)
    new.digest = digest_of(new)
    if old is not None and old.digest == new.digest:
        return old
    forget(new)
    return new


def _adopt(registry: Registry, pack: CustomPack, owners: dict[str, str], warn: Warn) -> None:
    """Give the registry the classes of a pack that no other has, and say what there is to say of it."""
    if pack.error:
        message = f"{pack.why} ({pack.hint})" if pack.hint else pack.why
        registry.broken.append(message)
        warn(message)
    for note in pack.notes if not pack.error else ():
        warn(f"pack {pack.name!r} {note}")
    hidden: dict[str, list[str]] = {}
    for name in pack.nodes:
        if name in owners and registry.source(name) is not pack.nodes[name]:
            hidden.setdefault(owners[name], []).append(name)
    # Weft's own stand in silence, as ComfyUI's do; `weft nodes --packs` shows which.
    for owner, names in hidden.items():
        if owner:
            warn(f"pack {pack.name!r}: the classes of pack {owner!r} stand for {listed(names)}")
    pack.hidden = tuple(name for names in hidden.values() for name in names)
    nodes = {name: source for name, source in pack.nodes.items() if name not in owners}
    registry.adopt(
        Pack(nodes=nodes, titles={name: pack.titles[name] for name in nodes if name in pack.titles}, name=pack.name)
    )
    owners.update(dict.fromkeys(nodes, pack.name))


def listed(names: Sequence[str]) -> str:
    """`a, b and 3 more`."""
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


_SHOWN = 5


def _imports(packs: Packs, warn: Warn) -> Imports | None:
    """What answers the imports of packs; None where no pack offers it."""
    place = next((pack.imports for pack in packs if pack.imports), "")
    try:
        found: Imports | None = resolve(place) if place else None
    except DefinitionError as error:
        warn(f"what packs for ComfyUI import cannot be loaded: {error.message}")
        return None
    return found


def routes_for(packs: Packs, server: Serving | None) -> Sequence[AddedRoute]:
    """Have packs speak to this server; gives the routes that they have added."""
    imports = _imports(packs, python_warning)
    return imports.serve(server) if imports is not None else ()


def version_for(packs: Packs) -> str:
    """The version of ComfyUI that packs are told; empty where nothing answers their imports."""
    imports = _imports(packs, python_warning)
    return imports.version if imports is not None else ""


def handled(
    packs: Packs, prompt: Mapping[str, Any], extra: Callable[[], Mapping[str, Any]]
) -> tuple[Any, list[str]] | None:
    """What the packs make of a prompt in API format before it is validated, as ComfyUI's server lets them.

    Returns it and what went wrong; None where no pack asks for it. `extra` gives what files carry beside it.
    """
    imports = _imports(packs, python_warning)
    return imports.on_prompt(prompt, extra) if imports is not None else None
