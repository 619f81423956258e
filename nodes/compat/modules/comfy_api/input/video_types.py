"""`comfy_api.input.video_types`: the same names."""

from weft.nodes.compat.modules.comfy_api.latest._input import *  # noqa: F403
from weft.nodes.compat.modules.comfy_api.latest._input import __all__ as __all__
