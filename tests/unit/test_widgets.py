from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.formats.legacy import migrate
from weft.engine.formats.widgets import MISSING, Saved, default_of, fed, hold, plain, slots
from weft.engine.schema.frontend import Handling
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.sockets import Socket, socket_from
from weft.nodes.frontend import FRONTEND

SAMPLER: dict[str, Any] = {
    "model": ["MODEL"],
    "seed": ["INT", {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True}],
    "steps": ["INT", {"default": 20}],
    "sampler_name": [["euler", "heun"]],
    "denoise": ["FLOAT", {"default": 1.0}],
}


def define(required: dict[str, Any], optional: dict[str, Any] | None = None, name: str = "X") -> NodeSchema:
    return NodeSchema.from_object_info(
        name, {"input": {"required": required, "optional": optional or {}}, "output": []}
    )


def roles(required: dict[str, Any], optional: dict[str, Any] | None = None) -> list[str]:
    layout = slots(define(required, optional).by_name.values())
    return [slot.spec.name if slot.role == "value" else slot.role for slot in layout]


def values(required: dict[str, Any], saved: Any, optional: dict[str, Any] | None = None) -> dict[str, Any]:
    schema = define(required, optional)
    return hold(schema, slots(schema.by_name.values()), Saved(saved)).values


def test_which_inputs_are_widgets() -> None:
    inputs = {
        "a": ["INT"], "b": ["FLOAT"], "c": ["STRING"], "d": ["BOOLEAN"], "e": ["COMBO", {"options": ["x"]}],
        "f": [["x"]], "g": ["MODEL"], "h": ["*"], "i": ["INT,FLOAT"], "j": ["INT", {"forceInput": True}],
        "k": ["INT", {"defaultInput": True}],
    }  # fmt: skip
    assert roles(inputs) == ["a", "b", "c", "d", "e", "f", "k"]


def test_optional_widgets_come_last() -> None:
    assert roles({"z": ["INT"]}, {"a": ["INT"]}) == ["z", "a"]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"seed": ["INT", {}]}, ["seed", "control"]),
        ({"noise_seed": ["INT"], "n": ["INT"]}, ["noise_seed", "control", "n"]),
        ({"value": ["INT", {"control_after_generate": True}]}, ["value", "control"]),
        ({"seed": ["INT", {"control_after_generate": False}]}, ["seed"]),
        ({"seed": ["FLOAT"]}, ["seed"]),
        ({"c": [["x"], {"control_after_generate": True}], "n": ["INT"]}, ["c", "control", "filter", "n"]),
        ({"image": [["x"], {"image_upload": True}], "n": ["INT"]}, ["image", "n", "upload"]),
        ({"file": ["COMBO", {"video_upload": True}]}, ["file", "upload"]),
        ({"audio": [[], {"audio_upload": True}]}, ["audio"]),
    ],
)
def test_extra_slots(inputs: dict[str, Any], expected: list[str]) -> None:
    assert roles(inputs) == expected


def test_no_upload_button_for_an_optional_combo() -> None:
    assert roles({}, {"image": [["x"], {"image_upload": True}]}) == ["image"]


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ([7, "fixed", 9, "heun", 0.5], (7, 9, "heun", 0.5)),
        ([7, True, 9, "heun", 0.5], (7, 9, "heun", 0.5)),
        ([7, None, 9, "heun", 0.5], (7, 9, "heun", 0.5)),
        ([7, 9, "heun", 0.5], (7, "heun", 0.5, 1)),  # no slot after the seed: all shifts, as in the editor
        ([7], (7, 20, "euler", 1)),
        ([], (0, 20, "euler", 1)),
        (None, (0, 20, "euler", 1)),
        ([7, "fixed", 9, "heun", 0.5, "surplus", 3], (7, 9, "heun", 0.5)),
        (["7", "fixed", -9, "gone", None], ("7", -9, "gone", None)),  # nothing is checked
        ([7, "fixed", 9, None, 0.5], (7, 9, "euler", 0.5)),  # null is no choice
        ({"seed": 3, "denoise": 0.25, "videopreview": {}}, (3, 20, "euler", 0.25)),
    ],
)
def test_values(saved: Any, expected: tuple[Any, ...]) -> None:
    assert tuple(values(SAMPLER, saved).values()) == expected


def test_where_values_stand() -> None:
    schema = define(SAMPLER)
    layout = slots(schema.by_name.values())
    held = hold(schema, layout, Saved([7, "increment", 9]))
    assert held.places == {"seed": 0, "steps": 2}
    assert held.controls == {"seed": "increment"}
    by_name = Saved({"seed": 1, "control_after_generate": "fixed"})
    assert hold(schema, layout, by_name).controls == {"seed": "fixed"}
    assert hold(schema, layout, Saved([7])).controls == {}


@pytest.mark.parametrize(
    ("declared", "default"),
    [
        (["INT"], 0),
        (["INT", {"default": 4}], 4),
        (["FLOAT"], 0),
        (["STRING"], ""),
        (["BOOLEAN"], False),
        ([["a", "b"]], "a"),
        ([["a", "b"], {"default": "b"}], "b"),
        (["COMBO", {"options": ["c"]}], "c"),
        ([[]], MISSING),
        (["COMBO", {"remote": {"route": "/x"}}], MISSING),
    ],
)
def test_defaults(declared: list[Any], default: Any) -> None:
    assert default_of(socket_from(declared[0], declared[1] if len(declared) > 1 else {})) == default


def test_an_empty_list_of_choices_gives_no_value() -> None:
    assert values({"name": [[]], "n": ["INT"]}, None) == {"n": 0}
    assert values({"name": [[]], "n": ["INT"]}, ["saved.ckpt", 2]) == {"name": "saved.ckpt", "n": 2}


FORCED = {"prefix": ["STRING"], "steps": ["INT", {"forceInput": True}], "rate": ["FLOAT"]}


@pytest.mark.parametrize("saved", [["p", 17, 0.5], ["p", 0.5]])
def test_values_that_old_frontends_wrote_for_force_input_go(saved: list[Any]) -> None:
    assert values(FORCED, saved) == {"prefix": "p", "rate": 0.5}


def test_a_forced_seed_had_two_entries() -> None:
    inputs = {"seed": ["INT", {"forceInput": True}], "n": ["INT"]}
    assert values(inputs, [5, "fixed", 8]) == {"n": 8}
    assert values(inputs, [8]) == {"n": 8}


@pytest.mark.parametrize(
    ("io_type", "options", "value", "result"),
    [
        ("INT", {"min": 16, "step": 8}, 517, 520),
        ("INT", {"min": 1, "step": 2}, 4, 5),  # half rounds up, from the range's start
        ("INT", {}, 2.6, 3),
        ("INT", {}, -2.5, -2),
        ("INT", {"min": 0, "max": 9}, 99, 99),  # not clamped
        ("INT", {"min": 0, "max": 2**64 - 1}, 2**64 - 1, 2**64 - 1),
        ("INT", {"min": -(2**63) + 1}, 2**60 + 1, 2**60 + 1),
        ("INT", {"step": 0.5}, 1.3, 1.5),
        ("INT", {}, True, 1),
        ("INT", {}, "12", 12),
        ("INT", {}, "x", "x"),
        ("INT", {}, "", ""),
        ("FLOAT", {"step": 0.1, "round": 0.01}, 6.987654, 7),
        ("FLOAT", {"step": 0.01, "min": 0, "max": 1}, 0.123456789, 0.12),
        ("FLOAT", {"step": 0.01, "max": 1.0}, 99, 1),
        ("FLOAT", {"step": 0.01, "min": 0.5}, -99, 0.5),
        ("FLOAT", {"step": 5}, 7.6, 8),
        ("FLOAT", {"step": 0.01, "round": False}, 0.12345, 0.12345),
        ("FLOAT", {}, 0.26, 0.3),
        ("FLOAT", {"step": 1e-300}, 0.26, 0.26),
        ("STRING", {}, "text", "text"),
        ("STRING", {}, 4.0, 4),
        ("BOOLEAN", {}, False, False),
    ],
)
def test_what_a_primitive_writes_is_rounded(io_type: str, options: dict[str, Any], value: Any, result: Any) -> None:
    written = fed(socket_from(io_type, options), value)
    assert written == result
    assert type(written) is type(result)


@given(
    st.sampled_from(["INT", "FLOAT"]),
    st.one_of(st.integers(), st.floats(), st.text(max_size=6), st.none(), st.booleans()),
    st.fixed_dictionaries(
        {}, optional={name: st.one_of(st.integers(), st.floats()) for name in ("min", "max", "step", "round")}
    ),
)
def test_anything_can_be_fed(io_type: str, value: Any, options: dict[str, Any]) -> None:
    socket: Socket = socket_from(io_type, options)
    fed(socket, value)


def test_numbers_as_javascript_writes_them() -> None:
    assert [type(plain(value)) for value in (1.0, -0.0, 1.5, True, "1")] == [int, int, float, bool, str]
    assert plain(float("nan")) is None
    assert plain(2**64 - 1) == 2**64 - 1


# Saves of the Efficiency pack


def efficient(name: str, saved: list[Any]) -> dict[str, Any]:
    schedulers = [["normal", "karras"]]
    sampler = {
        "seed": ["INT", {"default": 0}],
        "steps": ["INT", {"default": 20}],
        "cfg": ["FLOAT", {"default": 7.0}],
        "sampler_name": [["euler", "heun"]],
        "scheduler": schedulers,
    }
    tail = {"preview_method": [["auto", "none"]], "vae_decode": [["true", "true (tiled)", "false"]]}
    end = {"start_at_step": ["INT"], "end_at_step": ["INT"], "return_with_leftover_noise": [["disable", "enable"]]}
    advanced = {
        "add_noise": [["enable", "disable"]],
        "noise_seed": ["INT"],
        **{k: sampler[k] for k in list(sampler)[1:]},
    }
    hires = {
        "upscale_type": [["latent", "pixel", "both"]], "hires_ckpt_name": [["(use same)"]],
        "latent_upscaler": [["nearest-exact", "city96.v1"]], "pixel_upscaler": [["p.pth"]],
        "upscale_by": ["FLOAT", {"default": 1.25}],
        "use_same_seed": ["BOOLEAN", {"default": True}], "seed": ["INT"], "hires_steps": ["INT", {"default": 12}],
        "denoise": ["FLOAT", {"default": 0.56}], "iterations": ["INT", {"default": 1}],
    }  # fmt: skip
    loader = {
        "ckpt_name": [[]], "positive": ["STRING"], "negative": ["STRING"], "token_normalization": [["none", "mean"]],
        "weight_interpretation": [["comfy", "A1111"]], "empty_latent_width": ["INT"], "batch_size": ["INT"],
    }  # fmt: skip
    stacker: dict[str, Any] = {"input_mode": [["simple", "advanced"]], "lora_count": ["INT"]}
    for i in range(1, 51):
        stacker |= {
            f"lora_name_{i}": [["None"]],
            f"lora_wt_{i}": ["FLOAT"],
            f"model_str_{i}": ["FLOAT"],
            f"clip_str_{i}": ["FLOAT"],
        }
    classes = {
        "KSampler (Efficient)": {**sampler, "denoise": ["FLOAT", {"default": 1.0}], **tail},
        "KSampler Adv. (Efficient)": {**advanced, **end, **tail},
        "HighRes-Fix Script": hires,
        "Efficient Loader": loader,
        "LoRA Stacker": stacker,
    }
    schema = define(classes[name], name=name)
    layout = slots(schema.by_name.values())
    return hold(schema, layout, Saved(migrate(FRONTEND.classes.get(name, Handling()), layout, saved))).values


NEW = [5, None, 30, 6.5, "heun", "karras", 0.75, "none", "false"]


@pytest.mark.parametrize("after_seed", [[None], ["randomize"], [True], []], ids=["null", "word", "boolean", "absent"])
def test_the_slot_after_an_efficient_seed(after_seed: list[Any]) -> None:
    assert list(efficient("KSampler (Efficient)", [5, *after_seed, *NEW[2:]]).values()) == [NEW[0], *NEW[2:]]


def test_efficient_samplers_of_1_x_began_with_their_state() -> None:
    new = [5, 30, 6.5, "heun", "karras", 0.75, "auto", "true"]
    assert list(efficient("KSampler (Efficient)", ["Sample", *NEW[:7], "Enabled"]).values()) == new
    assert list(efficient("KSampler (Efficient)", ["Hold", *NEW[:7]]).values()) == new
    old = ["Script", "enable", 5, None, 30, 6.5, "heun", "karras", 2, 9, "disable", "Disabled"]
    saved = efficient("KSampler Adv. (Efficient)", old)
    assert list(saved.values()) == ["enable", 5, 30, 6.5, "heun", "karras", 2, 9, "disable", "auto", "true"]


def test_a_trailing_video_address_is_ignored() -> None:
    assert efficient("KSampler (Efficient)", [*NEW, "http://example.org/v.mp4"])["vae_decode"] == "false"


def test_efficient_loaders_gained_two_widgets() -> None:
    new = ["m.ckpt", "p", "n", "mean", "A1111", 512, 1]
    assert list(efficient("Efficient Loader", new).values()) == new
    old = list(efficient("Efficient Loader", ["m.ckpt", "p", "n", 512, 1]).values())
    assert old == ["m.ckpt", "p", "n", "none", "comfy", 512, 1]


def test_hires_fix_of_1_x() -> None:
    saved = efficient("HighRes-Fix Script", ["SD-Latent-Upscaler.v1", 1.5, 9, 0.4, 2])
    assert saved["upscale_type"] == "latent"
    assert saved["latent_upscaler"] == "city96.v1"
    assert (saved["upscale_by"], saved["hires_steps"], saved["denoise"], saved["iterations"]) == (1.5, 9, 0.4, 2)
    new = ["both", "(use same)", "nearest-exact", "p.pth", 1.5, False, 7, None, 9, 0.4, 2]
    assert list(efficient("HighRes-Fix Script", new).values()) == [value for value in new if value is not None]


def test_a_lora_stacker_holds_202_widgets() -> None:
    saved: list[Any] = ["advanced", 1]
    for i in range(50):
        saved += [f"lora{i}", i, i / 2, i / 4]
    held = efficient("LoRA Stacker", saved)
    assert len(held) == 202
    assert (held["lora_name_50"], held["lora_wt_50"], held["clip_str_50"]) == ("lora49", 49, 12.25)
