"""Rules about model files that do not fit each other: told by their headers, where they are there.

What would fail in the run, for certain, is refused before it: forms that differ, on ways that only Weft's own nodes
touch. What runs, and has nothing to do with what was asked for, is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintNode, LintView
from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.glance import LatentGlance, LoraGlance, TextGlance
from weft.nodes.diffusion.families.glances import lora_glance
from weft.nodes.lint.headers import (
    conditioned,
    encoders_of,
    file_of,
    is_own,
    is_sure,
    model_of,
    text_of,
    vae_of,
    vision_of,
)
from weft.nodes.lint.pairs import pairs
from weft.nodes.lint.sizes import SIZED
from weft.nodes.lint.stages import LatentOrigin, SamplerStage, decoders, passage, stages

_LARGE, _SMALL = 2.0, 0.625
"""Sides of a first pass, in those that a model learnt from, from where and up to where it draws other things."""


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


@rule("M101", "lora-of-another-model", Severity.ERROR, "A LoRA is for a model of another family.", refuses=True)
def lora_of_another_model(view: LintView) -> Iterator[Remark]:
    """None of its layers fits, by name and form; or none of those that read the prompt, which no two families share."""
    for node, file, found in _loras(view):
        model = model_of(view, node)
        if model is not None and found.layers and not found.is_for(model):
            fitting = found.fitting(model)
            message = f"{file.name!r}, {found.title}, is for another model than {model.title}"
            fits = f"{fitting or 'none'} of its {len(found.layers)} layers for the model fit"
            refused = not fitting and is_own(node) and is_sure(node, "MODEL")
            yield Remark(node, f"{message}: {fits}", "lora_name", "a LoRA for this model", refused=refused)


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


@rule("M104", "text-of-another-model", Severity.ERROR, "A prompt is encoded for another model.", refuses=True)
def text_of_another_model(view: LintView) -> Iterator[Remark]:
    """A model reads what its own text encoders write: those of another family write another language."""
    for stage in stages(view):
        model = model_of(view, stage.node)
        for encoder, sure in _encoding(stage.node) if model is not None else ():
            text = text_of(view, encoder)
            if model is None or text is None:
                continue
            fix = f"the text encoders of {model.title}"
            wrong = _width(text, model.text)
            if wrong:
                refused = sure and is_sure(encoder, "CLIP") and is_sure(stage.node, "MODEL")
                message = f"{wrong}, and {stage.name} samples with {model.title}"
                yield Remark(encoder, message, "clip", fix, refused=refused)
            elif text.language != model.text.language:
                message = f"encodes for {text.title}, and {stage.name} samples with {model.title}"
                yield Remark(encoder, message, "clip", fix)


def _encoding(node: LintNode) -> Iterator[tuple[LintNode, bool]]:
    """The nodes that make a prompt of a CLIP, and whether only Weft's own nodes stand between it and a sampler."""
    return (
        (each, sure) for each, sure in conditioned(node) if any(each.links("CLIP")) and not any(each.links("MODEL"))
    )


def _width(text: TextGlance, read: TextGlance) -> str:
    """What is wrong with the form of what is written, to a model; empty where it fits."""
    if text.width != read.width:
        return f"its rows, of {text.title}, are {text.width} wide: expected {read.width}"
    if read.pooled and text.pooled != read.pooled:
        got = f"is {text.pooled} wide" if text.pooled else "is missing"
        return f"its pooled vector, of {text.title}, {got}: expected {read.pooled}"
    return ""


@rule("M105", "vae-of-another-model", Severity.ERROR, "A latent is decoded or encoded by another VAE.", refuses=True)
def vae_of_another_model(view: LintView) -> Iterator[Remark]:
    """Latents of one form have other numbers in another family, or stand for frames of a video."""
    for stage in stages(view):
        model = model_of(view, stage.node)
        if model is None:
            continue
        sure = is_sure(stage.node, "MODEL")
        for node in _coders(view, stage):
            vae = vae_of(view, node)
            wrong = _unlike(vae.latents, model.latents) if vae is not None else ""
            if vae is not None and wrong:
                message = f"its VAE is {vae.title}, {wrong}, and {stage.name} samples with {model.title}"
                refused = sure and vae.latents.channels != model.latents.channels and is_sure(node, "VAE")
                yield Remark(node, message, "vae", f"the VAE of {model.title}", refused=refused and is_own(node))
    for node in view.running():
        model = model_of(view, node) if any(node.links("MODEL_PATCH")) else None
        vae = vae_of(view, node) if model is not None else None
        wrong = _unlike(vae.latents, model.latents) if vae is not None and model is not None else ""
        if vae is not None and model is not None and wrong:
            message = f"its VAE is {vae.title}, {wrong}, and its model is {model.title}"
            refused = vae.latents.channels != model.latents.channels and is_sure(node, "MODEL") and is_sure(node, "VAE")
            yield Remark(node, message, "vae", f"the VAE of {model.title}", refused=refused and is_own(node))


def _coders(view: LintView, stage: SamplerStage) -> list[LintNode]:
    """The nodes with a VAE that a latent comes from and goes to."""
    way = passage(stage)
    slots = {slot for slot, *_ in view.taken.get(stage.node.node_id, ()) if stage.node.output(slot) == "LATENT"}
    near = [decoder for slot in sorted(slots) for decoder in decoders(stage.node, slot)]
    return near + ([way.source] if way.source is not None and any(way.source.links("VAE")) else [])


def _unlike(one: LatentGlance, other: LatentGlance) -> str:
    """What tells latents from those that are expected; empty where nothing does."""
    if one.channels != other.channels:
        return f"with latents of {one.channels} channels: expected {other.channels}"
    if bool(one.frames) != bool(other.frames):
        return f"of {_drawn(one)}: expected one of {_drawn(other)}"
    return "whose latents have other numbers" if one.space and other.space and one.space != other.space else ""


def _drawn(latents: LatentGlance) -> str:
    return "videos" if latents.frames else "pictures"


@rule("M106", "latent-of-another-model", Severity.ERROR, "A latent is of another family's model.", refuses=True)
def latent_of_another_model(view: LintView) -> Iterator[Remark]:
    """Latents of one family are noise to another: what lies between them is a VAE of each."""
    for before, after, way in pairs(view, changed=True):
        one, other = model_of(view, before.node), model_of(view, after.node)
        wrong = _unlike(one.latents, other.latents) if one is not None and other is not None else ""
        if one is not None and other is not None and wrong:
            message = f"{other.title} goes on from a latent of {one.title}, that of {before.name}, {wrong}"
            sure = all(is_sure(stage.node, "MODEL") for stage in (before, after)) and all(map(is_own, way.between))
            refused = sure and one.latents.channels != other.latents.channels
            fix = "decode it with its VAE, and encode it with the other"
            yield Remark(after.node, message, "latent_image", fix, refused=refused)
    for stage in stages(view):
        model, way = model_of(view, stage.node), passage(stage)
        video = way.origin is LatentOrigin.EMPTY and way.source is not None and SIZED.get(way.source.class_type)
        if model is not None and video and video.frames and not model.latents.frames and way.source is not None:
            message = f"its latent is of a video, and {model.title} draws pictures"
            refused = is_sure(stage.node, "MODEL")
            yield Remark(stage.node, message, "latent_image", "EmptySD3LatentImage", refused=refused)


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


@rule("M109", "text-encoders-of-another-type", Severity.ERROR, "Text encoders are not of their type.", refuses=True)
def text_encoders_of_another_type(view: LintView) -> Iterator[Remark]:
    """A type names the text encoders that a family reads prompts with: other files are none of it."""
    for node in view.running():
        found = encoders_of(view, node)
        if isinstance(found, CheckpointError):
            name = "type" if "type" in node.inputs else None
            yield Remark(node, str(found), name, "the files that the type is for, or the type of these", refused=True)


@rule("M110", "image-encoder-of-another-model", Severity.ERROR, "A model reads pictures of another form.", refuses=True)
def image_encoder_of_another_model(view: LintView) -> Iterator[Remark]:
    """What CLIP vision sees is as wide as the vision model: a model was trained with one of them."""
    for stage in stages(view):
        model = model_of(view, stage.node)
        for node, sure in conditioned(stage.node) if model is not None and model.vision else ():
            for name in node.links("CLIP_VISION_OUTPUT"):
                found = node.source(name)
                seen = vision_of(view, found[0]) if found is not None else None
                if model is None or seen is None or model.vision in (seen.width, seen.vector):
                    continue
                message = f"its vision model is {seen.width} wide: {model.title} reads {model.vision}"
                refused = sure and is_sure(stage.node, "MODEL")
                yield Remark(node, message, name, f"the vision model of {model.title}", refused=refused)


@rule("M111", "picture-not-read", Severity.ERROR, "A picture to begin with is given to a model without a place for it.")
def picture_not_read(view: LintView) -> Iterator[Remark]:
    """Models of text-to-video read nothing beside their latent: those of image-to-video do."""
    for stage in stages(view):
        model = model_of(view, stage.node)
        if model is None or model.beside or not model.latents.frames:
            continue
        for node, _ in conditioned(stage.node):
            pictures = [name for name in ("start_image", "end_image") if node.source(name) is not None]
            if node.class_type.startswith("Wan") and pictures and "positive" in node.inputs:
                message = f"tells of a picture, and {stage.name} samples with {model.title}, which reads none"
                yield Remark(node, message, pictures[0], "a model of image-to-video")


RULES = (
    lora_of_another_model, lora_in_part, lora_without_text, text_of_another_model, vae_of_another_model,
    latent_of_another_model, size_for_model, lora_on_text_alone, text_encoders_of_another_type,
    image_encoder_of_another_model, picture_not_read,
)  # fmt: skip
