"""A digest of Weft's own code: what one version computed is nothing to another."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from weft.engine.schema.v1 import pack_digest

_FOLDERS = ("engine", "nodes")


@lru_cache(maxsize=1)
def own_digest() -> str:
    """The digests of engine and nodes, strung together: of what is on the disk when it is first asked for."""
    root = Path(__file__).parents[1]
    return "".join(pack_digest(name, root.with_name(name) / "__init__.py")[:16] for name in _FOLDERS)
