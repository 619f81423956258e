"""What a browser and a server tell each other that they can do. There is no browser here: none supports anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SERVER_FEATURE_FLAGS: dict[str, Any] = {"supports_preview_metadata": True, "max_upload_size": 104857600}


def get_connection_feature(
    sockets_metadata: Mapping[str, Mapping[str, Any]], sid: str, feature_name: str, default: Any = False
) -> Any:
    """What a client said of a feature."""
    return sockets_metadata.get(sid, {}).get("feature_flags", {}).get(feature_name, default)


def supports_feature(sockets_metadata: Mapping[str, Mapping[str, Any]], sid: str, feature_name: str) -> bool:
    """Whether a client said that it has a feature."""
    return get_connection_feature(sockets_metadata, sid, feature_name, False) is True


def get_server_features() -> dict[str, Any]:
    """What the server says of itself."""
    return dict(SERVER_FEATURE_FLAGS)
