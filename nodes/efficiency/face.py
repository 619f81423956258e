"""How the nodes of the family are marked: their module is Weft's own, since ComfyUI's node list has none of them."""

from __future__ import annotations

import functools

from weft.engine.schema import authoring

node = functools.partial(authoring.node, python_module="weft")
