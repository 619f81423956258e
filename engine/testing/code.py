"""Which code ran: the pack of a node class, and a digest of the pack's files.

The version of a class is raised by hand; the digest tells where somebody forgot to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from weft.engine.cache.code import own_digest
from weft.engine.schema.v1 import pack_digest

OWN = "weft"


def pack_of(module: str) -> str:
    """The outermost package of a module; empty for Weft's own, and for code of no module.

    Custom nodes are imported by their place, of which a golden has the last part: it goes to other machines.
    """
    pack = module.partition(".")[0]
    return "" if pack == OWN else f"custom_nodes.{Path(pack).name}" if os.path.isabs(pack) else pack


@lru_cache(maxsize=256)
def digest_of(module: str, pack: str) -> Mapping[str, str]:
    """The digest of a module's pack, and of Weft's own code, by name: what is on the disk when first asked for.

    Of code that has no file, nothing is known.
    """
    found = {OWN: own_digest()}
    file = getattr(sys.modules.get(module), "__file__", None)
    if pack and file is not None:
        with suppress(OSError):
            found[pack] = pack_digest(module, Path(file))
    return found
