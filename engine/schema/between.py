"""Which class makes one type of another: what is missing between two nodes that do not fit."""

from __future__ import annotations

from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import IoType


def between(registry: Registry, received: IoType, wanted: IoType) -> str | None:
    """The commonest class with an input of one type and an output of the other; None where no common one has both."""
    if not isinstance(received, str) or not isinstance(wanted, str) or "*" in (received, wanted):
        return None
    for class_type in registry.packs.common:
        found = registry.find(class_type)
        if found is None:
            continue
        takes = any(spec.section == "required" and spec.socket.io_type == received for spec in found.schema.inputs)
        if takes and any(out.io_type == wanted for out in found.schema.declared):
            return class_type
    return None
