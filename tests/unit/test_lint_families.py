"""Model files of the families of today that do not fit each other: refused before a run where they cannot work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lints import Document, Shapes, node, plain, registry, stage, workflow, write
from weft.engine.linting.findings import LintFinding
from weft.engine.session import Session
from weft.engine.workflow.prompt import Prompt
from weft.nodes.diffusion.families import glances
from weft.nodes.diffusion.families.glance import TextSet

T5_KEYS = "encoder.block.{}.layer.0.SelfAttention.{}.weight"


def matrices(width: int, *names: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width, width) for name in names}


def t5(width: int, *, umt5: bool = False) -> Shapes:
    biased = (0, 1) if umt5 else (0,)
    biases = {T5_KEYS.format(block, "relative_attention_bias"): (32, 4) for block in biased}
    return {"shared.weight": (9, width), **biases, T5_KEYS.format(0, "q"): (width, width)}


def clip(width: int) -> Shapes:
    return {
        "text_model.embeddings.token_embedding.weight": (9, width),
        "text_model.encoder.layers.0.mlp.fc1.weight": (4 * width, width),
    }


def qwen(width: int, mark: str) -> Shapes:
    attention = "model.layers.0.self_attn"
    query, table = (128, width), (9, width)
    return {"model.embed_tokens.weight": table, f"{attention}.q_proj.weight": query, f"{attention}.{mark}": (9,)}


FLUX = {
    "img_in.weight": (128, 64),
    "txt_in.weight": (128, 48),
    "vector_in.in_layer.weight": (128, 24),
    "guidance_in.in_layer.weight": (128, 256),
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "double_blocks.0.img_attn.qkv.weight": (384, 128),
    "double_blocks.0.txt_attn.proj.weight": (128, 128),
    "single_blocks.0.linear1.weight": (896, 128),
    "final_layer.linear.weight": (64, 128),
}
SD3 = {
    "x_embedder.proj.weight": (64, 16, 2, 2),
    "final_layer.linear.weight": (64, 64),
    "pos_embed": (1, 16, 64),
    "context_embedder.weight": (64, 4096),
    "y_embedder.mlp.0.weight": (64, 2048),
    "joint_blocks.0.context_block.attn.qkv.weight": (192, 64),
    "joint_blocks.0.x_block.attn.qkv.weight": (192, 64),
}
QWEN_IMAGE = {
    "txt_norm.weight": (40,),
    "img_in.weight": (128, 64),
    "transformer_blocks.0.img_mod.1.weight": (768, 128),
    "transformer_blocks.0.attn.to_q.weight": (128, 128),
}
QWEN_IMAGE_21 = {
    "txt_in.text_norm.weight": (72,),
    "img_in.weight": (128, 64),
    "proj_out.weight": (64, 128),
    "transformer_blocks.0.attn.to_q.weight": (128, 128),
    "transformer_blocks.0.img_mlp.out.weight": (128, 384),
}
ZIMAGE = {
    "cap_embedder.1.weight": (128, 56),
    "cap_pad_token": (1, 128),
    "x_embedder.weight": (128, 64),
    "noise_refiner.0.attention.k_norm.weight": (128,),
    "layers.0.attention.qkv.weight": (384, 128),
    "layers.0.attention.out.weight": (128, 128),
}


def wan(channels: int, out: int = 16, *, vision: bool = False) -> Shapes:
    return {
        "head.modulation": (1, 2, 128),
        "head.head.weight": (4 * out, 128),
        "patch_embedding.weight": (128, channels, 1, 2, 2),
        "text_embedding.0.weight": (128, 64),
        "time_embedding.0.weight": (128, 256),
        "blocks.0.ffn.0.weight": (256, 128),
        **matrices(128, "blocks.0.self_attn.q", "blocks.0.cross_attn.k"),
        **({"img_emb.proj.1.weight": (1280, 1280)} if vision else {}),
    }


def kl_vae(channels: int) -> Shapes:
    half = {f"coder.down.{level}.block.0.conv1.weight": (8, 8, 3, 3) for level in range(4)}
    half |= {f"coder.up.{level}.block.{layer}.conv1.weight": (8, 8, 3, 3) for level in range(4) for layer in (0, 1)}
    return {
        "encoder.conv_in.weight": (8, 3, 3, 3),
        "encoder.conv_out.weight": (2 * channels, 8, 3, 3),
        "decoder.conv_in.weight": (8, channels, 3, 3),
        "decoder.conv_out.weight": (3, 8, 3, 3),
        "encoder.mid.block_1.conv1.weight": (8, 8, 3, 3),
        "decoder.mid.block_1.conv1.weight": (8, 8, 3, 3),
        **{key.replace("coder", "encoder" if ".down" in key else "decoder"): shape for key, shape in half.items()},
    }


def wan_vae(channels: int) -> Shapes:
    return {"decoder.middle.0.residual.0.gamma": (8, 1, 1, 1), "conv2.weight": (channels, channels, 1, 1, 1)}


def vision(width: int) -> Shapes:
    return {"vision_model.embeddings.patch_embedding.weight": (width, 3, 14, 14)}


def lora(*layers: str, width: int = 128, out: int = 128) -> Shapes:
    return {f"{name}.{end}": form for name in layers for end, form in
            (("lora_A.weight", (4, width)), ("lora_B.weight", (out, 4)))}  # fmt: skip


def blockwise(patched: int) -> Shapes:
    return {"controlnet_blocks.0.y_rms.weight": (128,), "img_in.weight": (128, patched)}


def fun(channels: int) -> Shapes:
    return {"control_all_x_embedder.2-1.weight": (128, 4 * channels), "control_layers.0.after_proj.weight": (128, 128)}


FILES: dict[str, dict[str, Shapes]] = {
    "diffusion_models": {
        "flux": FLUX, "sd3": SD3, "qwen": QWEN_IMAGE, "qwen21": QWEN_IMAGE_21, "z": ZIMAGE,
        "wan": wan(16), "wan_i2v": wan(36),
        "wan_21_i2v": wan(36, vision=True), "wan_5b": wan(48, 48),
    },
    "text_encoders": {
        "clip_l": clip(24), "clip_g": clip(1280), "wide_l": clip(768), "t5": t5(48), "narrow_t5": t5(40),
        "umt5": t5(64, umt5=True), "qwen25": qwen(40, "k_proj.bias"),
        "qwen3vl": {key.replace("model.", "model.language_model."): shape
                    for key, shape in qwen(72, "q_norm.weight").items()},
        "qwen3": qwen(56, "q_norm.weight"), "wide_qwen": qwen(56, "k_proj.bias"),
    },
    "vae": {
        "alpha": {"encoder.conv_in.weight": (8, 4, 3, 3), "decoder.norm_out.gamma": (8, 1, 1, 1),
                  "post_quant_conv.weight": (64, 64, 1, 1)},
        "four": kl_vae(4), "sixteen": kl_vae(16), "wan": wan_vae(16), "wan_5b": wan_vae(48),
    },
    "model_patches": {"diffsynth": blockwise(64), "inpaint": blockwise(68), "fun": fun(16), "fun2": fun(33)},
    "clip_vision": {"h": vision(1280), "l": vision(1024)},
    "loras": {
        "flux": lora("transformer.single_transformer_blocks.0.attn.to_q"),
        "depth": lora("img_in", "double_blocks.0.txt_attn.proj"),
        "wan": lora("diffusion_model.blocks.0.cross_attn.k"),
        "wan_diffusers": lora("transformer.blocks.0.attn1.to_q"),
        "qwen": lora("transformer_blocks.0.img_mod.1", out=768),
        "z": lora("diffusion_model.layers.0.attention.to_k"),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("families")
    for kind, files in FILES.items():
        for name, shapes in files.items():
            write(root / kind / f"{name}.safetensors", shapes)
    return root


@pytest.fixture
def found(models: Path, tmp_path: Path) -> Callable[[Document], list[LintFinding]]:
    session = Session(models=[models], input=tmp_path, registry=registry())
    return lambda document: [each for each in session.lint(Prompt.parse(document)) if each.rule.code[0] in "ML"]


def encoders(*names: str, kind: str) -> Document:
    files = [f"{name}.safetensors" for name in names]
    if len(files) == 1:
        return node("CLIPLoader", clip_name=files[0], type=kind)
    return node("DualCLIPLoader", clip_name1=files[0], clip_name2=files[1], type=kind)


def made(model: str, text: Document, vae: str, **nodes: Document) -> Document:
    """A picture, or the frames of a video, of files of their own."""
    video = model.startswith("wan")
    sides = {"width": 64, "height": 64, "batch_size": 1}
    empty = node("EmptyHunyuanLatentVideo", **sides, length=5) if video else node("EmptySD3LatentImage", **sides)
    return workflow(
        **{
            "n1": node("UNETLoader", unet_name=f"{model}.safetensors", weight_dtype="default"),
            "n4": empty,
            "n10": text,
            "n2": node("CLIPTextEncode", text="red apple", clip=["10", 0]),
            "n3": node("CLIPTextEncode", text="", clip=["10", 0]),
            "n11": node("VAELoader", vae_name=f"{vae}.safetensors"),
            "n6": plain("4"),
            "n7": node("VAEDecode", samples=["6", 0], vae=["11", 0]),
            **nodes,
        }
    )


FLUX_TEXT, WAN_TEXT = encoders("clip_l", "t5", kind="flux"), encoders("umt5", kind="wan")
QWEN_TEXT, Z_TEXT = encoders("qwen25", kind="qwen_image"), encoders("qwen3", kind="lumina2")


def with_lora(name: str, model: str, text: Document, vae: str) -> Document:
    loader = node("LoraLoaderModelOnly", model=["1", 0], lora_name=f"{name}.safetensors", strength_model=1.0)
    return made(model, text, vae, n12=loader, n6=plain("4", model=["12", 0]))


def steered(model: str, text: Document, vae: str, patch: str, *, masked: bool = False, sees: str = "11") -> Document:
    """A model with a model patch that sees a picture, through the VAE of a node."""
    given = {"model": ["1", 0], "model_patch": ["13", 0], "vae": [sees, 0], "image": ["21", 0], "strength": 1.0}
    given |= {"mask": ["21", 1]} if masked else {}
    more = {
        "n13": node("ModelPatchLoader", name=f"{patch}.safetensors"),
        "n14": node("VAELoader", vae_name="four.safetensors"),
        "n12": node("QwenImageDiffsynthControlnet", **given),
        "n21": node("LoadImage", image="x.png"),
        "n6": plain("4", model=["12", 0]),
    }
    return made(model, text, vae, **more)


def begun(model: str, *, sees: str = "", vae: str = "wan", picture: bool = True, **sides: int) -> Document:
    """A video of Wan that begins with a picture."""
    given: dict[str, Any] = {"width": 64, "height": 64, "length": 5, "batch_size": 1, **sides}
    given |= {"positive": ["2", 0], "negative": ["3", 0], "vae": ["11", 0]}
    given |= {"start_image": ["21", 0]} if picture else {}
    given |= {"clip_vision_output": ["23", 0]} if sees else {}
    more = {
        "n20": node("WanImageToVideo", **given),
        "n21": node("LoadImage", image="x.png"),
        "n22": node("CLIPVisionLoader", clip_name=f"{sees}.safetensors"),
        "n23": node("CLIPVisionEncode", clip_vision=["22", 0], image=["21", 0], crop="center"),
        "n6": node("KSampler", **{**plain("20")["inputs"], "latent_image": ["20", 2], "positive": ["20", 0],
                                  "negative": ["20", 1]}),
    }  # fmt: skip
    return made(model, WAN_TEXT, vae, **more)


def chained(first: str, then: str) -> Document:
    """A first stage of one model, and a second of another."""
    document = made(first, FLUX_TEXT, "sixteen", n5=stage("4", 0, 8), n6=stage("5", 8, 10_000))
    document |= {"30": node("UNETLoader", unet_name=f"{then}.safetensors", weight_dtype="default")}
    document["6"]["inputs"] |= {"model": ["30", 0]}
    return document


def encoded(model: str, text: Document, vae: str, own: str) -> Document:
    more = {
        "n21": node("LoadImage", image="x.png"),
        "n24": node("VAELoader", vae_name=f"{vae}.safetensors"),
        "n9": node("VAEEncode", pixels=["21", 0], vae=["24", 0]),
        "n6": plain("9", denoise=0.5),
    }
    return made(model, text, own, **more)


def sized(class_type: str = "EmptySD3LatentImage", **sides: int) -> Document:
    given = {"width": 64, "height": 64, "batch_size": 1, **sides}
    model, text, vae = ("wan", WAN_TEXT, "wan") if "length" in sides else ("flux", FLUX_TEXT, "sixteen")
    return made(model, text, vae, n4=node(class_type, **given))


def linked(class_type: str, **inputs: Any) -> Document:
    """A video whose length comes over a link: from a node, of 80 or of what that is given."""
    document = sized("EmptyHunyuanLatentVideo", length=81)
    document["4"]["inputs"]["length"] = ["31", 0]
    document["30"] = node("INTConstant", value=20)
    return document | {"31": node(class_type, **inputs)}


def through_a_camera() -> Document:
    """A video as long as the way of its camera."""
    document = begun("wan_i2v")
    document["20"]["inputs"] |= {"length": ["30", 3], "width": ["30", 1]}
    sides = {"width": ["31", 0], "height": 64, "length": ["31", 0]}
    camera = node("WanCameraEmbedding", camera_pose="Static", **sides)
    return document | {"30": camera, "31": node("PrimitiveInt", value=68)}


REFUSED: list[tuple[str, Document, str]] = [
    ("M101 12", with_lora("wan", "flux", FLUX_TEXT, "sixteen"), "none of its 1 layers"),
    ("M101 12", with_lora("flux", "wan", WAN_TEXT, "wan"), "none of its 1 layers"),
    ("M101 12", with_lora("qwen", "sd3", encoders("wide_l", "clip_g", kind="sd3"), "sixteen"), "none of its 1 layers"),
    ("M104 2", made("flux", encoders("clip_l", "narrow_t5", kind="flux"), "sixteen"), "are 40 wide: expected 48"),
    ("M104 2", made("flux", encoders("wide_l", "t5", kind="flux"), "sixteen"), "is 768 wide: expected 24"),
    ("M104 2", made("flux", encoders("clip_l", "t5", kind="sd3"), "sixteen"), "is 1304 wide: expected 24"),
    ("M104 2", made("wan", encoders("qwen25", kind="qwen_image"), "wan"), "are 40 wide: expected 64"),
    ("M104 2", made("z", encoders("qwen25", kind="qwen_image"), "sixteen"), "are 40 wide: expected 56"),
    ("M104 2", made("qwen21", encoders("qwen25", kind="qwen_image"), "alpha"), "are 40 wide: expected 72"),
    ("M105 7", made("qwen21", encoders("qwen3vl", kind="qwen_image"), "wan"), "latents of 16 channels: expected 64"),
    ("M105 7", made("flux", FLUX_TEXT, "four"), "latents of 4 channels: expected 16"),
    ("M105 7", made("z", Z_TEXT, "four"), "latents of 4 channels: expected 16"),
    ("M105 7", made("wan_5b", WAN_TEXT, "wan"), "latents of 16 channels: expected 48"),
    ("M105 7", made("wan", WAN_TEXT, "wan_5b"), "latents of 48 channels: expected 16"),
    ("M105 9", encoded("flux", FLUX_TEXT, "four", "sixteen"), "latents of 4 channels: expected 16"),
    ("M105 20", begun("wan_i2v", vae="wan_5b"), "latents of 48 channels: expected 16"),
    ("M106 6", sized("EmptyHunyuanLatentVideo") | made("flux", FLUX_TEXT, "sixteen", n4=node(
        "EmptyHunyuanLatentVideo", width=64, height=64, length=5, batch_size=1)), "of a video"),
    ("M109 10", made("flux", encoders("clip_l", "umt5", kind="flux"), "sixteen"),
     "type 'flux' are clip_l + t5xxl, got clip_l + umt5xxl"),
    ("M109 10", made("flux", encoders("clip_l", "clip_g", kind="flux"), "sixteen"), "got clip_l + clip_g"),
    ("M109 10", made("wan", encoders("t5", kind="wan"), "wan"), "type 'wan' are umt5xxl, got t5xxl"),
    ("M109 10", made("z", encoders("qwen25", kind="lumina2"), "sixteen"), "are qwen3_4b, got qwen25_7b"),
    ("M109 10", made("qwen", encoders("qwen3", kind="qwen_image"), "wan"), "are qwen25_7b or qwen3vl, got qwen3_4b"),
    ("M109 10", made("sd3", encoders("umt5", kind="sd3"), "sixteen"), "clip_l + clip_g + t5xxl, or some of them"),
    ("M105 12", steered("z", Z_TEXT, "sixteen", "fun", sees="14"), "latents of 4 channels: expected 16"),
    ("M112 12", steered("z", Z_TEXT, "sixteen", "diffsynth"), "for Qwen-Image, and the model is Z-Image"),
    ("M112 12", steered("flux", FLUX_TEXT, "sixteen", "fun"), "a Fun ControlNet, for Z-Image, and the model is FLUX"),
    ("M112 12", steered("qwen", QWEN_TEXT, "wan", "diffsynth", masked=True), "that reads no mask: expected none"),
    ("M112 12", steered("qwen", QWEN_TEXT, "wan", "inpaint"), "that reads a mask: connect that of what to paint"),
    ("M110 20", begun("wan_21_i2v", sees="l"), "is 1024 wide: Wan 2.1 image-to-video reads 1280"),
]  # fmt: skip
TOLD: list[tuple[str, Document, str]] = [
    ("M104 2", made("z", encoders("wide_qwen", kind="qwen_image"), "sixteen"), "encodes for Qwen-Image"),
    ("M105 7", made("wan", WAN_TEXT, "sixteen"), "of pictures: expected one of videos"),
    ("M105 7", made("z", Z_TEXT, "wan"), "of videos: expected one of pictures"),
    ("M106 6", chained("flux", "sd3"), "whose latents have other numbers"),
    ("M111 20", begun("wan"), "which reads none"),
    ("L103 4", sized(width=68), "width 68 becomes 64: it is no multiple of 8"),
    ("L103 20", begun("wan_i2v", height=100), "height 100 becomes 96"),
    ("L104 4", sized("EmptyHunyuanLatentVideo", length=80), "length 80 becomes 77 frames"),
    ("L104 20", begun("wan_i2v", length=6), "length 6 becomes 5 frames"),
    ("L104 4", linked("PrimitiveInt", value=80), "length 80 becomes 77 frames"),
    ("L104 4", linked("INTConstant", value=80), "length 80 becomes 77 frames"),
    ("L104 4", linked("JWInteger", value=80), "length 80 becomes 77 frames"),
    ("L104 4", linked("Int", Number="80"), "length 80 becomes 77 frames"),
    ("L104 4", linked("easy int", value=80), "length 80 becomes 77 frames"),
    ("L104 4", linked("mxSlider", Xi=80, Xf=1.5, isfloatX=0), "length 80 becomes 77 frames"),
    ("L104 4", linked("easy mathInt", a=["30", 0], b=4, operation="multiply"), "length 80 becomes 77 frames"),
    ("L104 4", linked("CM_IntBinaryOperation", op="Mul", a=["30", 0], b=4), "length 80 becomes 77 frames"),
    ("L104 4", linked("MathExpression|pysssss", expression="a * 4", a=["30", 0]), "length 80 becomes 77 frames"),
    ("L104 4", linked("SimpleMath+", value="a * 4", a=["30", 0]), "length 80 becomes 77 frames"),
    ("L104 4", linked("ComfySwitchNode", switch=True, on_false=["4", 0], on_true=["30", 0]), "length 20 becomes 17"),
    ("L104 20", through_a_camera(), "length 68 becomes 65 frames"),
    ("L103 20", through_a_camera(), "width 68 becomes 64"),
]  # fmt: skip
FITS: list[tuple[str, Document]] = [
    ("FLUX", made("flux", FLUX_TEXT, "sixteen")),
    ("FLUX and a 4-channel empty latent", sized("EmptyLatentImage")),
    ("SD3 without T5", made("sd3", encoders("wide_l", "clip_g", kind="sd3"), "sixteen")),
    ("Qwen-Image", made("qwen", QWEN_TEXT, "wan")),
    ("Z-Image", made("z", Z_TEXT, "sixteen")),
    ("Wan", made("wan", WAN_TEXT, "wan")),
    ("Wan 5B", made("wan_5b", WAN_TEXT, "wan_5b")),
    ("Wan from a picture", begun("wan_i2v")),
    ("Wan 2.1 from a picture", begun("wan_21_i2v", sees="h")),
    ("Wan text-to-video without a picture", begun("wan", picture=False)),
    ("a LoRA of FLUX", with_lora("flux", "flux", FLUX_TEXT, "sixteen")),
    ("a LoRA of FLUX for depths", with_lora("depth", "flux", FLUX_TEXT, "sixteen")),
    ("a LoRA of Wan", with_lora("wan", "wan", WAN_TEXT, "wan")),
    ("a LoRA of Wan, by diffusers' names", with_lora("wan_diffusers", "wan", WAN_TEXT, "wan")),
    ("a LoRA of Qwen-Image", with_lora("qwen", "qwen", QWEN_TEXT, "wan")),
    ("a LoRA of Z-Image", with_lora("z", "z", Z_TEXT, "sixteen")),
    ("a DiffSynth ControlNet", steered("qwen", QWEN_TEXT, "wan", "diffsynth")),
    ("a DiffSynth ControlNet that paints", steered("qwen", QWEN_TEXT, "wan", "inpaint", masked=True)),
    ("a Fun ControlNet", steered("z", Z_TEXT, "sixteen", "fun2")),
    ("a Fun ControlNet with a mask", steered("z", Z_TEXT, "sixteen", "fun2", masked=True)),
    ("81 frames", sized("EmptyHunyuanLatentVideo", length=81)),
    ("81 frames over a link", linked("MathExpression|pysssss", expression="a * 4 + 1", a=["30", 0])),
    ("a number that is not known before the run", linked("MathExpression|pysssss", expression="a.width", a=["7", 0])),
    ("a formula that fails", linked("SimpleMath+", value="a / 0", a=["30", 0])),
    ("a file that is not there", made("flux", encoders("none", "t5", kind="flux"), "sixteen")),
]


def code(finding: LintFinding) -> str:
    return f"{finding.rule.code} {finding.issue.node_id}"


@pytest.mark.parametrize(("first", "document", "says"), REFUSED, ids=[f"{code} {text}" for code, _, text in REFUSED])
def test_what_cannot_work_is_refused(
    first: str, document: Document, says: str, found: Callable[[Document], list[LintFinding]]
) -> None:
    findings = found(document)
    (finding,) = [each for each in findings if code(each) == first]
    assert finding.refused and says in finding.issue.message and finding.rule.refuses
    assert {each.rule.code for each in findings} == {finding.rule.code}


@pytest.mark.parametrize(("first", "document", "says"), TOLD, ids=[f"{code} {text}" for code, _, text in TOLD])
def test_what_works_badly_is_told(
    first: str, document: Document, says: str, found: Callable[[Document], list[LintFinding]]
) -> None:
    findings = [each for each in found(document) if code(each) == first]
    assert [each.refused for each in findings] == [False]
    assert says in findings[0].issue.message


@pytest.mark.parametrize("document", [each[1] for each in FITS], ids=[each[0] for each in FITS])
def test_nothing_is_said_of_what_fits(document: Document, found: Callable[[Document], list[LintFinding]]) -> None:
    assert found(document) == []


def test_validate_says_it_and_an_ignore_lets_it_run(models: Path, tmp_path: Path) -> None:
    session = Session(models=[models], input=tmp_path, registry=registry())
    document = made("flux", FLUX_TEXT, "four")
    (issue,) = session.issues(Prompt.parse(document))
    assert (issue.code, issue.node_id, issue.input) == ("custom_validation_failed", "7", "vae")
    assert issue.message.startswith("M105, its VAE is")
    document["7"]["_meta"] = {"title": "x", "weft": {"ignore": ["M105"]}}
    assert session.issues(Prompt.parse(document)) == []


def test_sets_of_text_encoders() -> None:
    whole, some = TextSet(("a", "b")), TextSet(("a", "b"), partly=True)
    assert [whole.is_of(names) for names in (["b", "a"], ["a"], ["a", "a"], ["a", "b", "c"], [])] == [True] + 4 * [
        False
    ]
    assert [some.is_of(names) for names in (["b", "a"], ["a"], ["a", "a"], ["c"], [])] == [True, True] + 3 * [False]


def test_a_vision_model_of_open_clip(tmp_path: Path) -> None:
    write(tmp_path / "v.safetensors", {"visual.conv1.weight": (1280, 3, 14, 14), "visual.proj": (1280, 1024)})
    assert glances.vision_glance(tmp_path / "v.safetensors") == (1280, 1024)
    assert glances.vision_glance(tmp_path / "none.safetensors") is None
