"""Functions in the place of a transformer's blocks, as transformer_options hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from weft.nodes.diffusion.errors import DiffusionError

# The key of "patches_replace" below which they stand, by ("double_block", number).
DIT = "dit"
BLOCK = "double_block"

Args = Mapping[str, Any]
Replacement = Callable[[Args, Args], Args]


def replaced_blocks(options: Mapping[str, Any]) -> dict[int, Replacement]:
    """The functions in the place of blocks, by their numbers; none where no patch steps in.

    A function gets what the block is given, by names of the family, and {"original_block": the block, as a function of
    one argument}; it gives what the block makes.

    Raises:
        DiffusionError: a patch that steps in elsewhere.
    """
    replaced = {name: found for name, found in options.get("patches_replace", {}).items() if found}
    unknown = [name for name in replaced if name != DIT]
    unknown += [str(place) for place in replaced.get(DIT, {}) if not _is_block(place)]
    if unknown:
        raise DiffusionError(f"a model patch steps in at {unknown[0]}; there is {DIT}, at ({BLOCK!r}, number)")
    return {number: function for (name, number), function in replaced.get(DIT, {}).items() if name == BLOCK}


def _is_block(place: Any) -> bool:
    # Of models whose last blocks have one stream there is a second name; here it names nothing.
    return isinstance(place, tuple) and len(place) == 2 and place[0] in (BLOCK, "single_block")
