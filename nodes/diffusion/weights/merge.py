"""Merges: a model whose weights are made of two models' weights, parameter by parameter.

A merge is patches on the first model, so it costs nothing until it is used, and shares every weight that it leaves as
it is. Arithmetic in float32 as in parity/facts.md section 11, held by the goldens merge_*.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import PatchError
from weft.nodes.diffusion.weights.patched import DifferencePatch, MergePatch, PatchedNetwork
from weft.nodes.diffusion.weights.patcher import ModelPatcher

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import Clip

# (keep, share): the first model's weight times keep, and the second's times share.
Shares = tuple[float, float]


def weighted(ratio: float) -> Shares:
    """`ratio` of the first model and the rest of the second."""
    return ratio, 1.0 - ratio


def added() -> Shares:
    """Both models' weights."""
    return 1.0, 1.0


def subtracted(multiplier: float) -> Shares:
    """The difference between the two, times a number."""
    return multiplier, -multiplier


def merge_models(
    first: ModelPatcher, second: ModelPatcher, shares: Callable[[str], Shares]
) -> tuple[ModelPatcher, list[str]]:
    """The first model with its UNet's weights merged with the second's, patches and all.

    Args:
        shares: (keep, share) of a parameter, by its name in a single file ("input_blocks.1.0.in_layers.0.weight").

    Returns:
        The merged model, and the names of weights whose shapes differ, which keep to the first model's alone: the first
        convolution, where one of the two reads more channels (an inpainting model).

    Raises:
        PatchError: models of two families or sizes.
    """
    names = [model.kind.title for model in (first, second)]
    if first.kind.name != second.kind.name:
        raise PatchError(f"a {names[0]} and a {names[1]} model cannot be merged")
    originals = first.kind.keys()
    patches, left = _patches(first.network, second.network, lambda name: shares(originals[name]), first.kind.may_differ)
    merged = first.clone()
    merged.add_patches(patches)
    return merged, left


def merge_clips(first: Clip, second: Clip, shares: Shares) -> Clip:
    """The first CLIP with its weights merged with the second's, patches and all.

    Raises:
        PatchError: text encoders of two families or sizes.
    """
    names = [[encoder.name for encoder in clip.encoders] for clip in (first, second)]
    if names[0] != names[1]:
        raise PatchError(f"text encoders {' + '.join(names[0])} and {' + '.join(names[1])} cannot be merged")
    pairs = zip(first.encoders, second.encoders, strict=True)
    patches = {one.name: _patches(one.network, two.network, lambda name: shares, set())[0] for one, two in pairs}
    return first.with_patches(patches, 1.0)


def difference_of_models(first: ModelPatcher, second: ModelPatcher, strength: float) -> ModelPatcher:
    """The first model plus what the second has over the weights that the first was loaded with, times `strength`.

    Raises:
        PatchError: as merge_models.
    """
    titles = [model.kind.title for model in (first, second)]
    if first.kind.name != second.kind.name:
        raise PatchError(f"the difference to a {titles[1]} model cannot be put on a {titles[0]} model")
    changed = first.clone()
    changed.add_patches(_differences(first.network, second.network, first.kind.may_differ), strength)
    return changed


def difference_of_clips(first: Clip, second: Clip, strength: float) -> Clip:
    """As difference_of_models, of text encoders. Raises PatchError as merge_clips."""
    names = [[encoder.name for encoder in clip.encoders] for clip in (first, second)]
    if names[0] != names[1]:
        raise PatchError(f"the difference to {' + '.join(names[1])} cannot be put on {' + '.join(names[0])}")
    pairs = zip(first.encoders, second.encoders, strict=True)
    return first.with_patches({one.name: _differences(one.network, two.network) for one, two in pairs}, strength)


def _differences(
    first: PatchedNetwork, second: PatchedNetwork, may_differ: Collection[str] = ()
) -> dict[str, DifferencePatch]:
    merged, _ = _patches(first, second, lambda name: (0.0, 1.0), may_differ)
    return {name: DifferencePatch(name, second, first) for name, patch in merged.items() if patch.share}


def by_block(ratios: Mapping[str, float]) -> Callable[[str], Shares]:
    """A ratio for each beginning of a name, of which the longest counts; the first for names that begin otherwise."""
    default = next(iter(ratios.values()))

    def shares(name: str) -> Shares:
        begins = [begin for begin in ratios if name.startswith(begin)]
        return weighted(ratios[max(begins, key=len)] if begins else default)

    return shares


def _patches(
    first: PatchedNetwork, second: PatchedNetwork, shares: Callable[[str], Shares], may_differ: Collection[str]
) -> tuple[dict[str, MergePatch], list[str]]:
    """A patch for each parameter that the merge changes, and the parameters that keep to the first network's."""
    shapes, others = (
        {name: tuple(network.shape_of(name)) for name in network.parameter_names} for network in (first, second)
    )
    odd = sorted(shapes.keys() ^ others.keys())
    if odd:
        raise PatchError(f"models of different structure cannot be merged: {odd[0]!r} is in one alone")
    patches, left = {}, []
    for name, shape in shapes.items():
        keep, share = shares(name)
        if others[name] != shape:
            if name not in may_differ or (others[name][0], *others[name][2:]) != (shape[0], *shape[2:]):
                raise PatchError(
                    f"models of different sizes cannot be merged: {name!r} is {list(shape)} in the first, "
                    f"{list(others[name])} in the second"
                )
            left.append(name)
            share = 0.0
        if (keep, share) != (1.0, 0.0):
            patches[name] = MergePatch(name, second, keep, share)
    return patches, left
