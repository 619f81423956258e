"""Rules about model files that do not fit each other: told by their headers, where they are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from weft.engine.errors import WeftError
from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintNode, LintView
from weft.engine.schema.sockets import Files
from weft.nodes.diffusion.families.glance import LoraGlance, ModelGlance
from weft.nodes.diffusion.families.glances import lora_glance, model_glance
from weft.nodes.lint.pairs import pairs
from weft.nodes.lint.stages import LatentOrigin, decoders, passage, stages

_OF_MODELS = ("checkpoints", "diffusion_models")
_LARGE, _SMALL = 2.0, 0.625
"""Sides of a first pass, in those that a model learnt from, from where and up to where it draws other things."""


def file_of(view: LintView, node: LintNode, *kinds: str) -> Path | None:
    """The file of one of these kinds that an input of a node names; None where there is none, or several."""
    declared = node.schema.by_name if node.schema is not None else {}
    found = []
    for name, spec in declared.items():
        value = node.values.get(name)
        if not isinstance(spec.socket, Files) or spec.socket.folder not in kinds or not isinstance(value, str):
            continue
        if value in spec.socket.extra_choices or view.folders is None:
            continue
        try:
            found.append(spec.socket.find(view.folders, value))
        except WeftError:
            return None  # that it is missing is an error, and said where the run is planned
    return found[0] if len(found) == 1 else None


def loader_of(node: LintNode, io_type: str) -> LintNode | None:
    """The node that a MODEL, CLIP or VAE comes from first; None where it is made of several."""
    seen = {node.node_id}
    while True:
        names = list(node.links(io_type))
        found = node.source(names[0]) if len(names) == 1 else None
        if len(names) > 1 or (names and found is None):
            return None
        if found is None:
            return node
        node = found[0]
        if node.node_id in seen:
            return None
        seen.add(node.node_id)


def model_of(view: LintView, node: LintNode, io_type: str = "MODEL") -> ModelGlance | None:
    """The model of the checkpoint that a node's MODEL comes from, through its guider too, or its CLIP or VAE."""
    guider = node.source("guider") if io_type == "MODEL" and not any(node.links(io_type)) else None
    node = guider[0] if guider is not None else node
    loader = loader_of(node, io_type) if any(node.links(io_type)) else None
    return _loaded(view, loader) if loader is not None and loader is not node else None


def _loaded(view: LintView, loader: LintNode) -> ModelGlance | None:
    """The model in the file that a node loads; looked at once."""
    if "model" not in loader.known:
        file = file_of(view, loader, *_OF_MODELS)
        loader.known["model"] = model_glance(file) if file is not None else None
    found: ModelGlance | None = loader.known["model"]
    return found


def _loras(view: LintView) -> Iterator[tuple[LintNode, Path, LoraGlance]]:
    """The nodes that put one LoRA on a model, with its file."""
    for node in view.running():
        if not any(node.links("MODEL")) or node.values.get("strength_model") == 0:
            continue
        if "lora" not in node.known:
            file = file_of(view, node, "loras")
            node.known["lora"] = file, lora_glance(file) if file is not None else None
        file, found = node.known["lora"]
        if file is not None and found is not None:
            yield node, file, found


@rule("M101", "lora-of-another-model", Severity.ERROR, "A LoRA is for a model of another family.")
def lora_of_another_model(view: LintView) -> Iterator[Remark]:
    """None of its layers fits, by name and form; or none of those that read the prompt, which no two families share."""
    for node, file, found in _loras(view):
        model = model_of(view, node)
        if model is not None and found.layers and not found.is_for(model):
            message = f"{file.name!r}, {found.title}, is for another model than {model.title}"
            fits = f"{found.fitting(model) or 'none'} of its {len(found.layers)} layers for the model fit"
            yield Remark(node, f"{message}: {fits}", "lora_name", "a LoRA for this model")


@rule("M102", "lora-in-part", Severity.INFO, "Some layers of a LoRA have no place in the model.")
def lora_in_part(view: LintView) -> Iterator[Remark]:
    """Its effect is less than what it was made for."""
    for node, file, found in _loras(view):
        model = model_of(view, node)
        if model is not None and found.is_for(model) and (rest := len(found.layers) - found.fitting(model)):
            message = f"{rest} of the {len(found.layers)} model layers of {file.name!r} do not fit {model.title}"
            yield Remark(node, message, "lora_name", "a LoRA for this model")


@rule("M103", "lora-without-text", Severity.INFO, "A LoRA holds layers for the text encoder, which are left out.")
def lora_without_text(view: LintView) -> Iterator[Remark]:
    """Words that it taught the text encoder mean nothing then. Where only its look is wanted, that is meant."""
    for node, file, found in _loras(view):
        off = "strength_clip" not in node.inputs or node.values.get("strength_clip") == 0
        if found.texts and off and model_of(view, node) is not None:
            message = f"{found.texts} layers of {file.name!r} are for the text encoder, and are not applied"
            yield Remark(node, message, "lora_name", "LoraLoader, with a strength_clip")


def _encoded(node: LintNode) -> Iterator[LintNode]:
    """The nodes that make a prompt of a CLIP: those above, by links of prompts."""
    seen, todo = {node.node_id}, [node]
    while todo:
        current = todo.pop()
        if any(current.links("CLIP")) and not any(current.links("MODEL")):
            yield current
        for name in current.links("CONDITIONING"):
            found = current.source(name)
            if found is not None and found[0].node_id not in seen:
                seen.add(found[0].node_id)
                todo.append(found[0])


@rule("M104", "text-of-another-model", Severity.ERROR, "A prompt is encoded for a model of another family.")
def text_of_another_model(view: LintView) -> Iterator[Remark]:
    """A model reads what its own text encoders write: those of another family write another language."""
    for stage in stages(view):
        model = model_of(view, stage.node)
        for encoder in _encoded(stage.node) if model is not None else ():
            other = model_of(view, encoder, "CLIP")
            if model is not None and other is not None and other.towers != model.towers:
                message = f"encodes for {other.title}, and {stage.name} samples with {model.title}"
                yield Remark(encoder, message, "clip", "the CLIP of the same checkpoint")


@rule("M105", "vae-of-another-model", Severity.ERROR, "Latents go through the VAE of a model of another family.")
def vae_of_another_model(view: LintView) -> Iterator[Remark]:
    """The forms are the same and the numbers are not: the colours are wrong, and what is drawn is coarse."""
    for stage in stages(view):
        model, way = model_of(view, stage.node), passage(stage)
        if model is None:
            continue
        slots = {slot for slot, *_ in view.taken.get(stage.node.node_id, ()) if stage.node.output(slot) == "LATENT"}
        near = [decoder for slot in sorted(slots) for decoder in decoders(stage.node, slot)]
        near += [way.source] if way.source is not None and any(way.source.links("VAE")) else []
        for node in near:
            other = model_of(view, node, "VAE")
            if other is not None and other.latents != model.latents:
                message = f"its VAE is of {other.title}, and {stage.name} samples with {model.title}"
                yield Remark(node, message, "vae", "the VAE of the same checkpoint")


@rule("M106", "latent-of-another-model", Severity.ERROR, "A stage goes on from the latent of another family's model.")
def latent_of_another_model(view: LintView) -> Iterator[Remark]:
    """Latents of one family are noise to another: what lies between them is a VAE of each."""
    for before, after, _ in pairs(view, changed=True):
        one, other = model_of(view, before.node), model_of(view, after.node)
        if one is not None and other is not None and one.latents != other.latents:
            message = f"{other.title} goes on from a latent of {one.title}, that of {before.name}"
            yield Remark(after.node, message, "latent_image", "decode it with its VAE, and encode it with the other")


@rule("M107", "size-for-model", Severity.INFO, "A picture is begun at a size that the model does not know.")
def size_for_model(view: LintView) -> Iterator[Remark]:
    """At twice its size a model repeats what it draws, and at half of it draws parts.

    At cfg 1 it may be distilled, and has learnt from other sizes.
    """
    for stage in stages(view):
        model, way = model_of(view, stage.node), passage(stage)
        source = way.source
        if model is None or not model.side or stage.start != 0 or stage.node.values.get("cfg") == 1:
            continue
        if source is None or way.origin is not LatentOrigin.EMPTY:
            continue
        sides = [source.values.get(name) for name in ("width", "height")]
        if not all(type(side) is int for side in sides):
            continue
        shorter, longer = sorted(side for side in sides if isinstance(side, int))
        if shorter >= _LARGE * model.side or longer <= _SMALL * model.side:
            fix = f"about {model.side}x{model.side} first, then a second pass"
            yield Remark(source, f"{sides[0]}x{sides[1]}, and {model.title} learnt from {model.side}", "width", fix)


@rule("M108", "lora-on-text-alone", Severity.WARNING, "A LoRA holds layers for the model, and they are not used.")
def lora_on_text_alone(view: LintView) -> Iterator[Remark]:
    """The CLIP that it gives is taken, and the MODEL is not: mostly a link that was forgotten."""
    for node, file, found in _loras(view):
        made = [node.output(slot) for slot in range(len(node.schema.outputs if node.schema is not None else ()))]
        if found.layers and "MODEL" in made and not node.readers(made.index("MODEL")):
            message = f"{len(found.layers)} layers of {file.name!r} are for the model, and nothing takes its MODEL"
            yield Remark(node, message, "lora_name", "link the MODEL that it gives, or strength_model 0")


RULES = (
    lora_of_another_model, lora_in_part, lora_without_text, text_of_another_model, vae_of_another_model,
    latent_of_another_model, size_for_model, lora_on_text_alone,
)  # fmt: skip
