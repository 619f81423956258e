"""The node library: `core` has the built-in faces, `efficiency` the Efficiency family, `thirdparty` substitutes for
small nodes of other packs; `compat` is what packs for ComfyUI import; `diffusion` is what computes.

`NODES` has them all: class_type -> where its function stands.
"""

from __future__ import annotations

from weft.nodes.core import NODES as CORE
from weft.nodes.efficiency import NODES as EFFICIENCY
from weft.nodes.thirdparty import NODES as THIRDPARTY

LIBRARIES = ("torch",)
"""What the nodes of a file import when they are called, where the file does not say otherwise."""

NODES: dict[str, str] = CORE | EFFICIENCY | THIRDPARTY
