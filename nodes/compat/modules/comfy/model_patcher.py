"""`comfy.model_patcher`: the MODEL that packs clone and put functions on."""

from __future__ import annotations

from typing import Any

from weft.nodes.diffusion.sampling.model_options import copied
from weft.nodes.diffusion.weights.patcher import ModelPatcher

__all__ = ["ModelPatcher"]

Options = dict[str, Any]


def create_model_options_clone(orig_model_options: Options) -> Options:
    """Options of one's own: dicts and lists copied all the way down."""
    cloned: Options = copied(orig_model_options)
    return cloned


def set_model_options_patch_replace(
    model_options: Options, patch: Any, name: str, block_name: str, number: int, transformer_index: int | None = None
) -> Options:
    """New options in which a function stands in place of an attention, see ModelPatcher.set_model_patch_replace."""
    cloned = create_model_options_clone(model_options)
    place = (block_name, number) if transformer_index is None else (block_name, number, transformer_index)
    inner = cloned.setdefault("transformer_options", {})
    inner.setdefault("patches_replace", {}).setdefault(name, {})[place] = patch
    return cloned


def _with(model_options: Options, name: str, function: Any, both: bool) -> Options:
    cloned = create_model_options_clone(model_options)
    cloned[name] = [*cloned.get(name, ()), function]
    if both:
        cloned["disable_cfg1_optimization"] = True
    return cloned


def set_model_options_post_cfg_function(
    model_options: Options, post_cfg_function: Any, disable_cfg1_optimization: bool = False
) -> Options:
    """New options with a function behind guidance."""
    return _with(model_options, "sampler_post_cfg_function", post_cfg_function, disable_cfg1_optimization)


def set_model_options_pre_cfg_function(
    model_options: Options, pre_cfg_function: Any, disable_cfg1_optimization: bool = False
) -> Options:
    """New options with a function before guidance."""
    return _with(model_options, "sampler_pre_cfg_function", pre_cfg_function, disable_cfg1_optimization)
