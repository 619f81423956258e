"""`custom_nodes`: the folders of packs, from which one pack may import another."""

from __future__ import annotations

from weft.nodes.compat.host import host

__path__ = [str(place) for place in host().settings.custom_nodes if place.is_dir()]
