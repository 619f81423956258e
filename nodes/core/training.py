"""LoRAs trained by a workflow, and what comes of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, ExtraPnginfo, Output, PromptJson, Tooltip, node
from weft.engine.schema.sockets import Boolean, Combo, Files, Float, Int, Socket, String
from weft.nodes.core.image import save_images
from weft.nodes.core.types import Conditioning, Latent, Model

if TYPE_CHECKING:
    from torch import Tensor

    Factors = dict[str, Tensor]
    Losses = dict[str, list[float]]
else:
    Factors = Losses = Any

LoraModel = Annotated[Factors, Socket("LORA_MODEL")]
"""A LoRA that no file holds: its tensors by the keys that one would have."""
LossMap = Annotated[Losses, Socket("LOSS_MAP", default={})]
"""{"loss": one number a step}."""

_MODULE = "comfy_extras.nodes_train"
_NEW = "[None]"
_LORA_ALONE = "factors of low rank are all that is trained here; algorithm LoRA does it"
Format = Annotated[str, Combo(("bf16", "fp32"), default="bf16")]


@node(display_name="Train LoRA", category="training", python_module=_MODULE, experimental=True)
def TrainLoraNode(
    *,
    model: Annotated[Model, Tooltip("The model that the LoRA is for; it stays as it is.")],
    latents: Annotated[Latent, Tooltip("What is learnt.")],
    positive: Annotated[Conditioning, Tooltip("What it is called: one prompt, or one for each latent.")],
    batch_size: Annotated[int, Int(default=1, min=1, max=10000, step=1)],
    grad_accumulation_steps: Annotated[int, Int(default=1, min=1, max=1024, step=1)],
    steps: Annotated[int, Int(default=16, min=1, max=100000)],
    learning_rate: Annotated[float, Float(default=0.0005, min=1e-07, max=1.0, step=1e-06)],
    rank: Annotated[int, Int(default=8, min=1, max=128)],
    optimizer: Annotated[str, Combo(("AdamW", "Adam", "SGD", "RMSprop"), default="AdamW")],
    loss_function: Annotated[str, Combo(("MSE", "L1", "Huber", "SmoothL1"), default="MSE")],
    seed: Annotated[int, Int(default=0, min=0, max=2**64 - 1)],
    training_dtype: Format,
    lora_dtype: Format,
    algorithm: Annotated[
        str,
        Combo(
            ("LoRA", "LoHa", "LoKr", "OFT"),
            default="LoRA",
            unsupported=dict.fromkeys(("LoHa", "LoKr", "OFT"), _LORA_ALONE),
        ),
    ],
    gradient_checkpointing: Annotated[bool, Boolean(default=True)],
    existing_lora: Annotated[str, Files("loras", extra_choices=(_NEW,), default=_NEW)],
    context: RunContext,
) -> tuple[
    Annotated[Model, Output("model_with_lora")],
    Annotated[LoraModel, Output("lora")],
    Annotated[LossMap, Output("loss")],
    Annotated[int, Int(), Output("steps")],
]:
    """Train a LoRA on latents, and put it on the model.

    Args:
        batch_size: Latents in one call of the network.
        grad_accumulation_steps: Calls whose gradients make one step.
        steps: How many steps.
        learning_rate: How far a step goes.
        rank: How many numbers each row and column of a weight gets.
        optimizer: How gradients become steps.
        loss_function: How the noise that was added is compared with the one that the network tells.
        seed: Decides where the LoRA begins, and all that is drawn.
        training_dtype: The number format in which the network computes meanwhile.
        lora_dtype: The number format of the result; it is trained in float32.
        algorithm: What is trained.
        gradient_checkpointing: Without effect: it would save memory, and give the same.
        existing_lora: A LoRA that is trained on; its rank stays.
    """
    from weft.nodes.diffusion.sampling.training import Training, train_lora
    from weft.nodes.diffusion.values.latents import samples_of
    from weft.nodes.diffusion.weights.lora import apply_lora, lora_of
    from weft.nodes.diffusion.weights.weightfile import read_tensors

    training = Training(
        steps=steps,
        rank=rank,
        learning_rate=learning_rate,
        seed=seed,
        batch=batch_size,
        accumulated=grad_accumulation_steps,
        optimizer=optimizer,
        loss=loss_function,
        computes=training_dtype,
        kept=lora_dtype,
    )
    existing = None if existing_lora == _NEW else read_tensors(context.folders.find("loras", existing_lora))
    factors, losses = train_lora(model, samples_of(latents), positive, training, existing, context.progress)
    trained, _, _ = apply_lora(model, None, lora_of(factors), 1.0, 0.0)
    assert trained is not None
    return trained, factors, {"loss": losses}, steps + _steps_in(existing_lora)


def _steps_in(name: str) -> int:
    """How long a LoRA was trained, as SaveLoRANode says it in the name."""
    said = re.search(r"_(\d+)_steps_", name)
    return int(said[1]) if said else 0


@node(display_name="Load LoRA Model", category="loaders", python_module=_MODULE, experimental=True)
def LoraModelLoader(
    *,
    model: Model,
    lora: LoraModel,
    strength_model: Annotated[float, Float(default=1.0, min=-100.0, max=100.0, step=0.01)],
    context: RunContext,
) -> Annotated[Model, Tooltip("The model with it.")]:
    """Put a LoRA that was just trained on a model. The model given stays as it is.

    Args:
        lora: What TrainLoraNode gives.
        strength_model: How much of it the model gets; may be negative.
    """
    from weft.nodes.diffusion.weights.lora import apply_lora, lora_of

    changed, _, report = apply_lora(model, None, lora_of(lora), strength_model, 0.0)
    for message in report.said("the LoRA"):
        context.warn(message)
    assert changed is not None
    return changed


@node(display_name="Save LoRA Weights", category="loaders", python_module=_MODULE, experimental=True, output_node=True)
def SaveLoRANode(
    *,
    lora: LoraModel,
    prefix: Annotated[str, String(default="loras/ComfyUI_trained_lora")],
    steps: Annotated[int, Int(forceInput=True)] | None = None,
    context: RunContext,
) -> None:
    """Write a LoRA that was just trained.

    Args:
        lora: What TrainLoraNode gives.
        prefix: Subfolder of the output folder and beginning of the file's name.
        steps: How long it was trained, which the name then says.
    """
    from weft.nodes.diffusion.weights.weightfile import Stored, write_safetensors

    named = prefix if steps is None else f"{prefix}_{steps}_steps"
    tensors = {key: Stored(tuple(each.shape), each.dtype, each.contiguous) for key, each in lora.items()}
    with context.folders.numbered(named).create(".safetensors") as (stream, path):
        write_safetensors(stream, tensors, {"weft": json.dumps(context.provenance)})
        context.wrote(path)


@node(display_name="Plot Loss Graph", category="training", python_module=_MODULE, experimental=True, output_node=True)
def LossGraphNode(
    *,
    loss: LossMap,
    filename_prefix: Annotated[str, String(default="loss_graph")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> UI:
    """Draw the losses of a training, and write the picture to the output folder.

    Args:
        loss: What TrainLoraNode gives.
        filename_prefix: Subfolder and beginning of the name.
    """
    from weft.nodes.diffusion.values.loss_plot import loss_plot

    metadata = {"prompt": prompt, **extra_pnginfo}
    return save_images(loss_plot(loss["loss"]), filename_prefix, "output", metadata, 4, context)
