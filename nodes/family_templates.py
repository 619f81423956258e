"""The workflows that `weft new` begins with for other families than Stable Diffusion 1.x to XL.

Their models, text encoders and VAEs are the first of the user's own whose names say what they are, else what the
publisher calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from weft.engine.errors import UsageError
from weft.engine.folders import Folders
from weft.engine.templating import Chosen, PromptWriter, Template

Socket = list[Any]

_SEED = 7
_PICTURE = "red apple on a table, morning light"
_VIDEO = "a red apple rolls over a wooden table, slowly, morning light"
# Where Wan 2.2's text-to-video models meet.
_SWITCH = 0.875
_END = 10_000


class _Prompt(PromptWriter):
    """See PromptWriter."""

    def __init__(self, folders: Folders) -> None:
        super().__init__()
        self.folders = folders

    def first(self, class_type: str, title: str = "", **inputs: Any) -> Socket:
        """Put a node there; its first output."""
        return [self.node(class_type, title, **inputs), 0]

    def own(self, kind: str, published: str, *having: str) -> str:
        """The first of the user's files of a kind whose name has all these pieces, else the published one."""
        found = (each for each in self.folders.files(kind) if all(piece in each.lower() for piece in having))
        return next(found, published)

    def transformer(self, published: str, *having: str, title: str = "") -> Socket:
        name = self.own("diffusion_models", published, *having)
        return self.first("UNETLoader", title, unet_name=name, weight_dtype="default")

    def clip(self, clip_type: str, published: str, *having: str) -> Socket:
        name = self.own("text_encoders", published, *having)
        return self.first("CLIPLoader", clip_name=name, type=clip_type, device="default")

    def vae(self, published: str, *having: str) -> Socket:
        return self.first("VAELoader", vae_name=self.own("vae", published, *having))

    def text(self, clip: Socket, text: str, title: str) -> Socket:
        return self.first("CLIPTextEncode", title, text=text, clip=clip)

    def square(self, side: int) -> Socket:
        """An empty latent of 16 channels."""
        return self.first("EmptySD3LatentImage", width=side, height=side, batch_size=1)

    def drawn(self, vae: Socket, prefix: str, **sampling: Any) -> None:
        """Sample, decode and save a picture."""
        samples = self.first("KSampler", seed=_SEED, sampler_name="euler", scheduler="simple", denoise=1.0, **sampling)
        self.node("SaveImage", images=self.first("VAEDecode", samples=samples, vae=vae), filename_prefix=prefix)


def _wan_pair(prompt: _Prompt) -> None:
    models = [
        prompt.first(
            "ModelSamplingSD3",
            model=prompt.transformer(
                f"wan2.2_t2v_{noise}_noise_14B_fp8_scaled.safetensors", "wan", f"{noise}_noise", title=f"{noise} noise"
            ),
            shift=8.0,
        )
        for noise in ("high", "low")
    ]
    clip = prompt.clip("wan", "umt5_xxl_fp8_e4m3fn_scaled.safetensors", "umt5")
    vae = prompt.vae("wan_2.1_vae.safetensors", "wan")
    positive = prompt.text(clip, _VIDEO, "positive")
    negative = prompt.text(clip, "blurred, still picture, text", "negative")
    latent = prompt.first("EmptyHunyuanLatentVideo", width=640, height=640, length=81, batch_size=1)
    course: dict[str, Any] = {"steps": 20, "scheduler": "simple"}
    switch = prompt.first("SigmaToStep", "switch", model=models[0], sigma=_SWITCH, **course)
    shared: dict[str, Any] = {"noise_seed": _SEED, **course, "cfg": 3.5, "sampler_name": "euler"}
    shared |= {"positive": positive, "negative": negative}
    first: dict[str, Any] = {"add_noise": "enable", "start_at_step": 0, "end_at_step": switch}
    first |= {"return_with_leftover_noise": "enable", "model": models[0], "latent_image": latent}
    then: dict[str, Any] = {"add_noise": "disable", "start_at_step": switch, "end_at_step": _END}
    then |= {"return_with_leftover_noise": "disable", "model": models[1]}
    noisy = prompt.first("KSamplerAdvanced", "high noise stage", **shared, **first)
    samples = prompt.first("KSamplerAdvanced", "low noise stage", **shared, **then, latent_image=noisy)
    frames = prompt.first("VAEDecode", samples=samples, vae=vae)
    video = prompt.first("CreateVideo", images=frames, fps=16.0)
    prompt.node("SaveVideo", video=video, filename_prefix="wan_pair", format="auto", codec="auto")


def _flux(prompt: _Prompt) -> None:
    model = prompt.transformer("flux1-dev.safetensors", "flux1")
    towers: dict[str, Any] = {
        "clip_name1": prompt.own("text_encoders", "clip_l.safetensors", "clip_l"),
        "clip_name2": prompt.own("text_encoders", "t5xxl_fp16.safetensors", "t5xxl"),
    }
    clip = prompt.first("DualCLIPLoader", **towers, type="flux", device="default")
    positive = prompt.text(clip, _PICTURE, "positive")
    guided = prompt.first("FluxGuidance", conditioning=positive, guidance=3.5)
    negative = prompt.first("ConditioningZeroOut", conditioning=positive)
    sampling: dict[str, Any] = {"steps": 20, "cfg": 1.0, "positive": guided, "negative": negative}
    vae = prompt.vae("ae.safetensors", "ae.")
    prompt.drawn(vae, "flux", model=model, latent_image=prompt.square(1024), **sampling)


def _qwen_image(prompt: _Prompt) -> None:
    transformer = prompt.transformer("qwen_image_fp8_e4m3fn.safetensors", "qwen_image")
    model = prompt.first("ModelSamplingAuraFlow", model=transformer, shift=3.1)
    clip = prompt.clip("qwen_image", "qwen_2.5_vl_7b_fp8_scaled.safetensors", "qwen_2.5")
    positive, negative = prompt.text(clip, _PICTURE, "positive"), prompt.text(clip, "", "negative")
    sampling: dict[str, Any] = {"steps": 20, "cfg": 2.5, "positive": positive, "negative": negative}
    vae = prompt.vae("qwen_image_vae.safetensors", "qwen_image")
    prompt.drawn(vae, "qwen_image", model=model, latent_image=prompt.square(1328), **sampling)


def _z_image(prompt: _Prompt) -> None:
    transformer = prompt.transformer("z_image_turbo_bf16.safetensors", "z_image")
    model = prompt.first("ModelSamplingAuraFlow", model=transformer, shift=3.0)
    clip = prompt.clip("lumina2", "qwen_3_4b.safetensors", "qwen_3")
    positive = prompt.text(clip, _PICTURE, "positive")
    negative = prompt.first("ConditioningZeroOut", conditioning=positive)
    sampling: dict[str, Any] = {"steps": 8, "cfg": 1.0, "positive": positive, "negative": negative}
    vae = prompt.vae("ae.safetensors", "ae.")
    prompt.drawn(vae, "z_image", model=model, latent_image=prompt.square(1024), **sampling)


def _template(title: str, write: Callable[[_Prompt], None]) -> Template:
    def make(chosen: Chosen) -> Mapping[str, Any]:
        if chosen.checkpoint is not None:
            raise UsageError("this template has no checkpoint: its model is a file in diffusion_models/")
        prompt = _Prompt(chosen.folders)
        write(prompt)
        return prompt.nodes

    return Template(title, make)


OF_FAMILIES: Mapping[str, Template] = {
    "wan-pair": _template("a video of Wan 2.2: its model of high noise, then that of low noise", _wan_pair),
    "flux": _template("a picture of FLUX.1 dev", _flux),
    "qwen-image": _template("a picture of Qwen-Image", _qwen_image),
    "z-image": _template("a picture of Z-Image Turbo", _z_image),
}
