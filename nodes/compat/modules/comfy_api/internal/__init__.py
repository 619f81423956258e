"""The names by which packs tell classes of V3 from others."""

from __future__ import annotations

from typing import Any

from weft.nodes.compat.modules.comfy_api.latest._node import ComfyNode
from weft.nodes.compat.modules.comfy_api.latest._schema import NodeOutput

_ComfyNodeInternal = ComfyNode
_NodeOutputInternal = NodeOutput


def first_real_override(cls: type, name: str, *, base: type | None = None) -> Any:
    """The method as a class below `base` wrote it; None where none did."""
    for owner in cls.__mro__:
        if owner is (base or ComfyNode):
            break
        if name in vars(owner):
            return getattr(cls, name)
    return None
