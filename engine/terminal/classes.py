"""The node classes that a command is about, found without what a workflow needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from weft.engine.errors import Warn

if TYPE_CHECKING:
    from weft.engine.custom_nodes.records import CustomPack
    from weft.engine.folders import Folders
    from weft.engine.schema.registry import Registry


class KnownClasses(NamedTuple):
    """A registry, the folders that its classes name files in, and the packs for ComfyUI among it."""

    registry: Registry
    folders: Folders
    packs: Sequence[CustomPack]


def known_classes(
    settings: Mapping[str, Any],
    *,
    models: Sequence[Path] | None,
    input: Path | None,
    object_info: Path | None = None,
    warn: Warn,
    warn_of_packs: Warn,
) -> KnownClasses:
    """The classes that are installed, and those of packs that the settings name and of an object_info."""
    # Not weft.engine.session: a list of nodes needs no graph, and networkx takes a third of the time.
    from weft.engine.custom_nodes import with_custom_nodes
    from weft.engine.folders import Folders
    from weft.engine.schema.registry import Registry
    from weft.engine.settings import Settings, check_models

    registry = Registry.discover(warn)
    given = {"models": models or None, "input": input, **settings}
    known = Settings.load(given, registry.packs.settings.values())
    check_models(known)
    folders = Folders(**{name: getattr(known, name) for name in ("models", "input", "output", "temp")})
    registry, packs = with_custom_nodes(registry, known, folders, warn_of_packs)
    if object_info is not None:
        from weft.engine.arguments import read_object_info

        registry = registry.copy().add_object_info(read_object_info(object_info))
    return KnownClasses(registry, folders, packs)


def classes_for_files(settings: Mapping[str, Any], object_info: Path | None, warn: Warn) -> Registry:
    """The classes for a command that looks at workflows alone, wherever their models are."""
    given: dict[str, Any] = {"models": None, "input": None, "object_info": object_info}
    return known_classes(settings, **given, warn=warn, warn_of_packs=warn).registry
