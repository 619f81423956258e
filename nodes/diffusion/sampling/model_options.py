"""What stands beside a model's weights: functions that step into a run, by ComfyUI's names.

Nodes here and third-party packs put their functions into `model_options` of a clone, with the same methods; a run reads
them there and changes nothing, so equal models realise to one network whatever functions they carry.

model_options:
    transformer_options: inside the network, at the places that its family has; a UNet's: families/sd/unet.py. Model
        patches stand there in "patches", at NETWORK
    model_function_wrapper: around each network call, see Predictor in nodes/diffusion/sampling/guidance.py
    sampler_pre_cfg_function, sampler_cfg_function, sampler_post_cfg_function, sampler_calc_cond_batch_function,
        disable_cfg1_optimization: around guidance, see Evaluation there
    denoise_mask_function: on the noise mask at each evaluation, see Inpaint in nodes/diffusion/sampling/sample.py
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.families.model_patches import NETWORK, NetworkPatch
from weft.nodes.diffusion.families.protocol import Places

Function = Callable[..., Any]


class ModelOptions:
    """The methods of ComfyUI's MODEL that put a function into model_options. They change the object: clone it first."""

    model_options: dict[str, Any]

    @property
    def places(self) -> Places:
        """Where functions may step into the network."""
        raise NotImplementedError

    def set_model_sampler_cfg_function(self, function: Function, disable_cfg1_optimization: bool = False) -> None:
        """Combine both predictions with `function`, the last set; one of (cond, uncond, scale) is taken too."""
        if len(inspect.signature(function).parameters) == 3:
            self.model_options["sampler_cfg_function"] = lambda args: function(
                args["cond"], args["uncond"], args["cond_scale"]
            )
        else:
            self.model_options["sampler_cfg_function"] = function
        self._evaluate_both(disable_cfg1_optimization)

    def set_model_sampler_pre_cfg_function(self, function: Function, disable_cfg1_optimization: bool = False) -> None:
        """Change both predictions before they are combined, behind the functions that do so already."""
        self._append(self.model_options, "sampler_pre_cfg_function", function)
        self._evaluate_both(disable_cfg1_optimization)

    def set_model_sampler_post_cfg_function(self, function: Function, disable_cfg1_optimization: bool = False) -> None:
        """Change the guided prediction, behind the functions that do so already."""
        self._append(self.model_options, "sampler_post_cfg_function", function)
        self._evaluate_both(disable_cfg1_optimization)

    def set_model_sampler_calc_cond_batch_function(self, function: Function) -> None:
        """Predict all sides with `function`, the last set."""
        self.model_options["sampler_calc_cond_batch_function"] = function

    def set_model_unet_function_wrapper(self, function: Function) -> None:
        """Call the network through `function`, the last set."""
        self.model_options["model_function_wrapper"] = function

    def set_model_denoise_mask_function(self, function: Function) -> None:
        """Change the noise mask at each evaluation, with the function last set."""
        self.model_options["denoise_mask_function"] = function

    def set_model_patch(self, patch: Function, name: str) -> None:
        """Step into the network at one of its places, behind those who are there already."""
        known = self.places.patched
        if name not in known:
            there = ", ".join(known) or "none in this one"
            raise DiffusionError(f"no place {name!r} to patch a model{nearest(name, known)}; there are {there}")
        self._append(self._inner.setdefault("patches", {}), name, patch)

    def set_model_patch_replace(
        self, patch: Function, name: str, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """Replace the attention `name` of a block, or of one transformer layer in it; the last set counts."""
        known = self.places.replaced
        if name not in known:
            there = ", ".join(known) or "none in this one"
            raise DiffusionError(f"cannot replace {name!r} in a model; there are {there}")
        place = (block_name, number) if transformer_index is None else (block_name, number, transformer_index)
        self._inner.setdefault("patches_replace", {}).setdefault(name, {})[place] = patch

    def set_model_rope_options(
        self,
        scale_x: float,
        shift_x: float,
        scale_y: float,
        shift_y: float,
        scale_t: float,
        shift_t: float,
        **options: Any,
    ) -> None:
        """Have the network's attention find patches at their column, row and frame times a scale, and a shift.

        Raises:
            DiffusionError: a network whose positions cannot be changed, or another option.
        """
        if options:
            raise DiffusionError(
                f"unknown options of positions: {', '.join(options)}; there are scale and shift of x, y, t"
            )
        if not self.places.positions:
            raise DiffusionError("this model's network has no positions that can be scaled; expected one of Wan")
        self._inner["rope_options"] = {
            "scale_x": scale_x,
            "shift_x": shift_x,
            "scale_y": scale_y,
            "shift_y": shift_y,
            "scale_t": scale_t,
            "shift_t": shift_t,
        }

    def set_model_attn1_patch(self, patch: Function) -> None:
        """See set_model_patch."""
        self.set_model_patch(patch, "attn1_patch")

    def set_model_attn2_patch(self, patch: Function) -> None:
        """See set_model_patch."""
        self.set_model_patch(patch, "attn2_patch")

    def set_model_attn1_output_patch(self, patch: Function) -> None:
        """See set_model_patch."""
        self.set_model_patch(patch, "attn1_output_patch")

    def set_model_attn2_output_patch(self, patch: Function) -> None:
        """See set_model_patch."""
        self.set_model_patch(patch, "attn2_output_patch")

    def set_model_input_block_patch(self, patch: Function) -> None:
        """See set_model_patch."""
        self.set_model_patch(patch, "input_block_patch")

    def set_model_input_block_patch_after_skip(self, patch: Function) -> None:
        """See set_model_patch."""
        self.set_model_patch(patch, "input_block_patch_after_skip")

    def set_model_output_block_patch(self, patch: Function) -> None:
        """See set_model_patch."""
        self.set_model_patch(patch, "output_block_patch")

    def set_model_attn1_replace(
        self, patch: Function, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """See set_model_patch_replace."""
        self.set_model_patch_replace(patch, "attn1", block_name, number, transformer_index)

    def set_model_attn2_replace(
        self, patch: Function, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """See set_model_patch_replace."""
        self.set_model_patch_replace(patch, "attn2", block_name, number, transformer_index)

    @property
    def _inner(self) -> dict[str, Any]:
        inner: dict[str, Any] = self.model_options.setdefault("transformer_options", {})
        return inner

    def _evaluate_both(self, needed: bool) -> None:
        if needed:
            self.model_options["disable_cfg1_optimization"] = True

    @staticmethod
    def _append(options: dict[str, Any], name: str, function: Function) -> None:
        # A new list: the one that stands there may be shared.
        options[name] = [*options.get(name, ()), function]


def copied(value: Any) -> Any:
    """Options for a clone: containers copied all the way down, everything else shared (callables, tensors)."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


@runtime_checkable
class KeepsMemory(Protocol):
    """What says how much memory it keeps: a model patch."""

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """Bytes, by what others may share."""


def model_patches(options: Mapping[str, Any]) -> Sequence[NetworkPatch]:
    """The model patches in model_options."""
    found: Sequence[NetworkPatch] = options.get("transformer_options", {}).get("patches", {}).get(NETWORK, ())
    return found


def kept_by_patches(options: Mapping[str, Any]) -> Iterator[tuple[Hashable, int]]:
    """What the model patches in model_options keep in memory."""
    for patch in model_patches(options):
        if isinstance(patch, KeepsMemory):
            yield from patch.memory_parts
