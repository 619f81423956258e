"""`comfy_api.util.video_types`: the same names."""

from weft.nodes.compat.modules.comfy_api.latest._util import *  # noqa: F403
from weft.nodes.compat.modules.comfy_api.latest._util import __all__ as __all__
