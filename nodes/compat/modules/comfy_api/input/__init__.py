"""`comfy_api.input`: the older place of what `comfy_api.latest` has."""

from weft.nodes.compat.modules.comfy_api.latest._input import *  # noqa: F403
from weft.nodes.compat.modules.comfy_api.latest._input import __all__ as __all__
