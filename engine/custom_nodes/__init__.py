"""ComfyUI's custom nodes: folders of packs, and single files, whose code runs only when somebody asks for it.

`records` says what is known of one, `importing` imports one, `containment`, `refusals` and `limits` keep what an import
does to the process within bounds, `joining` puts all of them into a registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.engine.errors import Warn, python_warning

if TYPE_CHECKING:
    from weft.engine.custom_nodes.records import CustomPack
    from weft.engine.folders import Folders
    from weft.engine.schema.registry import Registry
    from weft.engine.settings import Settings


def with_custom_nodes(
    registry: Registry, settings: Settings, folders: Folders, warn: Warn = python_warning
) -> tuple[Registry, list[CustomPack]]:
    """The registry, with the classes of the custom nodes that the settings name, and these packs; their code runs here.

    Raises UsageError for a place that is not there. What does not load is told to `warn`.
    """
    if not settings.custom_nodes and not settings.nodes:
        return registry, []
    from weft.engine.custom_nodes.joining import join

    return join(registry, settings, folders, warn)
