"""`comfy_api.v0_0_1`: what `comfy_api.latest` is, too."""

from weft.nodes.compat.modules.comfy_api.latest import *  # noqa: F403
