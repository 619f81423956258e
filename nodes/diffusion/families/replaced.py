"""Functions in the place of a transformer's blocks, as transformer_options hold them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError

# The key of "patches_replace" below which they stand, by ("double_block", number).
DIT = "dit"
BLOCK, SINGLE = "double_block", "single_block"
# Where diffusers' networks that have both kinds of blocks keep them.
_LISTS = {BLOCK: "transformer_blocks", SINGLE: "single_transformer_blocks"}

Args = Mapping[str, Any]
Replacement = Callable[[Args, Args], Args]


def replaced_blocks(options: Mapping[str, Any], kind: str = BLOCK) -> dict[int, Replacement]:
    """The functions in the place of blocks of a kind, by their numbers; none where no patch steps in.

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
    return {number: function for (name, number), function in replaced.get(DIT, {}).items() if name == kind}


def _is_block(place: Any) -> bool:
    # Of models whose last blocks have one stream there is a second name; here it names nothing.
    return isinstance(place, tuple) and len(place) == 2 and place[0] in (BLOCK, SINGLE)


def with_replaced(network: nn.Module, options: Mapping[str, Any]) -> nn.Module:
    """A network of diffusers over text and picture, with functions in the place of its blocks; itself without any.

    It shares its weights with the one that is given. A function gets and gives "img" [N,patches,C] and "txt" [N,T,C].
    Raises DiffusionError as replaced_blocks.
    """
    functions = {kind: replaced_blocks(options, kind) for kind in _LISTS}
    if not any(functions.values()):
        return network
    view = copy.copy(network)
    view._modules = dict(network._modules)
    for kind, name in _LISTS.items():
        blocks = network._modules.get(name)
        if isinstance(blocks, nn.ModuleList):
            view._modules[name] = nn.ModuleList(
                ReplacedBlock(block, functions[kind][number]) if number in functions[kind] else block
                for number, block in enumerate(blocks)
            )
    return view


class Around(nn.Module):
    """What stands around a block, and is called as that is."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def around(self, block: nn.Module) -> Around:
        """The same around another block."""
        raise NotImplementedError


def within(block: nn.Module, change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A block as a function makes it, with what stands around it."""
    return block.around(within(block.block, change)) if isinstance(block, Around) else change(block)


class ReplacedBlock(Around):
    """A function in the place of a block, called as that is."""

    def __init__(self, block: nn.Module, function: Replacement) -> None:
        super().__init__(block)
        self.function = function

    def around(self, block: nn.Module) -> ReplacedBlock:
        """See Around."""
        return ReplacedBlock(block, self.function)

    def forward(self, hidden_states: Tensor, encoder_hidden_states: Tensor, **more: Any) -> tuple[Tensor, Tensor]:
        def original(args: Args) -> Args:
            text, picture = self.block(hidden_states=args["img"], encoder_hidden_states=args["txt"], **more)
            return {"img": picture, "txt": text}

        made = self.function({"img": hidden_states, "txt": encoder_hidden_states}, {"original_block": original})
        return made["txt"], made["img"]
