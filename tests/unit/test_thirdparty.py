"""Substitutes for small nodes of common packs: their values, their saves, and that a pack's own class comes first."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import weft
from weft.engine.links import Link
from weft.engine.planning.lowering import lower
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Prompt

REGISTRY = Registry.discover()


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def run(prompt: Any, *targets: str, **options: Any) -> Any:
    return weft.run(prompt, targets=targets, device="cpu", **options)


def call(class_type: str, **inputs: Any) -> tuple[Any, ...]:
    """What a class gives for these inputs, without a run."""
    node = REGISTRY.runnable(class_type)
    injected = {name: SimpleNamespace(warn=pytest.fail) for name in node.injected}
    result = node.call(**{**injected, **inputs})
    return tuple(result["result"]) if isinstance(result, dict) else tuple(result)


CONTEXT = {"model": "m", "seed": 7, "clip": None}
APPEND, REPLACE = ({"action": action, "tidy_tags": "no"} for action in ("append", "replace"))
VALUES: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    ("Any Switch (rgthree)", {"any_02": 3, "any_03": 4}, (3,)),
    ("Any Switch (rgthree)", {"any_01": {"model": None}, "any_12": 5, "any_07": 6}, (6,)),
    ("Any Switch (rgthree)", {}, (None,)),
    ("KSampler Config (rgthree)",
     {"steps_total": 9, "refiner_step": 5, "cfg": 2.0, "sampler_name": "a", "scheduler": "b"},
     (9, 5, 2.0, "a", "b")),
    ("Context (rgthree)", {"base_ctx": CONTEXT, "clip": "c"},
     ({"model": "m", "seed": 7, "clip": "c"}, "m", "c", None, None, None, None, None, 7)),
    ("Context Switch (rgthree)", {"ctx_01": {}, "ctx_02": {"model": None}, "ctx_03": {"vae": "v"}},
     ({"vae": "v"}, None, None, "v", None, None, None, None, None)),
    ("Context Merge (rgthree)", {"ctx_01": {"model": 1, "vae": 2}, "ctx_02": {"model": 3, "vae": None}},
     ({"model": 3, "vae": 2}, 3, None, 2, None, None, None, None, None)),
    ("ShowText|pysssss", {"text": ["a", "b"], "text_0": "what it showed last"}, (["a", "b"],)),
    ("MathExpression|pysssss", {"expression": "a * b + 1", "a": 8, "b": 2.5}, (21, 21.0)),
    ("MathExpression|pysssss", {"expression": "round(sqrt(a.width * b.height) / 2) * 2", "a": torch.zeros(1, 4, 9, 3),
                                "b": {"samples": torch.zeros(1, 4, 2, 3)}}, (12, 12.0)),
    ("MathExpression|pysssss", {"expression": "-a / 2", "a": 3}, (-1, -1.5)),
    ("MathExpression|pysssss", {"expression": "a or\n 0", "a": 3}, (1, 1.0)),
    ("MathExpression|pysssss", {"expression": "iif(a > 2 and not a > 3, 10, 20) + 1", "a": 3}, (11, 11.0)),
    ("StringFunction|pysssss", APPEND | {"tidy_tags": "yes", "text_a": "a,", "text_c": "b"}, ("a, b",)),
    ("StringFunction|pysssss", APPEND | {"text_a": "a", "text_b": "b"}, ("ab",)),
    ("StringFunction|pysssss", REPLACE | {"text_a": "a.b", "text_b": ".", "text_c": "-"}, ("a-b",)),
    ("StringFunction|pysssss", REPLACE | {"text_a": "a1b22", "text_b": r"/\d+/"}, ("ab",)),
    ("PlaySound|pysssss", {"any": 5, "mode": "always", "volume": 0.5, "file": "x"}, (5,)),
    ("ToBasicPipe", {"model": 1, "vae": 3}, ((1, None, 3, None, None),)),
    ("FromBasicPipe", {"basic_pipe": (1, 2, 3, 4, 5)}, (1, 2, 3, 4, 5)),
    ("FromBasicPipe_v2", {"basic_pipe": (1, 2, 3, 4, 5)}, ((1, 2, 3, 4, 5), 1, 2, 3, 4, 5)),
    ("EditBasicPipe", {"basic_pipe": (1, 2, 3, 4, 5), "clip": 9}, ((1, 9, 3, 4, 5),)),
    ("ImpactSwitch", {"select": 2, "sel_mode": False, "input1": "a", "input2": "b"}, ("b", "input2", 2)),
    ("ImpactSwitch", {"select": 12, "sel_mode": False, "input12": "z"}, ("z", "input12", 12)),
    ("ImpactCompare", {"cmp": "a >= b", "a": 2, "b": 2}, (True,)),
    ("ImpactImageInfo", {"value": torch.zeros(2, 3, 4, 3)}, (2, 3, 4, 3)),
    ("GetImageSize+", {"image": torch.zeros(2, 3, 4, 3)}, (4, 3, 2)),
    ("SimpleMath+", {"value": "a * b", "a": 3, "b": 0.9}, (3, 2.7)),
    ("SimpleMath+", {"value": "2.2"}, (2, 2.2)),
    ("easy int", {"value": 2**40}, (2**40,)),
    ("easy showAnything", {"anything": [1, 2]}, ([1, 2],)),
    ("easy mathInt", {"a": 7, "b": 2, "operation": "divide"}, (3,)),
    ("easy anythingIndexSwitch", {"index": 1, "value1": "b"}, ("b",)),
    ("CR Integer To String", {"int_": 5}, ("5", "")),
    ("CR Float To String", {"float_": 0.5}, ("0.5", "")),
    ("StringConstantMultiline", {"string": " a \n\n b", "strip_newlines": True}, ("a\nb",)),
    ("JoinStrings", {"delimiter": "-", "string1": "a", "string2": "b"}, ("a-b",)),
    ("JoinStringMulti", {"inputcount": 3, "string_1": "a", "string_3": "c", "string_4": "x"}, ("a  c",)),
    ("Concat Text _O", {"text1": "a", "text2": "b", "separator": ","}, ("a,b",)),
    ("JoinStringMulti", {"inputcount": 2, "string_1": "a", "string_2": "b", "return_list": True}, (["a", "b"],)),
    ("PatchModelPatcherOrder", {"model": 1, "patch_order": "x", "full_load": "auto"}, (1,)),
    ("ImpactExecutionOrderController", {"signal": 1, "value": 2}, (1, 2)),
    ("mxSlider", {"Xi": 3, "Xf": 0.5, "isfloatX": 0}, (3,)),
    ("mxSlider", {"Xi": 3, "Xf": 0.5, "isfloatX": 1}, (0.5,)),
    ("mxSlider2D", {"Xi": 3, "Xf": 0.5, "Yi": 4, "Yf": 1.5, "isfloatX": 0, "isfloatY": 1}, (3, 1.5)),
    ("CM_FloatToInt", {"a": -2.9}, (-2,)),
    ("CM_FloatBinaryOperation", {"op": "Pow", "a": 2.0, "b": 0.5}, (2**0.5,)),
    ("CM_IntBinaryOperation", {"op": "FloorDiv", "a": 7, "b": 2}, (3,)),
    ("Text Multiline", {"text": "a\n # left out\nb"}, ("a\nb",)),
    ("Text Concatenate", {"delimiter": "\\n", "clean_whitespace": "true", "text_a": " a ", "text_c": "c"}, ("a\nc",)),
    ("Int", {"Number": "60"}, (60,)),
    ("Float", {"Number": "1.5"}, (1.5,)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("class_type", "inputs", "expected"), VALUES, ids=[f"{each[0]}-{n}" for n, each in enumerate(VALUES)]
)
def test_values(class_type: str, inputs: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert call(class_type, **inputs) == expected


FAILS = [
    (
        "ImpactSwitch",
        {"select": 3, "sel_mode": False, "input1": "a"},
        "select is 3, and nothing comes in by input3; linked",
    ),
    ("easy anythingIndexSwitch", {"index": 2}, "index is 2, and nothing comes in by value2"),
    ("easy mathInt", {"a": 1, "b": 0, "operation": "divide"}, "divide of 1 and 0: division by zero"),
    ("easy mathInt", {"a": 9, "b": 10**9, "operation": "power"}, "is too large to compute"),
    ("CM_FloatBinaryOperation", {"op": "Pow", "a": -2.0, "b": 0.5}, "is no real number"),
    ("MathExpression|pysssss", {"expression": "a + d", "a": 1}, "cannot evaluate 'a \\+ d'"),
    ("MathExpression|pysssss", {"expression": "'x'"}, "gave x, expected a finite number"),
    (
        "StringFunction|pysssss",
        {"action": "replace", "tidy_tags": "no", "text_b": "/(/"},
        "text_b is no regular expression",
    ),
    ("FromBasicPipe", {"basic_pipe": 5}, "expected a pipe of model, clip, vae, positive and negative, got int"),
    (
        "SDXL Empty Latent Image (rgthree)",
        {"dimensions": "square", "clip_scale": 1.0, "batch_size": 1},
        "expected a width",
    ),
    ("Int", {"Number": "x"}, "'x' is no number"),
]


@pytest.mark.parametrize(("class_type", "inputs", "message"), FAILS, ids=[each[0] + each[2][:9] for each in FAILS])
def test_what_cannot_be_done_is_said(class_type: str, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        call(class_type, **inputs)
    assert getattr(caught.value, "plain", False), "its message is all that is shown"


@pytest.mark.parametrize(("text", "size"), [(" 832 x 1216  (portrait)", (832, 1216)), ("64x32", (64, 32))])
def test_sizes_of_sdxl(text: str, size: tuple[int, int]) -> None:
    latent, width, height = call("SDXL Empty Latent Image (rgthree)", dimensions=text, clip_scale=2.0, batch_size=3)
    assert latent["samples"].shape == (3, 4, size[1] // 8, size[0] // 8)
    assert (width, height) == (2 * size[0], 2 * size[1])


RESIZES = [
    ("stretch", "always", (8, 8), 0, (8, 8)),
    ("stretch", "always", (0, 8), 0, (40, 8)),
    ("keep proportion", "always", (10, 10), 0, (10, 5)),
    ("keep proportion", "always", (0, 10), 0, (20, 10)),
    ("keep proportion", "always", (16384, 10), 0, (20, 10)),
    ("fill / crop", "always", (10, 10), 0, (10, 10)),
    ("pad", "always", (10, 10), 0, (10, 10)),
    ("stretch", "downscale if bigger", (80, 80), 0, (40, 20)),
    ("stretch", "upscale if smaller", (20, 10), 0, (40, 20)),
    ("stretch", "if bigger area", (10, 10), 0, (10, 10)),
    ("keep proportion", "always", (30, 30), 8, (24, 8)),
    ("keep proportion", "upscale if smaller", (30, 30), 0, (40, 20)),
    ("fill / crop", "downscale if bigger", (10, 30), 0, (40, 20)),
]


@pytest.mark.parametrize(("method", "condition", "size", "multiple", "expected"), RESIZES)
def test_image_resize(
    method: str, condition: str, size: tuple[int, int], multiple: int, expected: tuple[int, int]
) -> None:
    image = torch.ones(1, 20, 40, 3)
    given = {"interpolation": "nearest", "method": method, "condition": condition, "multiple_of": multiple}
    made, width, height = call("ImageResize+", image=image, width=size[0], height=size[1], **given)
    assert (width, height) == (made.shape[2], made.shape[1]) == expected
    if method == "pad":
        assert made[0, :, 5, 0].tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0, 0], "black above and below"
    else:
        assert bool((made == 1).all())


def test_how_image_resize_interpolates() -> None:
    image = torch.tensor([0.0, 0.25, 0.5, 1.0]).reshape(1, 1, 4, 1).expand(1, 1, 4, 3)
    given = {"method": "stretch", "condition": "always", "multiple_of": 0, "image": image, "height": 1}
    assert call("ImageResize+", interpolation="nearest", width=2, **given)[0][0, 0, :, 0].tolist() == [0, 0.5]
    assert call("ImageResize+", interpolation="nearest-exact", width=2, **given)[0][0, 0, :, 0].tolist() == [0.25, 1]
    made = call("ImageResize+", interpolation="bicubic", width=9, **given)[0]
    assert made.min() == 0 and made.max() == 1, "what goes past the range is cut"


FITS = [
    ("stretch", (10, 7), 0, (10, 7)),
    ("stretch", (0, 10), 2, (40, 10)),
    ("resize", (10, 10), 0, (10, 5)),
    ("resize", (0, 10), 0, (20, 10)),
    ("resize", (30, 30), 4, (28, 12)),
    ("crop", (10, 10), 0, (10, 10)),
    ("pad", (10, 10), 0, (10, 10)),
    ("pad_edge", (10, 10), 0, (10, 10)),
    ("pad_edge_pixel", (10, 10), 0, (10, 10)),
]


@pytest.mark.parametrize(("fit", "size", "multiple", "expected"), FITS)
@pytest.mark.parametrize("channels", [3, 4])
def test_resize_of_kj(fit: str, size: tuple[int, int], multiple: int, expected: tuple[int, int], channels: int) -> None:
    given = {"width": size[0], "height": size[1], "upscale_method": "bilinear", "keep_proportion": fit}
    given |= {"pad_color": "255, 0, 0", "crop_position": "top", "divisible_by": multiple}
    made, width, height, mask = call("ImageResizeKJv2", image=torch.ones(2, 20, 40, channels), **given)
    assert (width, height) == (made.shape[2], made.shape[1]) == expected
    assert made.shape == (*mask.shape, channels)
    padded = mask[0, :, 0].tolist()
    assert padded == ([0] * 5 + [1] * 5 if fit.startswith("pad") else [0] * height), "the picture is at the top"
    assert made[0, -1, 0].tolist()[:3] == ([1, 0, 0] if fit == "pad" else [1, 1, 1])


@pytest.mark.parametrize(
    ("size", "inner", "canvas", "corner"),
    [
        ((10, 10), (10, 4), (10, 10), (0, 2)),
        ((11, 11), (10, 6), (10, 12), (0, 2)),
        ((0, 10), (20, 10), (20, 10), (0, 0)),
    ],
)
def test_what_is_padded_is_cut_to_a_multiple_first(size: Any, inner: Any, canvas: Any, corner: Any) -> None:
    given = {"width": size[0], "height": size[1], "upscale_method": "area", "keep_proportion": "pad"}
    given |= {"pad_color": "0", "crop_position": "center", "divisible_by": 2}
    made, width, height, mask = call("ImageResizeKJv2", image=torch.ones(1, 20, 40, 3), **given)
    assert (width, height) == canvas and bool((made[..., 0] == 1 - mask).all())
    there = mask[0].eq(0).nonzero()
    assert there.min(dim=0).values.tolist() == [corner[1], corner[0]]
    assert there.max(dim=0).values.tolist() == [corner[1] + inner[1] - 1, corner[0] + inner[0] - 1]


def test_edges_are_padded_with_their_mean_or_their_pixels() -> None:
    image = torch.tensor([[0.0, 1.0], [0.5, 0.5]]).reshape(1, 2, 2, 1).expand(1, 2, 2, 3)
    given = {"width": 2, "height": 4, "upscale_method": "nearest-exact", "crop_position": "center", "divisible_by": 0}
    mean = call("ImageResizeKJv2", image=image, keep_proportion="pad_edge", pad_color="0", **given)[0]
    assert mean[0, ..., 0].tolist() == [[0.5, 0.5], [0, 1], [0.5, 0.5], [0.5, 0.5]]
    pixels = call("ImageResizeKJv2", image=image, keep_proportion="pad_edge_pixel", pad_color="0", **given)[0]
    assert pixels[0, ..., 0].tolist() == [[0, 1], [0, 1], [0.5, 0.5], [0.5, 0.5]]


def test_a_mask_is_resized_with_its_pictures() -> None:
    given = {"width": 4, "height": 4, "upscale_method": "nearest-exact", "keep_proportion": "crop"}
    given |= {"pad_color": "0", "crop_position": "right", "divisible_by": 0}
    mask = torch.zeros(1, 8, 16)
    mask[..., 12:] = 1
    made = call("ImageResizeKJv2", image=torch.zeros(1, 8, 16, 3), mask=mask, **given)[3]
    assert made[0, 0].tolist() == [0, 0, 1, 1]
    assert call("ToBinaryMask", mask=torch.tensor([[[0.05, 0.1]]]), threshold=20)[0].tolist() == [[[0, 1]]]
    for bad in ({"mask": torch.zeros(1, 8, 8)}, {"pad_color": "red", "keep_proportion": "pad"}):
        with pytest.raises(Exception, match="the mask is 8x8|pad_color is 'red'"):
            call("ImageResizeKJv2", image=torch.zeros(1, 8, 16, 3), **(given | bad))


def test_batches() -> None:
    first, second = torch.zeros(2, 4, 6, 3), torch.ones(1, 8, 8, 3)
    (made,) = call("ImpactMakeImageBatch", image1=first, image3=second)
    assert made.shape == (3, 4, 6, 3)
    assert made.mean(dim=(1, 2, 3)).tolist() == [0, 0, 1]
    assert call("ImageListToImageBatch", images=[first, first])[0].shape == (4, 4, 6, 3)


def test_a_switch_computes_what_it_gives_and_nothing_else() -> None:
    prompt = {
        "1": node("PrimitiveInt", value=2),
        "2": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "3": node("ImpactCompare", cmp="a = b", a=1, b=["1", 0]),
        "4": node("ImpactSwitch", select=["1", 0], sel_mode=False, input1=["2", 0], input2=["1", 0]),
    }
    started: list[str] = []

    def watch(event: Any) -> None:
        if type(event).__name__ == "NodeStarted":
            started.append(event.node_id)

    assert run(prompt, "4", observers=[watch])["4"] == (2, "input2", 2)
    assert "2" not in started


ROWS = (
    {"on": True, "lora": "b.safetensors", "strength": 0.5, "strengthTwo": None},
    {"on": False, "lora": "off.safetensors", "strength": 1},
    {"on": True, "lora": "a.safetensors", "strength": 0.25, "strengthTwo": 0.75},
    {"on": True, "lora": "None", "strength": 1},
)
HEADER = {"type": "PowerLoraLoaderHeaderWidget"}


def lowered(**inputs: Any) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """What a Power Lora Loader becomes: the classes and inputs of its nodes; and what is wrong with it."""
    prompt = {
        "1": node("Any Switch (rgthree)"),
        "2": node("Power Lora Loader (rgthree)", **inputs),
        "3": node("PreviewAny", source=["2", 0]),
        "4": node("PreviewAny", source=["2", 1]),
    }
    found = lower(Prompt.parse(prompt), REGISTRY)
    nodes = [(key, each) for key, each in found.prompt.nodes.items() if key.startswith("2.")]
    return [(each.class_type, dict(each.inputs)) for _, each in nodes], [str(issue) for issue in found.issues]


def test_rows_become_loaders() -> None:
    rows = {f"lora_{number}": row for number, row in enumerate(ROWS, 9)}
    made, issues = lowered(model=["1", 0], clip=["1", 0], PowerLoraLoaderHeaderWidget=HEADER, **rows)
    assert not issues
    (first, one), (second, two) = made
    assert first == second == "LoraLoader"
    assert (one["lora_name"], one["strength_model"], one["strength_clip"]) == ("b.safetensors", 0.5, 0.5)
    assert (two["lora_name"], two["strength_model"], two["strength_clip"]) == ("a.safetensors", 0.25, 0.75)
    assert two["model"] == Link("2.lora_9", 0) and two["clip"] == Link("2.lora_9", 1)


def test_without_text_encoders_the_model_alone_gets_them() -> None:
    made, issues = lowered(model=["1", 0], lora_1=ROWS[0])
    assert not issues
    assert [class_type for class_type, _ in made] == ["LoraLoaderModelOnly", "weft.Nothing"]


def test_rows_that_are_none() -> None:
    assert "expected {" in lowered(model=["1", 0], lora_1="x")[1][0]
    assert "nothing is linked, and LoRAs are to be applied" in lowered(lora_1=ROWS[0])[1][0]
    assert [each for each, _ in lowered(lora_1=ROWS[1])[0]] == ["weft.Nothing", "weft.Nothing"], "none is on"


def test_nodes_that_are_core_nodes_by_another_name() -> None:
    prompt = {
        "1": node("Any Switch (rgthree)"),
        "2": node("Text to Conditioning", clip=["1", 0], text="a"),
        "3": node(
            "ImpactKSamplerBasicPipe",
            basic_pipe=["1", 0],
            latent_image=["1", 0],
            seed=1,
            steps=2,
            cfg=3.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=1.0,
        ),
        "4": node("PreviewAny", source=["2", 0]),
        **{f"5{slot}": node("PreviewAny", source=["3", slot]) for slot in range(3)},
    }
    found = lower(Prompt.parse(prompt), REGISTRY)
    assert not found.issues
    nodes = found.prompt.nodes
    assert nodes["2.encode"].class_type == "CLIPTextEncode"
    assert nodes["3.sample"].class_type == "KSampler"
    sampled = nodes["3.sample"].inputs
    assert (sampled["model"], sampled["negative"], sampled["steps"]) == (Link("3.pipe", 0), Link("3.pipe", 4), 2)
    assert found.outputs["3"] == (Link("1", 0), Link("3.sample", 0), Link("3.pipe", 2))


class TestVideoHelper:
    """VHS_VideoCombine writes what VHS_LoadVideo reads."""

    IMAGES = torch.arange(4.0).div(4)[:, None, None, None].expand(4, 16, 32, 3).contiguous()

    @pytest.fixture
    def combine(self, make_context: Any) -> Any:
        def write(images: torch.Tensor = self.IMAGES, **options: Any) -> tuple[Path, Any]:
            usual = {"frame_rate": 8.0, "loop_count": 0, "filename_prefix": "v", "format": "video/h264-mp4"}
            usual |= {"pingpong": False, "save_output": True}
            context = make_context()
            call("VHS_VideoCombine", images=images, **(usual | options), context=context)
            return context.files[0], context

        return write

    @staticmethod
    def numbers(path: Path) -> list[int]:
        from weft.nodes.diffusion.values.imagefile import load_image
        from weft.nodes.diffusion.values.video import VideoFromFile

        still = path.suffix in (".gif", ".webp")
        images = load_image(path)[0] if still else VideoFromFile(path).get_components().images
        return images.mean(dim=(1, 2, 3)).mul(4).round().int().tolist()

    @pytest.mark.parametrize(
        ("format", "suffix"),
        [
            ("image/gif", ".gif"),
            ("image/webp", ".webp"),
            ("video/h264-mp4", ".mp4"),
            ("video/h265-mp4", ".mp4"),
            ("video/webm", ".webm"),
            ("video/av1-webm", ".webm"),
        ],
    )
    def test_formats(self, format: str, suffix: str, combine: Any) -> None:
        path, context = combine(format=format)
        assert (path.name, list(context.said)) == (f"v_00001_{suffix}", [])
        assert self.numbers(path) == [0, 1, 2, 3]

    def test_options(self, combine: Any) -> None:
        assert self.numbers(combine(pingpong=True)[0]) == [0, 1, 2, 3, 2, 1]
        assert self.numbers(combine(loop_count=1)[0]) == [0, 1, 2, 3] * 2
        sound = {"waveform": torch.zeros(1, 1, 2000), "sample_rate": 8000}
        assert self.numbers(combine(audio=sound, trim_to_audio=True)[0]) == [0, 1]
        assert self.numbers(combine(audio=sound)[0]) == [0, 1, 2, 3]
        assert combine(save_output=False)[0].parent.name != "output"
        small, large = (combine(torch.rand(2, 64, 64, 3), crf=crf)[0].stat().st_size for crf in (50, 1))
        assert small < large
        assert combine(pix_fmt="yuv420p10le")[0].is_file()
        with pytest.raises(Exception, match="pix_fmt is 'x': expected yuv420p"):
            combine(pix_fmt="x")

    def test_odd_sides_and_alpha_are_said(self, combine: Any) -> None:
        path, context = combine(torch.ones(1, 15, 17, 4))
        assert self.numbers(path) == [4]
        assert [text[:24] for text in context.said] == ["pictures of 17x15 are ma", "the pictures are transpa"]

    def test_frames_are_chosen(self, combine: Any, make_context: Any) -> None:
        sound = {"waveform": torch.zeros(1, 1, 4000), "sample_rate": 8000}
        path, _ = combine(audio=sound)
        context = make_context()
        usual = {"force_rate": 0, "custom_width": 0, "custom_height": 0}
        usual |= {"frame_load_cap": 0, "skip_first_frames": 0, "select_every_nth": 1}
        for options, expected in (
            ({}, [0, 1, 2, 3]),
            ({"frame_load_cap": 2}, [0, 1]),
            ({"skip_first_frames": 1, "select_every_nth": 2}, [1, 3]),
            ({"force_rate": 4}, [0, 2]),
            ({"force_rate": 16}, [0, 0, 1, 1, 2, 2, 3, 3]),
        ):
            given = {"video": f"{path.name} [output]", **usual, **options}
            images, count, audio, info = call("VHS_LoadVideo", **given, context=context)
            assert images.mean(dim=(1, 2, 3)).mul(4).round().int().tolist() == expected, options
            assert count == info["loaded_frame_count"] == len(expected)
            assert audio["waveform"].shape[-1] == pytest.approx(count / info["loaded_fps"] * 8000, abs=1100)
        given = {"video": f"{path.name} [output]", **usual, "custom_width": 16}
        assert call("VHS_LoadVideo", **given, context=context)[0].shape == (4, 8, 16, 3)
        assert call("VHS_LoadVideo", **given, force_size="Disabled", context=context)[0].shape == (4, 16, 32, 3)
        with pytest.raises(Exception, match="has no frame left: of 4, 9 are skipped"):
            call("VHS_LoadVideo", **(given | {"skip_first_frames": 9}), context=context)

    def test_a_save_has_its_widgets_by_name(self) -> None:
        values = {"frame_rate": 24, "loop_count": 0, "filename_prefix": "x", "format": "video/h264-mp4"}
        values |= {"pix_fmt": "yuv420p", "crf": 19, "save_metadata": True, "trim_to_audio": False}
        values |= {"pingpong": False, "save_output": True, "videopreview": {"hidden": False}}
        save = {
            "nodes": [
                saved(1, "EmptyImage", {}, [16, 16, 1, 0], "IMAGE"),
                saved(2, "VHS_VideoCombine", {"images": 1}, values, "Filenames"),
            ],
            "links": [[1, 1, 0, 2, 0, "IMAGE"]],
            "version": 0.4,
        }
        made, notes = weft.Session().convert(save, "api")
        assert made["2"]["inputs"] == {name: value for name, value in values.items() if name != "videopreview"} | {
            "images": ["1", 0]
        }
        assert not notes


def saved(number: int, class_type: str, links: dict[str, int | None], values: Any, *outputs: str) -> dict[str, Any]:
    """A node as the editor saves it; its first output goes out by the link of its own number."""
    return {
        "id": number,
        "type": class_type,
        "widgets_values": values,
        "inputs": [{"name": name, "type": "*", "link": link} for name, link in links.items()],
        "outputs": [
            {"name": name, "type": "*", "links": [number] if not at else []} for at, name in enumerate(outputs)
        ],
    }


def test_rows_of_a_save_are_named() -> None:
    values = [None, HEADER, *ROWS, None, ""]
    save = {
        "nodes": [
            saved(1, "Any Switch (rgthree)", {"any_01": None}, [], "*"),
            saved(2, "Power Lora Loader (rgthree)", {"model": 1}, values, "MODEL", "CLIP"),
            saved(3, "PreviewAny", {"source": 2}, []),
        ],
        "links": [[1, 1, 0, 2, 0, "*"], [2, 2, 0, 3, 0, "*"]],
        "version": 0.4,
    }
    inputs = weft.convert(save)["2"]["inputs"]
    assert inputs == {"model": ["1", 0], **{f"lora_{number}": row for number, row in enumerate(ROWS, 1)}}


def test_what_a_display_showed_last_is_no_value() -> None:
    save = {
        "nodes": [
            saved(1, "easy int", {}, [5], "int"),
            saved(2, "easy showAnything", {"anything": 1}, ["5"], "output"),
            saved(3, "ShowText|pysssss", {"text": 2}, [["5"]], "STRING"),
        ],
        "links": [[1, 1, 0, 2, 0, "INT"], [2, 2, 0, 3, 0, "*"]],
        "version": 0.4,
    }
    made = weft.convert(save)
    assert [each["inputs"] for each in made.values()] == [{"value": 5}, {"anything": ["1", 0]}, {"text": ["2", 0]}]


PACK = """
class Own:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"a": ("FLOAT", {"default": 0.0})}}
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    def run(self, a):
        return (41,)

NODE_CLASS_MAPPINGS = {"CM_FloatToInt": Own, "PrimitiveInt": Own}
"""


def test_a_packs_own_class_takes_the_place(tmp_path: Path) -> None:
    """All other classes stay Weft's."""
    (tmp_path / "pack.py").write_text(PACK)
    said: list[str] = []
    session = weft.Session(nodes=tmp_path / "pack.py", warn=said.append)
    prompt = session.read({"1": node("CM_FloatToInt", a=2.5), "2": node("PrimitiveInt", value=3)})
    outputs = session.execute(session.plan(prompt, ("1", "2"))).outputs
    assert (outputs["1"], outputs["2"]) == ((41,), (3,))
    assert said == []  # `weft nodes --packs` says for which of a pack's classes Weft's own stand


def test_the_page_has_every_class() -> None:
    page = (Path(__file__).parents[2] / "docs" / "thirdparty.md").read_text().replace("\\|", "|")
    borrowed = next(iter(REGISTRY.packs)).borrowed
    assert not [name for name in borrowed if f"`{name}`" not in page]
