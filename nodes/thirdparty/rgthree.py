"""rgthree-comfy's small nodes: LoRAs in rows, contexts, switches, displays."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.errors import WeftError
from weft.engine.links import Link
from weft.engine.planning.lowering import Site
from weft.engine.schema.authoring import UI, Output, Tooltip
from weft.engine.schema.node import INTERNAL
from weft.engine.schema.sockets import Combo, Float, Int, Socket
from weft.nodes.core.image import preview
from weft.nodes.core.latent import EmptyLatentImage
from weft.nodes.core.types import (
    Anything,
    Cfg,
    Clip,
    Image,
    Latent,
    LoraStrength,
    Model,
    SamplerName,
    SchedulerName,
    weights,
)
from weft.nodes.thirdparty.face import marker, text_of

node = marker("rgthree-comfy", "rgthree")

_NO_LORA = "None"
_ROW = re.compile(r"lora_\d+", re.IGNORECASE)
_HEADER = "PowerLoraLoaderHeaderWidget"


def _loaded(site: Site) -> list[Link]:
    """Power Lora Loader as a chain of LoRA loaders: one for each row that is on."""
    rows = sorted((name for name in site.inputs if _ROW.fullmatch(name)), key=lambda name: int(name[5:]))
    chosen = []
    for name in rows:
        row = site.inputs[name]
        if not isinstance(row, Mapping) or not isinstance(row.get("lora"), str):
            site.refuse(name, f'expected {{"on": true, "lora": "name", "strength": 1.0}}, got {row!r:.80}')
        if row.get("on") and row["lora"] != _NO_LORA:
            strength = row.get("strength", 1.0)
            second = row.get("strengthTwo")
            chosen.append((name, row["lora"], strength, strength if second is None else second))
    return _chain(site, chosen)


def _stacked(site: Site) -> list[Link]:
    """Lora Loader Stack as a chain of LoRA loaders."""
    numbers = ("01", "02", "03", "04")
    why = "the LoRAs are loaded by nodes of their own"
    rows = [(f"lora_{n}", site.typed(f"lora_{n}", why), site.inputs.get(f"strength_{n}", 1.0)) for n in numbers]
    return _chain(
        site, [(name, lora, strength, strength) for name, lora, strength in rows if lora not in (None, _NO_LORA)]
    )


def _chain(site: Site, loras: Sequence[tuple[str, str, float, float]]) -> list[Link]:
    """Loaders of (input, file, strength on the model, strength on the text encoders), one after the other."""
    model, clip = site.inputs.get("model"), site.inputs.get("clip")
    if loras and type(model) is not Link:
        site.refuse("model", "nothing is linked, and LoRAs are to be applied")
    for name, lora, strength, second in loras:
        given = {"model": model, "lora_name": lora, "strength_model": strength}
        if type(clip) is Link:
            both = {**given, "clip": clip, "strength_clip": second}
            made = site.add("LoraLoader", both, name=name, title=lora, blame=(site.node_id, name))
            model, clip = made[0], made[1]
        else:
            model = site.add("LoraLoaderModelOnly", given, name=name, title=lora, blame=(site.node_id, name))[0]
    return [
        value if type(value) is Link else site.add("weft.Nothing", {}, name="nothing")[0] for value in (model, clip)
    ]


@node(class_type="weft.Nothing", category=INTERNAL)
def Nothing() -> tuple[Annotated[Any, Socket("*")]]:
    """What an optional input has that nothing is linked to."""
    return (None,)


@node(
    class_type="Power Lora Loader (rgthree)",
    lowers=_loaded,
    claims=lambda name: bool(_ROW.fullmatch(name)) or name == _HEADER,
)
def PowerLoraLoader(
    *, model: Model | None = None, clip: Clip | None = None
) -> tuple[Annotated[Model, Output("MODEL")], Annotated[Clip, Output("CLIP")]]:
    """Apply any number of LoRAs: `lora_1`, `lora_2`, ... are {"on": true, "lora": name, "strength": 1.0}.

    Args:
        model: The diffusion model.
        clip: The text encoders; `strengthTwo` of a row is for them, where it is not the same.
    """
    raise AssertionError("it is lowered")


LoraRow = Annotated[
    str, weights("loras", extra_choices=(_NO_LORA,)), Tooltip("A file below the loras folders, or None.")
]
RowStrength = Annotated[LoraStrength, Tooltip("How much of the LoRA before it is applied.")]


@node(class_type="Lora Loader Stack (rgthree)", lowers=_stacked)
def LoraLoaderStack(
    *,
    model: Model,
    clip: Clip,
    lora_01: LoraRow,
    strength_01: RowStrength,
    lora_02: LoraRow,
    strength_02: RowStrength,
    lora_03: LoraRow,
    strength_03: RowStrength,
    lora_04: LoraRow,
    strength_04: RowStrength,
) -> tuple[Annotated[Model, Output("MODEL")], Annotated[Clip, Output("CLIP")]]:
    """Apply up to four LoRAs, one after the other.

    Args:
        model: The diffusion model.
        clip: The text encoders.
    """
    raise AssertionError("it is lowered")


Choice = Annotated[Any, Socket("*"), Tooltip("What is given on, if nothing before it is there.")]


def _is_there(value: Any) -> bool:
    """Whether it is something: of a context, that it has something in it."""
    return value is not None and (not isinstance(value, Mapping) or any(part is not None for part in value.values()))


@node(class_type="Any Switch (rgthree)", claims=lambda name: name.startswith("any_"))
def AnySwitch(
    *,
    any_01: Choice | None = None,
    any_02: Choice | None = None,
    any_03: Choice | None = None,
    any_04: Choice | None = None,
    any_05: Choice | None = None,
    **rest: Any,
) -> tuple[Annotated[Any, Socket("*"), Output("*")]]:
    """The first of its inputs that is linked and not muted. More of them may be linked: any_06, any_07, ..."""
    more = (rest[name] for name in sorted(rest))
    return (next((value for value in (any_01, any_02, any_03, any_04, any_05, *more) if _is_there(value)), None),)


@node(class_type="Image Comparer (rgthree)", output_node=True, claims=lambda name: name == "rgthree_comparer")
def ImageComparer(
    *, image_a: Image | None = None, image_b: Image | None = None, context: RunContext, **rest: Any
) -> UI:
    """Write two batches of pictures to the folder for temporary files, to be compared.

    Args:
        image_a: The one.
        image_b: The other.
    """
    metadata = {"prompt": context.prompt, **context.extra_pnginfo}
    given = {"a_images": image_a, "b_images": image_b}
    return UI(
        {key: preview(each, metadata, context)["images"] if each is not None else [] for key, each in given.items()}
    )


_SIZE = re.compile(r"\s*(\d+)\s*x\s*(\d+)\b.*")


@node(class_type="SDXL Empty Latent Image (rgthree)")
def SdxlEmptyLatentImage(
    *,
    dimensions: Annotated[str, Combo(None, default="1024 x 1024  (square)")],
    clip_scale: Annotated[float, Float(default=2.0, min=1.0, max=10.0, step=0.5)],
    batch_size: Annotated[int, Int(default=1, min=1, max=64)],
    context: RunContext,
) -> tuple[
    Annotated[Latent, Output("LATENT")],
    Annotated[int, Int(), Output("CLIP_WIDTH")],
    Annotated[int, Int(), Output("CLIP_HEIGHT")],
]:
    """Empty latents in one of the sizes of SDXL, and that size scaled for its text encoders.

    Args:
        dimensions: Width and height in pixels, such as `832 x 1216`; what follows is not read.
        clip_scale: By how much the size for the text encoders is larger.
        batch_size: How many pictures.
    """
    found = _SIZE.fullmatch(dimensions)
    if found is None or not all(int(side) >= 16 for side in found.groups()):
        raise WeftError(f"dimensions is {dimensions!r:.40}: expected a width and a height, such as '832 x 1216'")
    width, height = map(int, found.groups())
    latent = EmptyLatentImage(width=width, height=height, batch_size=batch_size, context=context)
    return latent, int(width * clip_scale), int(height * clip_scale)


@node(class_type="KSampler Config (rgthree)")
def KSamplerConfig(
    *,
    steps_total: Annotated[int, Int(default=30, min=1, max=10_000)],
    refiner_step: Annotated[int, Int(default=24, min=1, max=10_000)],
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
) -> tuple[
    Annotated[int, Int(), Output("STEPS")],
    Annotated[int, Int(), Output("REFINER_STEP")],
    Annotated[float, Float(), Output("CFG")],
    Annotated[SamplerName, Output("SAMPLER")],
    Annotated[SchedulerName, Output("SCHEDULER")],
]:
    """The settings that several samplers share.

    Args:
        steps_total: How many steps the whole schedule has.
        refiner_step: The step at which the refiner goes on.
        cfg: How strongly the prompt steers.
    """
    return steps_total, refiner_step, cfg, sampler_name, scheduler


@node(class_type="Display Any (rgthree)", output_node=True, claims=lambda name: name == "output")
def DisplayAny(*, source: Anything, **rest: Any) -> UI:
    """Show any value as text.

    Args:
        source: The value.
    """
    return UI(text=[text_of(source)])


@node(class_type="Display Int (rgthree)", output_node=True, claims=lambda name: name == "output")
def DisplayInt(*, input: Annotated[int, Int(forceInput=True)], **rest: Any) -> UI:
    """Show a whole number.

    Args:
        input: The number.
    """
    return UI(text=[str(input)])
