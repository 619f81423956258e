"""`protocol`: the kinds of binary messages."""

from __future__ import annotations

from weft.nodes.compat.modules.server import BinaryEventTypes

__all__ = ["BinaryEventTypes"]
