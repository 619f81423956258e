"""The workflows that `weft new` begins with. Each runs as it is: with the checkpoint that is named, else with the small
one that comes with Weft; those of other families (family_templates.py) are of files of theirs. A LoRA, a picture or a
model that a workflow needs is the first of the user's own, else a name to be replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.engine.errors import WeftError
from weft.engine.folders import INPUT, SHIPPED, Folders
from weft.engine.templating import Chosen, PromptWriter, Template
from weft.nodes.family_templates import OF_FAMILIES

_TINY = "weft-tiny.safetensors"
_PIXELS = "weft-pixel.safetensors"
_END = 10_000


@dataclass(frozen=True)
class _Files:
    """The names of files in a new workflow, and what goes with them: the pictures' side, the guidance."""

    checkpoint: str
    refiner: str
    lora: str
    picture: str
    controlnet: str
    upscaler: str
    side: int
    cfg: float

    @classmethod
    def of(cls, chosen: Chosen) -> _Files:
        folders, checkpoint = chosen
        name = checkpoint or _TINY
        is_tiny = Path(name).name == _TINY

        def first(kind: str, default: str, having: str = "") -> str:
            own = [each for each in folders.files(kind) if not (SHIPPED / kind / each).is_file() and having in each]
            return own[0] if own else default

        return cls(
            checkpoint=name,
            refiner=name if is_tiny else first("checkpoints", name, "refiner"),
            lora=_PIXELS if is_tiny else first("loras", "lora.safetensors"),
            picture=first(INPUT, "example.png"),
            controlnet=first("controlnet", "control_canny.safetensors", "canny"),
            upscaler=first("upscale_models", "upscaler_4x.safetensors"),
            side=128 if is_tiny else _side(folders, name),
            cfg=2.0 if is_tiny else 7.0,
        )


def _side(folders: Folders, checkpoint: str) -> int:
    """The side of the pictures that a checkpoint was made for, as far as its header says what it is."""
    from weft.nodes.core.checkup import CHECKUP

    try:
        release = CHECKUP.model("checkpoints", folders.find("checkpoints", checkpoint))
    except (WeftError, OSError):
        return 512
    return 1024 if "XL" in release else 768 if "2.x" in release else 512


class _Prompt(PromptWriter):
    """See PromptWriter."""

    def __init__(self, chosen: Chosen) -> None:
        super().__init__()
        self.files = _Files.of(chosen)

    def checkpoint(self, title: str = "", name: str = "") -> str:
        return self.node("CheckpointLoaderSimple", title, ckpt_name=name or self.files.checkpoint)

    def text(self, text: str, clip: list[Any], title: str) -> list[Any]:
        return [self.node("CLIPTextEncode", title, text=text, clip=clip), 0]

    def empty(self) -> list[Any]:
        side = self.files.side
        return [self.node("EmptyLatentImage", width=side, height=side, batch_size=1), 0]

    def sampled(
        self, model: list[Any], positive: list[Any], negative: list[Any], latent: list[Any], **more: Any
    ) -> Any:
        """What KSampler makes of a latent."""
        title = more.pop("title", "")
        inputs = {"seed": 7, **self.sampling(), "denoise": 1.0, "model": model, "positive": positive}
        inputs |= {"negative": negative, "latent_image": latent, **more}
        return [self.node("KSampler", title, **inputs), 0]

    def stage(
        self, title: str, model: list[Any], positive: list[Any], negative: list[Any], latent: list[Any], **steps: int
    ) -> Any:
        """A stretch of a schedule, `start` to `end`: noise is added in the first one, and left over before the last."""
        start, end = steps.get("start", 0), steps.get("end", _END)
        inputs: dict[str, Any] = {"add_noise": "disable" if start else "enable", "noise_seed": 7, **self.sampling()}
        inputs |= {"start_at_step": start, "end_at_step": end}
        inputs |= {"return_with_leftover_noise": "disable" if end == _END else "enable"}
        inputs |= {"model": model, "positive": positive, "negative": negative, "latent_image": latent}
        return [self.node("KSamplerAdvanced", title, **inputs), 0]

    def sampling(self) -> dict[str, Any]:
        """What all samplers have in common."""
        return {"steps": 20, "cfg": self.files.cfg, "sampler_name": "euler", "scheduler": "karras"}

    def picture(self, samples: list[Any], vae: list[Any], prefix: str) -> None:
        """Decode a latent and save it."""
        self.saved([self.node("VAEDecode", samples=samples, vae=vae), 0], prefix)

    def saved(self, images: list[Any], prefix: str) -> None:
        self.node("SaveImage", images=images, filename_prefix=prefix)

    def input_picture(self) -> list[Any]:
        """A picture of the user's, at the side that the checkpoint draws."""
        image = [self.node("LoadImage", image=self.files.picture), 0]
        side = self.files.side
        scaled = self.node("ImageScale", image=image, upscale_method="lanczos", width=side, height=side, crop="center")
        return [scaled, 0]


def _begun(prompt: _Prompt, positive: str = "red apple") -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Model, VAE, positive and negative of one checkpoint."""
    model = prompt.checkpoint()
    texts = prompt.text(positive, [model, 1], "positive"), prompt.text("", [model, 1], "negative")
    return [model, 0], [model, 2], *texts


def _txt2img(prompt: _Prompt) -> None:
    model, vae, positive, negative = _begun(prompt)
    prompt.picture(prompt.sampled(model, positive, negative, prompt.empty()), vae, "txt2img")


def _img2img(prompt: _Prompt) -> None:
    model, vae, positive, negative = _begun(prompt)
    latent = [prompt.node("VAEEncode", pixels=prompt.input_picture(), vae=vae), 0]
    prompt.picture(prompt.sampled(model, positive, negative, latent, denoise=0.6), vae, "img2img")


def _inpaint(prompt: _Prompt) -> None:
    model, vae, positive, negative = _begun(prompt)
    side = prompt.files.side
    image = prompt.input_picture()
    keep = [prompt.node("SolidMask", "keep", value=0.0, width=side, height=side), 0]
    redraw = [prompt.node("SolidMask", "redraw", value=1.0, width=side // 2, height=side // 2), 0]
    place = {"x": side // 4, "y": side // 4, "operation": "add"}
    mask = [prompt.node("MaskComposite", "the middle", destination=keep, source=redraw, **place), 0]
    latent = [prompt.node("VAEEncode", pixels=image, vae=vae), 0]
    masked = [prompt.node("SetLatentNoiseMask", samples=latent, mask=mask), 0]
    drawn = [prompt.node("VAEDecode", samples=prompt.sampled(model, positive, negative, masked), vae=vae), 0]
    whole: dict[str, Any] = {"destination": image, "source": drawn, "mask": mask, "x": 0, "y": 0}
    prompt.saved([prompt.node("ImageCompositeMasked", "put back", resize_source=False, **whole), 0], "inpaint")


def _hires_fix(prompt: _Prompt) -> None:
    model, vae, positive, negative = _begun(prompt)
    first = prompt.sampled(model, positive, negative, prompt.empty(), title="first pass")
    larger = [prompt.node("LatentUpscaleBy", samples=first, upscale_method="bislerp", scale_by=1.5), 0]
    second = prompt.sampled(model, positive, negative, larger, title="second pass", denoise=0.6)
    prompt.picture(second, vae, "hires_fix")


def _prompt_switch(prompt: _Prompt) -> None:
    model, vae, first, negative = _begun(prompt)
    then = prompt.text("red rabbit", [model[0], 1], "then")
    half = prompt.stage("first half", model, first, negative, prompt.empty(), end=10)
    prompt.picture(prompt.stage("second half", model, then, negative, half, start=10), vae, "prompt_switch")


def _prompt_schedule(prompt: _Prompt) -> None:
    model = prompt.checkpoint()
    inputs: dict[str, Any] = {"add_noise": "enable", "noise_seed": 7, **prompt.sampling(), "start_at_step": 0}
    inputs |= {"end_at_step": _END, "return_with_leftover_noise": "disable", "model": [model, 0], "clip": [model, 1]}
    inputs |= {"positive": "red [apple:rabbit:0.5]", "negative": "", "loras": "", "latent_image": prompt.empty()}
    prompt.picture([prompt.node("KSamplerPromptSchedule", **inputs), 0], [model, 2], "prompt_schedule")


def _lora(prompt: _Prompt) -> None:
    base = prompt.checkpoint()
    model, clip = _with_lora(prompt, base)
    positive, negative = prompt.text("red rabbit", clip, "positive"), prompt.text("", clip, "negative")
    prompt.picture(prompt.sampled(model, positive, negative, prompt.empty()), [base, 2], "lora")


def _lora_switch(prompt: _Prompt) -> None:
    model, vae, positive, negative = _begun(prompt, "red rabbit")
    with_lora, clip = _with_lora(prompt, model[0])
    then, less = prompt.text("red rabbit", clip, "positive, LoRA"), prompt.text("", clip, "negative, LoRA")
    half = prompt.stage("without LoRA", model, positive, negative, prompt.empty(), end=6)
    prompt.picture(prompt.stage("with LoRA", with_lora, then, less, half, start=6), vae, "lora_switch")


def _with_lora(prompt: _Prompt, base: str) -> tuple[list[Any], list[Any]]:
    inputs: dict[str, Any] = {"model": [base, 0], "clip": [base, 1], "lora_name": prompt.files.lora}
    lora = prompt.node("LoraLoader", strength_model=1.0, strength_clip=1.0, **inputs)
    return [lora, 0], [lora, 1]


def _refiner(prompt: _Prompt) -> None:
    base = prompt.checkpoint("base")
    refiner = prompt.checkpoint("refiner", prompt.files.refiner)
    texts = [prompt.text(text, [base, 1], title) for text, title in (("red apple", "positive"), ("", "negative"))]
    refined = [
        prompt.text(text, [refiner, 1], title)
        for text, title in (("red apple", "positive, refiner"), ("", "negative, refiner"))
    ]
    most = prompt.stage("base stage", [base, 0], texts[0], texts[1], prompt.empty(), end=16)
    whole = prompt.stage("refiner stage", [refiner, 0], refined[0], refined[1], most, start=16)
    prompt.picture(whole, [refiner, 2], "refiner")


def _controlnet(prompt: _Prompt) -> None:
    model, vae, positive, negative = _begun(prompt)
    edges = [prompt.node("Canny", image=prompt.input_picture(), low_threshold=0.4, high_threshold=0.8), 0]
    net = [prompt.node("ControlNetLoader", control_net_name=prompt.files.controlnet), 0]
    inputs: dict[str, Any] = {
        "positive": positive,
        "negative": negative,
        "control_net": net,
        "image": edges,
        "vae": vae,
    }
    steered = prompt.node("ControlNetApplyAdvanced", strength=1.0, start_percent=0.0, end_percent=1.0, **inputs)
    prompt.picture(prompt.sampled(model, [steered, 0], [steered, 1], prompt.empty()), vae, "controlnet")


def _upscale(prompt: _Prompt) -> None:
    image = [prompt.node("LoadImage", image=prompt.files.picture), 0]
    model = [prompt.node("UpscaleModelLoader", model_name=prompt.files.upscaler), 0]
    prompt.saved([prompt.node("ImageUpscaleWithModel", upscale_model=model, image=image), 0], "upscale")


def _template(title: str, write: Callable[[_Prompt], None]) -> Template:
    def make(chosen: Chosen) -> Mapping[str, Any]:
        prompt = _Prompt(chosen)
        write(prompt)
        return prompt.nodes

    return Template(title, make)


TEMPLATES: Mapping[str, Template] = {
    "txt2img": _template("a picture of a text", _txt2img),
    "img2img": _template("a picture drawn anew after a text, kept in its forms", _img2img),
    "inpaint": _template("the middle of a picture drawn anew, the rest kept to the pixel", _inpaint),
    "hires-fix": _template("a picture drawn small, enlarged, and drawn on", _hires_fix),
    "prompt-switch": _template(
        "a text that another takes over from at step 10, in two chained samplers", _prompt_switch
    ),
    "prompt-schedule": _template("the same in one node: [apple:rabbit:0.5] in the prompt", _prompt_schedule),
    "lora": _template("a picture with a LoRA", _lora),
    "lora-switch": _template("a LoRA from step 6 on, in two chained samplers", _lora_switch),
    "refiner": _template("a base and a refiner, in two chained samplers", _refiner),
    "controlnet": _template("a picture that follows the edges of another", _controlnet),
    "upscale": _template("a picture enlarged by an upscale model", _upscale),
    **OF_FAMILIES,
}
