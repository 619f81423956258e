"""The values that pass between nodes, with their shapes. No torch: these are annotations.

Values are ComfyUI's own, because third-party nodes touch them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from weft.engine.schema.authoring import Tooltip
from weft.engine.schema.sockets import Combo, Files, Float, Int, Socket
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedulers import ALL_SCHEDULERS, SCHEDULERS
from weft.nodes.diffusion.sampling.spellings import sampler_meant, scheduler_meant

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.sampling.control import ControlNet as LoadedControlNet
    from weft.nodes.diffusion.sampling.gligen import Gligen as BoxModel
    from weft.nodes.diffusion.sampling.guiders import Guider as BoundGuider
    from weft.nodes.diffusion.sampling.model_patch import ModelPatch as LoadedPatch
    from weft.nodes.diffusion.sampling.noise import Noise as NoiseMaker
    from weft.nodes.diffusion.sampling.samplers.interface import Sampler as Solver
    from weft.nodes.diffusion.text.clip import Clip as TextEncoders
    from weft.nodes.diffusion.text.clip import Conditioning as Prompts
    from weft.nodes.diffusion.values.audio import Audio as Sound
    from weft.nodes.diffusion.values.clip_vision import ClipVision as VisionTower
    from weft.nodes.diffusion.values.clip_vision import VisionOutput
    from weft.nodes.diffusion.values.latents import Latent as LatentValue
    from weft.nodes.diffusion.values.style_models import StyleModel as Styler
    from weft.nodes.diffusion.values.upscale_models import UpscaleModel as Upscaler
    from weft.nodes.diffusion.values.vae import Vae as Autoencoder
    from weft.nodes.diffusion.values.video import VideoInput
    from weft.nodes.diffusion.weights.patcher import ModelPatcher
else:
    # They are torch's and below it. When a node is read its sockets count alone, and when it is called nothing does.
    Tensor = LoadedControlNet = BoundGuider = NoiseMaker = Solver = TextEncoders = Prompts = LatentValue = Any
    Upscaler = Autoencoder = ModelPatcher = VisionTower = VisionOutput = Styler = Any
    Sound = VideoInput = BoxModel = LoadedPatch = Any

# What the inputs of samplers are, for all nodes that have them. A docstring says it where a node means more by one.
MODEL = Tooltip("The diffusion model.")
POSITIVE = Tooltip("What should be in the picture.")
NEGATIVE = Tooltip("What should not.")
LATENT_IMAGE = Tooltip("The latent to start from.")
CFG = Tooltip("How strongly the prompt steers; 1 leaves the negative conditioning out.")

Image = Annotated[Tensor, Socket("IMAGE")]
"""float32 [B,H,W,C], 0..1, C 3 (or 4 with alpha), on the CPU."""

Mask = Annotated[Tensor, Socket("MASK")]
"""float32 [B,H,W], 0..1; 1 is masked."""

Audio = Annotated[Sound, Socket("AUDIO")]
"""{"waveform": float32 [B,C,T], 1 is full scale, on the CPU; "sample_rate": Hz}."""

Video = Annotated[VideoInput, Socket("VIDEO")]
"""A video in a file or in memory; `get_components()` has its pictures [B,H,W,3], its sound, its frames a second."""

Latent = Annotated[LatentValue, Socket("LATENT")]
"""{"samples": float32 [B,C,h,w] or [B,C,T,h,w], unscaled, CPU; "noise_mask"?: [b,H,W]; "batch_index"?: [B ints]}."""

Conditioning = Annotated[Prompts, Socket("CONDITIONING")]
"""[[float32 [B,T,C], {"pooled_output"?: [B,P], "area"?, "mask"?, "strength"?, ...}], ...]."""

Model = Annotated[ModelPatcher, Socket("MODEL"), MODEL]
"""A network with what was put on it, its schedule and its latents."""

Clip = Annotated[TextEncoders, Socket("CLIP")]
"""The text encoders of a model."""

Vae = Annotated[Autoencoder, Socket("VAE")]
"""An encoder and a decoder of pictures."""

ControlNet = Annotated[LoadedControlNet, Socket("CONTROL_NET")]
"""A network that steers another one by a picture."""

ModelPatch = Annotated[LoadedPatch, Socket("MODEL_PATCH")]
"""A network that steps into a model."""

Gligen = Annotated[BoxModel, Socket("GLIGEN")]
"""A network that has a model draw what boxes say."""

ClipVision = Annotated[VisionTower, Socket("CLIP_VISION")]
"""A network that reads pictures."""

ClipVisionOutput = Annotated[VisionOutput, Socket("CLIP_VISION_OUTPUT")]
"""What one made of pictures: last_hidden_state, image_embeds, penultimate_hidden_states."""

StyleModel = Annotated[Styler, Socket("STYLE_MODEL")]
"""A network that makes tokens of what was read in a picture."""

UpscaleModel = Annotated[Upscaler, Socket("UPSCALE_MODEL")]
"""A network that enlarges pictures."""

Sampler = Annotated[Solver, Socket("SAMPLER")]
"""An algorithm that solves the steps of a schedule."""

Sigmas = Annotated[Tensor, Socket("SIGMAS")]
"""float32 [n+1] on the CPU: the noise levels that n steps pass, highest first."""

Guider = Annotated[BoundGuider, Socket("GUIDER")]
"""A model and the way to steer it."""

Noise = Annotated[NoiseMaker, Socket("NOISE")]
"""`seed` and `generate_noise(latent)`."""

Anything = Annotated[Any, Socket("*")]
"""Whatever another node gives."""

Seed = Annotated[int, Int(default=0, min=0, max=2**64 - 1, control_after_generate=True), Tooltip("Decides the noise.")]
"""A seed that torch takes: 64 bits, no sign."""

Positive = Annotated[Conditioning, POSITIVE]
Negative = Annotated[Conditioning, NEGATIVE]
LatentImage = Annotated[Latent, LATENT_IMAGE]
Steps = Annotated[int, Int(default=20, min=1, max=10_000), Tooltip("How many steps the schedule has.")]
WholeSteps = Annotated[Steps, Tooltip("How many steps the whole schedule has.")]
Cfg = Annotated[float, Float(default=8.0, min=0.0, max=100.0, step=0.1, round=0.01), CFG]
SamplerName = Annotated[
    str, Combo(tuple(SAMPLERS), meant=sampler_meant), Tooltip("The algorithm that solves the steps.")
]
SchedulerName = Annotated[
    str,
    Combo(tuple(SCHEDULERS), meant=scheduler_meant),
    Tooltip("How the noise levels of the steps are spaced."),
]
AnySchedulerName = Annotated[
    str,
    Combo(ALL_SCHEDULERS, meant=scheduler_meant),
    Tooltip("How the noise levels of the steps are spaced; AYS and GITS are published ones."),
]

# A stretch of a schedule, as KSampler (Advanced) has it.
AddNoise = Annotated[
    str,
    Combo(("enable", "disable")),
    Tooltip("disable for a latent that is noisy already, from the stage before."),
]
StartStep = Annotated[int, Int(default=0, min=0, max=10_000), Tooltip("The first step that is run, counted from 0.")]
EndStep = Annotated[
    int,
    Int(default=10_000, min=0, max=10_000),
    Tooltip("Where to stop; at or beyond the last step, the schedule is finished."),
]
LeftoverNoise = Annotated[
    str,
    Combo(("disable", "enable")),
    Tooltip("enable to hand the noise of an early stop on to the next stage."),
]

Crop = Annotated[str, Combo(("disabled", "center"))]
LoraStrength = Annotated[float, Float(default=1.0, min=-100.0, max=100.0, step=0.01)]


NEWER = "comfy_extras"
"""The python_module of ComfyUI's classes that are newer than 0.3.64: its modules are not known."""


def weights(folder: str, **more: Any) -> Files:
    """The name of a file of weights; one of another family is refused before the run, by what its header says."""
    return Files(folder, **{"refuses": another_family, **more})


def another_family(path: Path) -> str:
    """What a file is that no family here can use; empty for one that can be used, or whose header cannot be read."""
    status = path.stat()
    return _foreign(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _foreign(path: Path, mtime_ns: int, size: int) -> str:
    """What the file is, if nothing here can use it; a file whose header cannot be read is the loader's to refuse."""
    from weft.nodes.diffusion.errors import CheckpointError
    from weft.nodes.diffusion.families import FAMILIES, foreign
    from weft.nodes.diffusion.weights.header import described

    try:
        header = described(path)
        found = "" if header is None else foreign(header[1])
    except CheckpointError:
        return ""
    supported = ", ".join(family.title for family in FAMILIES)
    return f"it is {found}; supported are models of {supported}" if found else ""
