"""The Efficiency family is declared as efficiency.md section 1 tabulates it: names, order, defaults, ranges, outputs.

There is no object_info dump of the pack: the tables below are the specification's, written out by hand.
"""

from __future__ import annotations

from typing import Any

import pytest

from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Combo, Files, Socket

REGISTRY = Registry.discover()
MAX = 16384
SEED = 2**64 - 1

Column = tuple[str, Any]


def integer(default: int, low: int | None = None, high: int | None = None, step: int | None = None) -> dict[str, Any]:
    return {"type": "INT", "default": default, **_range(low, high, step)}


def real(default: float, low: float, high: float, step: float | None = None) -> dict[str, Any]:
    return {"type": "FLOAT", "default": default, **_range(low, high, step)}


def _range(low: Any, high: Any, step: Any) -> dict[str, Any]:
    return {name: value for name, value in (("min", low), ("max", high), ("step", step)) if value is not None}


def text(default: str | None = None, multiline: bool | None = None) -> dict[str, Any]:
    given = {"default": default, "multiline": multiline}
    return {"type": "STRING", **{name: value for name, value in given.items() if value is not None}}


def boolean(default: bool) -> dict[str, Any]:
    return {"type": "BOOLEAN", "default": default}


def files(folder: str, *extra: str) -> dict[str, Any]:
    return {"folder": folder, "extra": extra}


def choices(*names: str) -> dict[str, Any]:
    return {"choices": names}


def link(io_type: str) -> dict[str, Any]:
    return {"type": io_type}


def numbered(count: int, **columns: Any) -> dict[str, Any]:
    return {f"{name}_{i}": kind for i in range(1, count + 1) for name, kind in columns.items()}


SAMPLERS = tuple(Registry.discover()["KSampler"].by_name["sampler_name"].socket.io_type)
SCHEDULERS = (
    "simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic",
    "kl_optimal", "AYS SD1", "AYS SDXL", "AYS SVD", "GITS",
)  # fmt: skip
NORMALIZATION = choices("none", "mean", "length", "length+mean")
INTERPRETATION = choices("comfy", "A1111", "compel", "comfy++", "down_weight")
PROMPTS = {
    "positive": text("CLIP_POSITIVE", True),
    "negative": text("CLIP_NEGATIVE", True),
    "token_normalization": NORMALIZATION,
    "weight_interpretation": INTERPRETATION,
}
LORA = real(1.0, -10.0, 10.0, 0.01)
PERCENT_0, PERCENT_1 = real(0.0, 0.0, 1.0, 0.001), real(1.0, 0.0, 1.0, 0.001)
STRENGTH = real(1.0, 0.0, 10.0, 0.01)
UPSCALE = real(1.25, 0.01, 8.0, 0.05)
SCORE = (0.0, 1000.0, 0.01)
COUNT = integer(3, 0, 50)
BATCH = {
    "batch_path": text("/example_folder"),
    "subdirectories": boolean(False),
    "batch_sort": choices("ascending", "descending"),
    "batch_max": integer(-1, -1, 50),
}
SAMPLE = {
    "steps": integer(20, 1, 10000),
    "cfg": real(7.0, 0.0, 100.0),
    "sampler_name": choices(*SAMPLERS),
    "scheduler": choices(*SCHEDULERS),
}
CONDITIONED = {"positive": link("CONDITIONING"), "negative": link("CONDITIONING"), "latent_image": link("LATENT")}
STACKS = {"lora_stack": link("LORA_STACK"), "cnet_stack": link("CONTROL_NET_STACK")}
SCRIPT = {"script": link("SCRIPT")}
VAE_SCRIPT = {"optional_vae": link("VAE"), **SCRIPT}
DECODE = ("true", "true (tiled)", "false")
OUTPUT_ONLY = ("output only", "output only (tiled)")
PAIR = ["CONDITIONING+", "CONDITIONING-"]

REQUIRED: dict[str, dict[str, Any]] = {
    "Efficient Loader": {
        "ckpt_name": files("checkpoints"),
        "vae_name": files("vae", "Baked VAE"),
        "clip_skip": integer(-1, -24, -1, 1),
        "lora_name": files("loras", "None"),
        "lora_model_strength": LORA,
        "lora_clip_strength": LORA,
        **PROMPTS,
        "empty_latent_width": integer(512, 64, MAX, 64),
        "empty_latent_height": integer(512, 64, MAX, 64),
        "batch_size": integer(1, 1, 262144),
    },
    "Eff. Loader SDXL": {
        "base_ckpt_name": files("checkpoints"),
        "base_clip_skip": integer(-2, -24, -1, 1),
        "refiner_ckpt_name": files("checkpoints", "None"),
        "refiner_clip_skip": integer(-2, -24, -1, 1),
        "positive_ascore": real(6.0, *SCORE),
        "negative_ascore": real(2.0, *SCORE),
        "vae_name": files("vae", "Baked VAE"),
        **PROMPTS,
        "empty_latent_width": integer(1024, 64, MAX, 64),
        "empty_latent_height": integer(1024, 64, MAX, 64),
        "batch_size": integer(1, 1, 64),
    },
    "LoRA Stacker": {
        "input_mode": choices("simple", "advanced"),
        "lora_count": COUNT,
        **numbered(50, lora_name=files("loras", "None"), lora_wt=LORA, model_str=LORA, clip_str=LORA),
    },
    "Control Net Stacker": {
        "control_net": link("CONTROL_NET"),
        "image": link("IMAGE"),
        "strength": STRENGTH,
        "start_percent": PERCENT_0,
        "end_percent": PERCENT_1,
    },
    "Apply ControlNet Stack": {"positive": link("CONDITIONING"), "negative": link("CONDITIONING")},
    "Unpack SDXL Tuple": {"sdxl_tuple": link("SDXL_TUPLE")},
    "Pack SDXL Tuple": {
        f"{part}_{name}": link(io_type)
        for part in ("base", "refiner")
        for name, io_type in (
            ("model", "MODEL"),
            ("clip", "CLIP"),
            ("positive", "CONDITIONING"),
            ("negative", "CONDITIONING"),
        )
    },
    "LoRA Stack to String converter": {"lora_stack": link("LORA_STACK")},
    "KSampler (Efficient)": {
        "model": link("MODEL"),
        "seed": integer(0, 0, SEED),
        **SAMPLE,
        **CONDITIONED,
        "denoise": real(1.0, 0.0, 1.0, 0.01),
        "preview_method": choices("auto", "latent2rgb", "taesd", "vae_decoded_only", "none"),
        "vae_decode": choices(*DECODE),
    },
    "KSampler Adv. (Efficient)": {
        "model": link("MODEL"),
        "add_noise": choices("enable", "disable"),
        "noise_seed": integer(0, 0, SEED),
        **SAMPLE,
        **CONDITIONED,
        "start_at_step": integer(0, 0, 10000),
        "end_at_step": integer(10000, 0, 10000),
        "return_with_leftover_noise": choices("disable", "enable"),
        "preview_method": choices("auto", "latent2rgb", "taesd", "none"),
        "vae_decode": choices(*DECODE, *OUTPUT_ONLY),
    },
    "KSampler SDXL (Eff.)": {
        "sdxl_tuple": link("SDXL_TUPLE"),
        "noise_seed": integer(0, 0, SEED),
        **SAMPLE,
        "latent_image": link("LATENT"),
        "start_at_step": integer(0, 0, 10000),
        "refine_at_step": integer(-1, -1, 10000),
        "preview_method": choices("auto", "latent2rgb", "taesd", "none"),
        "vae_decode": choices(*DECODE, *OUTPUT_ONLY),
    },
    "HighRes-Fix Script": {
        "upscale_type": choices("latent", "pixel", "both"),
        "hires_ckpt_name": files("checkpoints", "(use same)"),
        "latent_upscaler": choices(
            "nearest-exact", "bilinear", "area", "bicubic", "bislerp",
            "city96.v1", "city96.xl", "ttl_nn.SDXL", "ttl_nn.SD 1.x",
        ),
        "pixel_upscaler": files("upscale_models"),
        "upscale_by": UPSCALE,
        "use_same_seed": boolean(True),
        "seed": integer(0, 0, SEED),
        "hires_steps": integer(12, 1, 10000),
        "denoise": real(0.56, 0.0, 1.0, 0.01),
        "iterations": integer(1, 0, 5),
        "use_controlnet": choices("_", False, True),  # saves hold either, with or without comfyui_controlnet_aux
        "control_net_name": files("controlnet"),
        "strength": STRENGTH,
        "preprocessor": {"choices": None},  # the list is that pack's
        "preprocessor_imgs": boolean(False),
    },
    "Noise Control Script": {
        "rng_source": choices("cpu", "gpu", "nv"),
        "cfg_denoiser": boolean(False),
        "add_seed_noise": boolean(False),
        "seed": integer(0, 0, SEED),
        "weight": real(0.015, 0.0, 1.0, 0.001),
    },
    "Tiled Upscaler Script": {
        "upscale_by": UPSCALE,
        "tile_size": integer(512, 256, MAX, 64),
        "tiling_strategy": choices("random", "random strict", "padded", "simple", "none"),
        "tiling_steps": integer(30, 1, 10000),
        "seed": integer(0, 0, SEED),
        "denoise": real(0.4, 0.0, 1.0, 0.01),
        "use_controlnet": boolean(False),
        "tile_controlnet": files("controlnet"),
        "strength": STRENGTH,
    },
    "XY Plot": {
        "grid_spacing": integer(0, 0, 500, 5),
        "XY_flip": choices("False", "True"),
        "Y_label_orientation": choices("Horizontal", "Vertical"),
        "cache_models": choices("True", "False"),
        "ksampler_output_image": choices("Images", "Plot"),
    },
    "XY Input: Seeds++ Batch": {"batch_count": COUNT},
    "XY Input: Add/Return Noise": {"XY_type": choices("add_noise", "return_with_leftover_noise")},
    "XY Input: Steps": {
        "target_parameter": choices("steps", "start_at_step", "end_at_step", "refine_at_step"),
        "batch_count": COUNT,
        "first_step": integer(10, 1, 10000),
        "last_step": integer(20, 1, 10000),
        "first_start_step": integer(0, 0, 10000),
        "last_start_step": integer(10, 0, 10000),
        "first_end_step": integer(10, 0, 10000),
        "last_end_step": integer(20, 0, 10000),
        "first_refine_step": integer(10, 0, 10000),
        "last_refine_step": integer(20, 0, 10000),
    },
    "XY Input: CFG Scale": {
        "batch_count": COUNT,
        "first_cfg": real(7.0, 0.0, 100.0),
        "last_cfg": real(9.0, 0.0, 100.0),
    },
    "XY Input: Sampler/Scheduler": {
        "target_parameter": choices("sampler", "scheduler", "sampler & scheduler"),
        "input_count": COUNT,
        **numbered(50, sampler=choices("None", *SAMPLERS), scheduler=choices("None", *SCHEDULERS)),
    },
    "XY Input: Denoise": {
        "batch_count": COUNT,
        "first_denoise": real(0.0, 0.0, 1.0, 0.01),
        "last_denoise": real(1.0, 0.0, 1.0, 0.01),
    },
    "XY Input: VAE": {
        "input_mode": choices("VAE Names", "VAE Batch"),
        **BATCH,
        "vae_count": COUNT,
        **numbered(50, vae_name=files("vae", "None", "Baked VAE")),
    },
    "XY Input: Prompt S/R": {
        "target_prompt": choices("positive", "negative"),
        "search_txt": text(),
        "replace_count": integer(3, 0, 49),
        **numbered(49, replace=text()),
    },
    "XY Input: Aesthetic Score": {
        "target_ascore": choices("positive", "negative"),
        "batch_count": COUNT,
        "first_ascore": real(0.0, *SCORE),
        "last_ascore": real(10.0, *SCORE),
    },
    "XY Input: Refiner On/Off": {"refine_at_percent": real(0.8, 0.0, 1.0, 0.01)},
    "XY Input: Checkpoint": {
        "target_ckpt": choices("Base", "Refiner"),
        "input_mode": choices("Ckpt Names", "Ckpt Names+ClipSkip", "Ckpt Names+ClipSkip+VAE", "Checkpoint Batch"),
        **BATCH,
        "ckpt_count": COUNT,
        **numbered(
            50,
            ckpt_name=files("checkpoints", "None"),
            clip_skip=integer(-1, -24, -1),
            vae_name=files("vae", "Baked VAE"),
        ),
    },
    "XY Input: Clip Skip": {
        "target_ckpt": choices("Base", "Refiner"),
        "batch_count": COUNT,
        "first_clip_skip": integer(-1, -24, -1),
        "last_clip_skip": integer(-3, -24, -1),
    },
    "XY Input: LoRA": {
        "input_mode": choices("LoRA Names", "LoRA Names+Weights", "LoRA Batch"),
        **BATCH,
        "lora_count": COUNT,
        "model_strength": LORA,
        "clip_strength": LORA,
        **numbered(50, lora_name=files("loras", "None"), model_str=LORA, clip_str=LORA),
    },
    "XY Input: LoRA Plot": {
        "input_mode": choices(
            "X: LoRA Batch, Y: LoRA Weight",
            "X: LoRA Batch, Y: Model Strength",
            "X: LoRA Batch, Y: Clip Strength",
            "X: Model Strength, Y: Clip Strength",
        ),
        "lora_name": files("loras", "None"),
        "model_strength": LORA,
        "clip_strength": LORA,
        "X_batch_count": COUNT,
        "X_batch_path": text("/example_folder"),
        "X_subdirectories": boolean(False),
        "X_batch_sort": choices("ascending", "descending"),
        "X_first_value": real(0.0, -10.0, 10.0),
        "X_last_value": real(1.0, -10.0, 10.0),
        "Y_batch_count": COUNT,
        "Y_first_value": real(0.0, -10.0, 10.0),
        "Y_last_value": real(1.0, -10.0, 10.0),
    },
    "XY Input: LoRA Stacks": {"node_state": choices("Enabled")},
    "XY Input: Control Net": {
        "control_net": link("CONTROL_NET"),
        "image": link("IMAGE"),
        "target_parameter": choices("strength", "start_percent", "end_percent"),
        "batch_count": COUNT,
        "first_strength": real(0.0, 0.0, 10.0),
        "last_strength": real(1.0, 0.0, 10.0),
        "first_start_percent": real(0.0, 0.0, 1.0),
        "last_start_percent": real(1.0, 0.0, 1.0),
        "first_end_percent": real(0.0, 0.0, 1.0),
        "last_end_percent": real(1.0, 0.0, 1.0),
        "strength": real(1.0, 0.0, 10.0),
        "start_percent": PERCENT_0,
        "end_percent": PERCENT_1,
    },
    "XY Input: Control Net Plot": {
        "control_net": link("CONTROL_NET"),
        "image": link("IMAGE"),
        "plot_type": choices(
            "X: Strength, Y: Start%",
            "X: Strength, Y: End%",
            "X: Start%, Y: Strength",
            "X: Start%, Y: End%",
            "X: End%, Y: Strength",
            "X: End%, Y: Start%",
        ),
        "strength": real(1.0, 0.0, 1.0),
        "start_percent": PERCENT_0,
        "end_percent": PERCENT_1,
        "X_batch_count": COUNT,
        "X_first_value": real(0.0, 0.0, 10.0),
        "X_last_value": real(1.0, 0.0, 10.0),
        "Y_batch_count": COUNT,
        "Y_first_value": real(0.0, 0.0, 10.0),
        "Y_last_value": real(1.0, 0.0, 10.0),
    },
    "XY Input: Manual XY Entry": {
        "plot_type": choices(
            "Nothing", "Seeds++ Batch", "Steps", "StartStep", "EndStep", "CFG Scale", "Sampler", "Scheduler",
            "Denoise", "VAE", "Positive Prompt S/R", "Negative Prompt S/R", "Checkpoint", "Clip Skip", "LoRA",
        ),
        "plot_value": text(multiline=True),
    },
    "Manual XY Entry Info": {"notes": text(multiline=True)},
    "Join XY Inputs of Same Type": {"XY_1": link("XY"), "XY_2": link("XY")},
    "Image Overlay": {
        "base_image": link("IMAGE"),
        "overlay_image": link("IMAGE"),
        "overlay_resize": choices("None", "Fit", "Resize by rescale_factor", "Resize to width & heigth"),
        "resize_method": choices("nearest-exact", "bilinear", "area"),
        "rescale_factor": real(1.0, 0.01, 16.0),
        "width": integer(512, 0, MAX),
        "height": integer(512, 0, MAX),
        "x_offset": integer(0, -48000, 48000),
        "y_offset": integer(0, -48000, 48000),
        "rotation": integer(0, -180, 180),
        "opacity": real(0.0, 0.0, 100.0),
    },
    "Evaluate Integers": {"python_expression": text(), "print_to_console": choices("False", "True")},
    "Evaluate Floats": {"python_expression": text(), "print_to_console": choices("False", "True")},
    "Evaluate Strings": {"python_expression": text(), "print_to_console": choices("False", "True")},
}  # fmt: skip

OPTIONAL: dict[str, dict[str, Any]] = {
    "Efficient Loader": STACKS,
    "Eff. Loader SDXL": STACKS,
    "LoRA Stacker": {"lora_stack": link("LORA_STACK")},
    "Control Net Stacker": {"cnet_stack": link("CONTROL_NET_STACK")},
    "Apply ControlNet Stack": {"cnet_stack": link("CONTROL_NET_STACK")},
    "KSampler (Efficient)": VAE_SCRIPT,
    "KSampler Adv. (Efficient)": VAE_SCRIPT,
    "KSampler SDXL (Eff.)": VAE_SCRIPT,
    "HighRes-Fix Script": SCRIPT,
    "Noise Control Script": SCRIPT,
    "Tiled Upscaler Script": SCRIPT,
    "XY Plot": {"dependencies": link("DEPENDENCIES"), "X": link("XY"), "Y": link("XY")},
    "XY Input: LoRA": {"lora_stack": link("LORA_STACK")},
    "XY Input: LoRA Plot": {"lora_stack": link("LORA_STACK")},
    "XY Input: LoRA Stacks": {f"lora_stack_{i}": link("LORA_STACK") for i in range(1, 6)},
    "XY Input: Control Net": {"cnet_stack": link("CONTROL_NET_STACK")},
    "XY Input: Control Net Plot": {"cnet_stack": link("CONTROL_NET_STACK")},
    "Image Overlay": {"optional_mask": link("MASK")},
}
# What a, b and c are is not in the tables: they stand in the workflows of the goldens.
FREE = dict.fromkeys(("Evaluate Integers", "Evaluate Floats", "Evaluate Strings"), ("a", "b", "c"))

SIX = ["MODEL", "CONDITIONING", "CONDITIONING", "LATENT", "VAE", "IMAGE"]
OUTPUTS: dict[str, list[str]] = {
    "Efficient Loader": ["MODEL", "CONDITIONING", "CONDITIONING", "LATENT", "VAE", "CLIP", "DEPENDENCIES"],
    "Eff. Loader SDXL": ["SDXL_TUPLE", "LATENT", "VAE", "DEPENDENCIES"],
    "LoRA Stacker": ["LORA_STACK"],
    "Control Net Stacker": ["CONTROL_NET_STACK"],
    "Apply ControlNet Stack": ["CONDITIONING", "CONDITIONING"],
    "Unpack SDXL Tuple": ["MODEL", "CLIP", "CONDITIONING", "CONDITIONING"] * 2,
    "Pack SDXL Tuple": ["SDXL_TUPLE"],
    "LoRA Stack to String converter": ["STRING"],
    "KSampler (Efficient)": SIX,
    "KSampler Adv. (Efficient)": SIX,
    "KSampler SDXL (Eff.)": ["SDXL_TUPLE", "LATENT", "VAE", "IMAGE"],
    "HighRes-Fix Script": ["SCRIPT"],
    "Noise Control Script": ["SCRIPT"],
    "Tiled Upscaler Script": ["SCRIPT"],
    "XY Plot": ["SCRIPT"],
    "XY Input: LoRA Plot": ["XY", "XY"],
    "XY Input: Control Net Plot": ["XY", "XY"],
    "Manual XY Entry Info": [],
    "Image Overlay": ["IMAGE"],
    "Evaluate Integers": ["INT", "FLOAT", "STRING"],
    "Evaluate Floats": ["INT", "FLOAT", "STRING"],
    "Evaluate Strings": ["STRING"],
}
NAMES: dict[str, dict[int, str]] = {
    "Efficient Loader": {1: PAIR[0], 2: PAIR[1], 6: "DEPENDENCIES"},
    "Control Net Stacker": {0: "CNET_STACK"},
    "Apply ControlNet Stack": dict(enumerate(PAIR)),
    "KSampler (Efficient)": {1: PAIR[0], 2: PAIR[1]},
    "KSampler Adv. (Efficient)": {1: PAIR[0], 2: PAIR[1]},
    "XY Input: LoRA Plot": {0: "X", 1: "Y"},
    "XY Input: Control Net Plot": {0: "X", 1: "Y"},
}
OUTPUT_NODES = {
    "KSampler (Efficient)", "KSampler Adv. (Efficient)", "KSampler SDXL (Eff.)",
    "Evaluate Integers", "Evaluate Floats", "Evaluate Strings",
}  # fmt: skip


def told(socket: Socket, wanted: dict[str, Any]) -> dict[str, Any]:
    """What the socket says of the things that the table tells."""
    if isinstance(socket, Files):
        return {"folder": socket.folder, "extra": socket.extra_choices}
    if isinstance(socket, Combo):
        return {"choices": socket.choices}
    return {"type": socket.io_type, **{name: socket.options.get(name) for name in wanted if name != "type"}}


@pytest.mark.parametrize("class_type", REQUIRED)
def test_inputs_as_tabulated(class_type: str) -> None:
    schema = REGISTRY[class_type]
    tables = {"required": REQUIRED[class_type], "optional": OPTIONAL.get(class_type, {})}
    for section, table in tables.items():
        ours = {spec.name: spec.socket for spec in schema.inputs if spec.section == section}
        free = FREE.get(class_type, ())
        assert [name for name in ours if name not in free] == list(table)
        assert {name: told(ours[name], wanted) for name, wanted in table.items()} == table


@pytest.mark.parametrize("class_type", REQUIRED)
def test_outputs_as_tabulated(class_type: str) -> None:
    schema = REGISTRY[class_type]
    assert [output.io_type for output in schema.outputs] == OUTPUTS.get(class_type, ["XY"])
    names = {slot: schema.outputs[slot].name for slot in NAMES.get(class_type, {})}
    assert names == NAMES.get(class_type, {})
    assert schema.output_node == (class_type in OUTPUT_NODES)


def test_the_tables_have_every_class_of_the_family() -> None:
    family = {name for name in REGISTRY if REGISTRY[name].category.startswith("Efficiency Nodes")}
    assert family == set(REQUIRED)


def test_the_loaders_are_in_their_category() -> None:
    assert {REGISTRY[name].category for name in ("Efficient Loader", "Eff. Loader SDXL")} == {
        "Efficiency Nodes/Loaders"
    }
