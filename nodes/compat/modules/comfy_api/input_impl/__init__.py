"""`comfy_api.input_impl`: the older place of what `comfy_api.latest` has."""

from weft.nodes.compat.modules.comfy_api.latest._input_impl import *  # noqa: F403
from weft.nodes.compat.modules.comfy_api.latest._input_impl import __all__ as __all__
