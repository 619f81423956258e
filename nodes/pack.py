"""The built-in nodes as a pack: what the engine finds through the entry-point group `weft.packs`."""

from __future__ import annotations

from weft.engine.schema.packs import Pack
from weft.nodes import NODES

PACK = Pack(nodes=NODES)
