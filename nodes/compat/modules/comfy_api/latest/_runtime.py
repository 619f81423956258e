"""What a V3 pack is (ComfyExtension), and what its nodes may ask of the run (ComfyAPI)."""

from __future__ import annotations

from typing import Any

from weft.nodes.compat.modules.comfy_api.latest._node import ComfyNode
from weft.nodes.compat.modules.comfy_api.latest._schema import NodeReplace
from weft.nodes.compat.progress import report


class ComfyExtension:
    """A pack: `comfy_entrypoint` returns one."""

    async def on_load(self) -> None:
        """What is to be done once, before its classes are asked for."""

    async def get_node_list(self) -> list[type[ComfyNode]]:
        """The classes of the pack."""
        raise NotImplementedError(f"{type(self).__name__} has no get_node_list")


class _ExecutionSync:
    def set_progress(
        self,
        value: float,
        max_value: float,
        node_id: str | None = None,
        preview_image: Any = None,
        ignore_size_limit: bool = False,
    ) -> None:
        """Say how far the node that is called has come; the picture is a PIL image or pixels [H,W,C]."""
        report(value, max_value, preview_image)


class _Execution:
    async def set_progress(
        self,
        value: float,
        max_value: float,
        node_id: str | None = None,
        preview_image: Any = None,
        ignore_size_limit: bool = False,
    ) -> None:
        """Say how far the node that is called has come; the picture is a PIL image or pixels [H,W,C]."""
        report(value, max_value, preview_image)


class _ReplacementSync:
    def register(self, node_replace: NodeReplace) -> None:
        """Taken note of by nobody: a browser would offer to replace the class. A workflow is run as it is written."""


class _Replacement:
    async def register(self, node_replace: NodeReplace) -> None:
        """Taken note of by nobody: a browser would offer to replace the class. A workflow is run as it is written."""


class ComfyAPI:
    """What nodes may ask of the run; its methods are to be awaited."""

    VERSION = "latest"
    STABLE = False

    def __init__(self) -> None:
        self.execution = _Execution()
        self.node_replacement = _Replacement()


class ComfyAPISync:
    """The same without waiting."""

    VERSION = "latest"
    STABLE = False

    def __init__(self) -> None:
        self.execution = _ExecutionSync()
        self.node_replacement = _ReplacementSync()
