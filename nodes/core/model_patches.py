"""Model patches: networks that step into a model, opened and put on it; and other ways for it to read its prompts."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Combo, Float
from weft.nodes.core.conditioning import require
from weft.nodes.core.loaders import place
from weft.nodes.core.types import ClipVisionOutput, Image, Mask, Model, ModelPatch, Vae, weights

_MODULE = "comfy_extras.nodes_model_patch"
PatchStrength = Annotated[float, Float(default=1.0, min=-10.0, max=10.0, step=0.01)]


@node(category="advanced/loaders", python_module=_MODULE, experimental=True)
def ModelPatchLoader(*, name: Annotated[str, weights("model_patches")], context: RunContext) -> ModelPatch:
    """Open a model patch: a network that steps into a model, such as a DiffSynth ControlNet.

    Args:
        name: A file below the model_patches folders.
    """
    from weft.nodes.diffusion.sampling.model_patch import load_model_patch

    where = place(context)
    path = context.folders.find("model_patches", name)
    return load_model_patch(path, device=where.memory, dtype=where.unet, warn=context.warn)


@node(category="advanced/loaders/qwen", python_module=_MODULE, experimental=True)
def QwenImageDiffsynthControlnet(
    *, model: Model, model_patch: ModelPatch, vae: Vae, image: Image, strength: PatchStrength, mask: Mask | None = None
) -> Model:
    """Steer a model with a picture through a model patch: a ControlNet for Qwen-Image or Z-Image.

    Args:
        model_patch: The ControlNet, as ModelPatchLoader opens it.
        vae: The model's VAE, through which the picture is seen.
        image: The picture, prepared as the ControlNet expects it: edges, depth, or what is to be painted in.
        strength: How much it steers; 0 leaves the model as it is.
        mask: Where to paint, for a ControlNet that reads it.
    """
    from weft.nodes.diffusion.sampling.model_patch import with_sight

    return with_sight(model, model_patch, require(vae, "VAE"), strength, picture=image, mask=mask)


@node(category="advanced/loaders", python_module=_MODULE, experimental=True)
def ZImageFunControlnet(
    *,
    model: Model,
    model_patch: ModelPatch,
    vae: Vae,
    strength: PatchStrength,
    image: Image | None = None,
    inpaint_image: Image | None = None,
    mask: Mask | None = None,
) -> Model:
    """Steer Z-Image with a picture, and have it paint into another one, through a Fun ControlNet.

    Args:
        model_patch: The ControlNet, as ModelPatchLoader opens it.
        vae: The model's VAE, through which the pictures are seen.
        strength: How much it steers; 0 leaves the model as it is.
        image: The picture, prepared as the ControlNet expects it: edges, depth, poses.
        inpaint_image: The picture to paint in, for a ControlNet of version 2.
        mask: Where to paint, for a ControlNet of version 2.
    """
    from weft.nodes.diffusion.sampling.model_patch import with_sight

    pictures = {"picture": image, "mask": mask, "painted": inpaint_image}
    return with_sight(model, model_patch, require(vae, "VAE"), strength, **pictures)


@node(category="advanced/model_patches/flux", python_module=_MODULE, experimental=True)
def USOStyleReference(*, model: Model, model_patch: ModelPatch, clip_vision_output: ClipVisionOutput) -> Model:
    """Have FLUX.1 dev draw in the style of pictures, through USO's projector and beside USO's LoRA.

    Args:
        model_patch: USO's projector, as ModelPatchLoader opens it.
        clip_vision_output: What SigLIP (sigclip_vision_patch14_384) made of the pictures, by CLIPVisionEncode.
    """
    from weft.nodes.diffusion.sampling.style_patch import with_style_reference

    return with_style_reference(model, model_patch, clip_vision_output)


@node(category="model_patches/qwen", python_module="comfy_extras.nodes_qwen", experimental=True)
def QwenImage21Cache(
    *,
    model: Model,
    device: Annotated[str, Combo(("auto", "gpu", "cpu", "off"))],
    dtype: Annotated[str, Combo(("default", "int8", "int4"))],
) -> Model:
    """Say where Qwen-Image 2.1 keeps what it reads of its prompt over the steps, and in how many bits.

    Args:
        model: A Qwen-Image 2.1 model. Without this node it keeps all as `auto` and `default`.
        device: auto tries the GPU, then main memory; gpu and cpu are one of them; off reads the prompt in every step,
            as do the others where memory does not suffice. The picture is the same.
        dtype: default keeps the numbers as they are; int8 and int4 take a half and a quarter of the memory, and change
            the picture a little.
    """
    from weft.nodes.diffusion.sampling.patches.references import keep_prefix

    return keep_prefix(model, device, dtype)


@node(category="model_patches/flux", python_module="comfy_extras.nodes_flux", experimental=True)
def FluxKVCache(*, model: Model) -> Model:
    """Have FLUX.2 klein KV read its reference pictures once a run, not once a step: for models that are trained so.

    Args:
        model: A FLUX.2 klein KV model. Others draw with it, too, and follow their references less.
    """
    from weft.nodes.diffusion.sampling.patches.references import keep_references

    return keep_references(model)
