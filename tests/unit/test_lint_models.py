"""Rules of `weft lint` about model files: each speaks of headers that do not fit, and not of those that do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lints import Document, node, plain, registry, stage, workflow, write
from tests.unit import test_lint_families as of_families
from weft.engine.folders import Folders
from weft.engine.linting.findings import lint, rules_of
from weft.engine.settings import Settings
from weft.engine.workflow.prompt import Prompt
from weft.nodes.diffusion.families import glances
from weft.nodes.diffusion.families.sd import glance as sd_glance
from weft.nodes.diffusion.families.sd.tiny import UNET, checkpoint_shapes, lora_shapes
from weft.nodes.lint import models, sizes

TEXT = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lint")
    releases = {name: checkpoint_shapes(name) for name in ("sd1", "sdxl", "sdxl_refiner")}
    for name, shapes in releases.items():
        write(root / "models" / "checkpoints" / f"{name}.safetensors", shapes)
        write(root / "models" / "loras" / f"{name}.safetensors", lora_shapes(shapes))
    unet = {key.removeprefix(UNET): shape for key, shape in releases["sd1"].items() if key.startswith(UNET)}
    write(root / "models" / "diffusion_models" / "sd1.safetensors", unet)
    own: dict[str, tuple[int, ...]] = lora_shapes(releases["sd1"])
    words = {f"{TEXT}.lora_down.weight": (4, 64), f"{TEXT}.lora_up.weight": (64, 4)}
    more = {"lora_unet_no_such_layer.lora_down.weight": (4, 8), "lora_unet_no_such_layer.lora_up.weight": (8, 4)}
    flux = {f"lora_unet_double_blocks_0_img_attn_qkv.lora_{end}.weight": (4, 4) for end in ("down", "up")}
    for name, shapes in {"text": {**own, **words}, "words": words, "part": {**own, **more}, "flux": flux}.items():
        write(root / "models" / "loras" / f"{name}.safetensors", shapes)
    return root


@pytest.fixture
def codes(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Document], list[str]]:
    monkeypatch.setattr(sd_glance, "_WIDE", 32)  # so that these count as released
    glances._read.cache_clear()
    places: dict[str, Any] = {name: root / name for name in ("input", "output", "temp")}
    folders = Folders(models=[root / "models"], **places)
    packs = registry().packs

    def found(document: Document) -> list[str]:
        settings = Settings.load({}, packs.settings.values())
        each = lint(Prompt.parse(document), registry(), settings, rules_of(packs), folders)
        return [f"{found.rule.code} {found.issue.node_id}" for found in each if found.rule.code != "G104"]

    return found


def made(checkpoint: str = "sd1", side: int = 64, **nodes: Document) -> Document:
    """A picture of the model of a checkpoint, 512 pixels wide for SD 1.x."""
    width = side * 8
    latent = node("EmptyLatentImage", width=width, height=width, batch_size=1)
    loader = node("CheckpointLoaderSimple", ckpt_name=f"{checkpoint}.safetensors")
    return workflow(**{"n1": loader, "n4": latent, "n6": plain("4"), **nodes})


def lora(file: str, checkpoint: str = "sd1", kind: str = "LoraLoader", **more: Any) -> Document:
    given: Document = {"model": ["1", 0], "lora_name": f"{file}.safetensors", "strength_model": 1.0}
    if kind == "LoraLoader":
        given |= {"clip": ["1", 1], "strength_clip": 1.0}
    loader = node(kind, **{**given, **more})
    side = 128 if checkpoint == "sdxl" else 64
    return made(checkpoint, side, n9=loader, n6=plain("4", model=["9", 0]))


def other(name: str) -> Document:
    return node("CheckpointLoaderSimple", ckpt_name=f"{name}.safetensors")


def refined(name: str, latent: str = "5", **nodes: Document) -> Document:
    """SDXL's first steps, and the rest with another model, its own prompts and its own VAE."""
    texts = {each: node("CLIPTextEncode", text="x" * (each == "n12"), clip=["10", 1]) for each in ("n12", "n13")}
    then = stage(latent, 8, 10_000, model=["10", 0], positive=["12", 0], negative=["13", 0])
    decoded = node("VAEDecode", samples=["6", 0], vae=["10", 2])
    return made("sdxl", 128, n5=stage("4", 0, 8), n10=other(name), n6=then, n7=decoded, **texts, **nodes)


def custom(vae: str) -> Document:
    return made(
        n10=other("sdxl"),
        n20=node("RandomNoise", noise_seed=7),
        n22=node("CFGGuider", model=["1", 0], positive=["2", 0], negative=["3", 0], cfg=2.0),
        n23=node("KSamplerSelect", sampler_name="euler"),
        n24=node("BasicScheduler", model=["1", 0], scheduler="karras", steps=20, denoise=1.0),
        n6=node("SamplerCustomAdvanced", noise=["20", 0], guider=["22", 0], sampler=["23", 0], sigmas=["24", 0],
                latent_image=["4", 0]),
        n7=node("VAEDecode", samples=["6", 0], vae=[vae, 2]),
    )  # fmt: skip


def on_text(file: str, **more: Any) -> Document:
    """A LoRA of which the CLIP is taken and the MODEL is not."""
    found = lora(file, **more)
    found["6"]["inputs"]["model"] = ["1", 0]
    found["2"]["inputs"]["clip"] = ["9", 1]
    return found


UNET_ALONE = node("UNETLoader", unet_name="sd1.safetensors", weight_dtype="default")
ENCODED = {
    "n11": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
    "n9": node("VAEEncode", pixels=["11", 0], vae=["10", 2]),
}
SEEN: list[tuple[str, Document]] = [
    ("M101 9", lora("sdxl")),
    ("M101 9", lora("sd1", "sdxl")),
    ("M101 9", lora("flux")),
    ("M101 9", lora("sdxl", kind="LoraLoaderModelOnly")),
    ("M102 9", lora("part")),
    ("M103 9", lora("text", kind="LoraLoaderModelOnly")),
    ("M103 9", lora("text", strength_clip=0.0)),
    ("M104 2", made(n10=other("sdxl"), n2=node("CLIPTextEncode", text="x", clip=["10", 1]))),
    ("M104 2", made(n9=UNET_ALONE, n1=other("sdxl"), n6=plain("4", model=["9", 0], negative=["2", 0], cfg=1.0),
                    n10=other("sd1"), n7=node("VAEDecode", samples=["6", 0], vae=["10", 2]))),
    ("M105 7", made(n10=other("sdxl"), n7=node("VAEDecode", samples=["6", 0], vae=["10", 2]))),
    ("M105 7", custom("10")),
    ("M105 9", made(n10=other("sdxl"), n11=node("LoadImage", image="x.png"), n6=plain("9", denoise=0.5),
                    n9=node("VAEEncode", pixels=["11", 0], vae=["10", 2]))),
    ("M106 6", refined("sd1")),
    ("M107 4", made(side=128)),
    ("M107 4", made("sdxl", 64)),
    ("M108 9", on_text("sd1")),
]  # fmt: skip
UNSEEN: list[tuple[str, Document]] = [
    ("M101 its own", lora("sd1")),
    ("M101 its own, XL", lora("sdxl", "sdxl")),
    ("M101 switched off", lora("sdxl", strength_model=0.0)),
    ("M101 no such file", lora("nothing")),
    ("M101 a model that is not there", lora("sdxl", "nothing")),
    ("M103 with its text", lora("text")),
    ("M104 and M105 its refiner", refined("sdxl_refiner")),
    ("M104 a network alone", made(n9=UNET_ALONE, n6=plain("4", model=["9", 0]))),
    ("M105 its own", custom("1")),
    ("M105 a VAE alone", made(
        n10=node("VAELoader", vae_name="v"), n7=node("VAEDecode", samples=["6", 0], vae=["10", 0]))),
    ("M106 decoded and encoded", refined("sd1", "9", **ENCODED)),
    ("M107 its size", made("sdxl", 128)),
    ("M107 somewhat larger", made(side=96)),
    ("M107 distilled", made("sdxl", 64, n6=plain("4", cfg=1.0))),
    ("M107 a second pass", made(n5=plain("4"), n9=node("LatentUpscaleBy", samples=["5", 0], upscale_method="area",
        scale_by=3.0), n6=plain("9", denoise=0.5))),
    ("M108 its strengths say so", on_text("sd1", strength_model=0.0)),
    ("M108 no layers for the model", on_text("words")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "document"), SEEN, ids=[each[0] for each in SEEN])
def test_a_rule_speaks(code: str, document: Document, codes: Callable[[Document], list[str]]) -> None:
    assert codes(document) == [code]


@pytest.mark.parametrize("document", [each[1] for each in UNSEEN], ids=[each[0] for each in UNSEEN])
def test_no_rule_speaks_of_what_fits(document: Document, codes: Callable[[Document], list[str]]) -> None:
    assert [code for code in codes(document) if code.startswith("M")] == []


def test_every_rule_is_tried() -> None:
    tried = {code.partition(" ")[0] for code, *_ in (*SEEN, *of_families.REFUSED, *of_families.TOLD)}
    assert tried >= {rule.code for rule in (*models.RULES, *sizes.RULES)}


def test_a_file_that_is_cut_short_is_none(root: Path) -> None:
    whole = root / "models" / "loras" / "sd1.safetensors"
    found = glances.lora_glance(whole)
    assert found is not None and found.texts == 0 and found.title == "a LoRA"
    short = root / "short.safetensors"
    short.write_bytes(whole.read_bytes()[:-1])
    for path in (short, root / "none.safetensors", root):
        assert glances.lora_glance(path) is None and glances.model_glance(path) is None
    assert glances.model_glance(whole) is None
