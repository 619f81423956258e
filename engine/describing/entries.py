"""What object_info says of a class where there are folders."""

from __future__ import annotations

from typing import Any

from weft.engine.folders import Folders
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.sockets import Listed


def object_info(schema: NodeSchema, folders: Folders) -> dict[str, Any]:
    """The object_info entry, as a server with these folders gives it: with the names of files."""
    info = schema.to_object_info()
    for spec in schema.by_name.values():
        if isinstance(spec.socket, Listed):
            info["input"][spec.section][spec.name][0] = spec.socket.names(folders)
    return info
