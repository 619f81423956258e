"""`comfy.model_patcher`: the MODEL that packs clone and put functions on."""

from __future__ import annotations

from typing import Any

from torch import nn

from weft.nodes.diffusion.interop.weights import not_carried
from weft.nodes.diffusion.sampling.model_options import copied
from weft.nodes.diffusion.weights import patcher as native

Options = dict[str, Any]


class _Patchers(type):
    def __instancecheck__(cls, instance: object) -> bool:
        ours = cls.__name__ == "ModelPatcher" and isinstance(instance, native.ModelPatcher)
        return ours or type.__instancecheck__(cls, instance)


class ModelPatcher(metaclass=_Patchers):
    """What a MODEL is an instance of. Made by a pack it holds a network of the pack's own, which it brings to a device.

    model: the network. load_device: where it computes. offload_device: where it waits.
    """

    def __init__(
        self,
        model: nn.Module,
        load_device: Any,
        offload_device: Any,
        size: int = 0,
        weight_inplace_update: bool = False,
    ) -> None:
        self.model = model
        self.load_device = load_device
        self.offload_device = offload_device
        self.size = size
        self.weight_inplace_update = weight_inplace_update
        self.model_options: Options = {"transformer_options": {}}

    def clone(self) -> ModelPatcher:
        """Another one over the same network, with options of its own."""
        clone = ModelPatcher(self.model, self.load_device, self.offload_device, self.size, self.weight_inplace_update)
        clone.model_options = create_model_options_clone(self.model_options)
        return clone

    def is_clone(self, other: Any) -> bool:
        """Whether both are over one network."""
        return getattr(other, "model", None) is self.model

    def model_size(self) -> int:
        """Bytes of the network's weights."""
        return self.size or sum(parameter.nbytes for parameter in self.model.parameters())

    def loaded_size(self) -> int:
        """Bytes of those that are on the device."""
        return sum(each.nbytes for each in self.model.parameters() if each.device == self.load_device)

    def current_loaded_device(self) -> Any:
        """Where the network is."""
        return next(self.model.parameters()).device

    def patch_model(self, device_to: Any = None, *_: Any, **__: Any) -> nn.Module:
        """The network, brought to a device."""
        self.model.to(device_to if device_to is not None else self.load_device)
        return self.model

    def unpatch_model(self, device_to: Any = None, *_: Any, **__: Any) -> None:
        """Send the network to a device."""
        if device_to is not None:
            self.model.to(device_to)

    def detach(self, *_: Any) -> nn.Module:
        """The network, sent to where it waits."""
        self.model.to(self.offload_device)
        return self.model

    def get_model_object(self, name: str) -> Any:
        """An attribute of the network, by dots."""
        found: Any = self.model
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def add_patches(self, *_: Any, **__: Any) -> list[Any]:
        """Raises DiffusionError: weights of a pack's own network are the pack's."""
        raise not_carried("a patch on the weights of a network of a pack's own")

    def add_object_patch(self, *_: Any) -> None:
        """Raises DiffusionError."""
        raise not_carried("a patch on an object of a network of a pack's own")


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
