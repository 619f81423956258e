"""Bad input of sampling: an error that names the node and what is wrong, or the result that docs/sampling.md describes.

On a small checkpoint of random weights, through the engine: what a node raises is what a user reads.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from torch import Tensor

import weft
from weft.engine.cache.memory import MemoryCache
from weft.engine.errors import InvalidWorkflow, NodeError, is_plain
from weft.engine.schema.authoring import node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Int
from weft.nodes.core.types import Anything, Model
from weft.nodes.diffusion.sampling.sample import _Watch
from weft.nodes.diffusion.values.pixels import resize

NAN = float("nan")
KSAMPLER = {
    "model": ["1", 0], "seed": 1, "steps": 2, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal",
    "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "denoise": 1.0,
}  # fmt: skip
NODES: dict[str, tuple[str, dict[str, Any]]] = {
    "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-tiny.safetensors"}),
    "2": ("CLIPTextEncode", {"text": "a", "clip": ["1", 1]}),
    "3": ("CLIPTextEncode", {"text": "", "clip": ["1", 1]}),
    "4": ("EmptyLatentImage", {"width": 40, "height": 32, "batch_size": 2}),
    "5": ("KSampler", KSAMPLER),
    "6": (
        "KSamplerAdvanced",
        {
            **{name: value for name, value in KSAMPLER.items() if name not in ("seed", "denoise")},
            "steps": 4, "noise_seed": 1, "add_noise": "enable", "start_at_step": 0, "end_at_step": 10_000,
            "return_with_leftover_noise": "disable",
        },
    ),
    "7": ("KSamplerSelect", {"sampler_name": "euler"}),
    "8": ("BasicScheduler", {"model": ["1", 0], "scheduler": "normal", "steps": 2, "denoise": 1.0}),
    "9": (
        "SamplerCustom",
        {
            "model": ["1", 0], "add_noise": True, "noise_seed": 1, "cfg": 3.0, "positive": ["2", 0],
            "negative": ["3", 0], "sampler": ["7", 0], "sigmas": ["8", 0], "latent_image": ["4", 0],
        },
    ),
    "10": ("ControlNetLoader", {"control_net_name": "control.safetensors"}),
    "11": ("EmptyImage", {"width": 40, "height": 32, "batch_size": 1, "color": 0}),
    "12": (
        "ControlNetApplyAdvanced",
        {
            "positive": ["2", 0], "negative": ["3", 0], "control_net": ["10", 0], "image": ["11", 0],
            "strength": 1.0, "start_percent": 0.0, "end_percent": 1.0,
        },
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(random_models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The small checkpoint, and a ControlNet for it."""
    path = Path(__file__).resolve().parent.parent / "benchmarks" / "sampling.py"
    spec = importlib.util.spec_from_file_location("benchmark_sampling", path)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    from safetensors import safe_open

    from weft.nodes.diffusion.families import recognise

    with safe_open(random_models / "checkpoints" / "weft-tiny.safetensors", "pt") as file:
        unet = recognise({key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}).unet  # noqa: SIM118
    folder = tmp_path_factory.mktemp("control")
    benchmark.write_controlnet(folder / "controlnet" / "control.safetensors", unet)
    return [random_models, folder]


@pytest.fixture(scope="module")
def cache() -> MemoryCache:
    return MemoryCache()


VALUES: list[Any] = []


@node(category="test")
def Given(*, number: Annotated[int, Int()]) -> Anything:
    """What stands in VALUES."""
    return VALUES[number]


@node(category="test")
def Poison(*, model: Model, number: Annotated[int, Int()]) -> Model:
    """Makes a model give NaN in the evaluations that VALUES says, counted from 0."""
    clone, count = model.clone(), itertools.count()

    def poison(args: Mapping[str, Any]) -> Tensor:
        denoised: Tensor = args["denoised"]
        return denoised * NAN if next(count) in VALUES[number] else denoised

    clone.set_model_sampler_post_cfg_function(poison)
    return clone


Run = Callable[..., weft.RunResult]


@pytest.fixture
def run(models: list[Path], cache: MemoryCache, tmp_path: Path) -> Run:
    """Run node `target` with other inputs, those of `linked` through a link that takes anything; `more` are nodes."""
    registry = Registry.discover().add([Given, Poison])

    def run_node(
        target: str, linked: Mapping[str, Any] | None = None, more: Mapping[str, Any] | None = None, **inputs: Any
    ) -> weft.RunResult:
        nodes: dict[str, Any] = {
            node_id: {"class_type": name, "inputs": dict(given)} for node_id, (name, given) in NODES.items()
        }
        nodes |= more or {}
        nodes[target]["inputs"] |= inputs
        for name, value in (linked or {}).items():
            VALUES.append(value)
            nodes[f"given {name}"] = {"class_type": "Given", "inputs": {"number": len(VALUES) - 1}}
            nodes[target]["inputs"][name] = [f"given {name}", 0]
        options: dict[str, Any] = {"models": models, "output": tmp_path, "device": "cpu", "cache": cache}
        return weft.run(nodes, targets=[target], registry=registry, **options)

    return run_node


def samples(result: weft.RunResult, node_id: str = "5") -> Tensor:
    found: Tensor = result[node_id][0]["samples"]
    return found


def failure(run: Run, target: str, *args: Any, **inputs: Any) -> str:
    """The message of the one node that fails: raised on purpose, by that node."""
    with pytest.raises(NodeError) as caught:
        run(target, *args, **inputs)
    assert caught.value.node_id == target
    assert is_plain(caught.value.__cause__), caught.value.author_traceback
    return str(caught.value)


# Names and numbers.


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"sampler_name": "dpmpp_2n"}, "did you mean 'dpmpp_2m'?"),
        ({"scheduler": "karas"}, "did you mean 'karras'?"),
        ({"steps": 0}, "Value 0 smaller than min of 1"),
        ({"steps": 10_001}, "Value 10001 bigger than max of 10000"),
        ({"cfg": -1.0}, "Value -1.0 smaller than min of 0.0"),
        ({"denoise": 1.5}, "Value 1.5 bigger than max of 1.0"),
        ({"seed": -1}, "Value -1 smaller than min of 0"),
        ({"seed": 2**64}, f"Value {2**64} bigger than max of {2**64 - 1}"),
    ],
)
def test_what_is_typed_is_refused_before_anything_runs(run: Run, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        run("5", **inputs)
    (issue,) = caught.value.issues
    assert (issue.node_id, issue.input) == ("5", next(iter(inputs)))
    assert message in str(issue)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"sampler_name": "dpmpp_2n"}, "unknown sampler 'dpmpp_2n'; did you mean 'dpmpp_2m'?"),
        ({"scheduler": "karas"}, "unknown scheduler 'karas'; did you mean 'karras'?"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"steps": 2.5}, "steps must be a whole number, got 2.5"),
        ({"steps": "four"}, "steps must be a whole number, got 'four'"),
        ({"seed": 2**64}, f"seed must be in 0 .. 2^64 - 1, got {2**64}"),
        ({"seed": 1.5}, "seed must be a whole number, got 1.5"),
        ({"cfg": None}, "cfg must be a finite number, got None"),
        ({"cfg": NAN}, "cfg must be a finite number, got nan"),
        ({"denoise": NAN}, "denoise must be a finite number, got nan"),
        ({"denoise": 1e-9}, "denoise 1e-09 makes 2 steps the end of a schedule of 1,999,999,999, at most 1,000,000"),
    ],
)
def test_what_a_link_brings_is_refused_by_the_sampler(run: Run, inputs: dict[str, Any], message: str) -> None:
    assert message in failure(run, "5", inputs)


@pytest.mark.parametrize("name", ["start_at_step", "end_at_step"])
def test_a_negative_step_through_a_link(run: Run, name: str) -> None:
    place = {"start_at_step": "start", "end_at_step": "last"}[name]
    assert f"the {place} step must not be negative, got -1" in failure(run, "6", {name: -1})


@pytest.mark.parametrize(("start", "end"), [(3, 1), (2, 2), (4, 10_000), (9_999, 10_000), (0, 0)])
def test_a_start_beyond_the_end_gives_the_latent_as_it_is(run: Run, start: int, end: int) -> None:
    latent = {"samples": torch.randn(2, 4, 4, 5), "noise_mask": torch.ones(1, 4, 5)}
    result = run("6", {"latent_image": latent}, start_at_step=start, end_at_step=end)
    assert result["6"][0]["samples"] is latent["samples"]
    assert result["6"][0].keys() == latent.keys()


def test_ddim_at_the_largest_seed(run: Run) -> None:
    message = failure(run, "5", sampler_name="ddim", seed=2**64 - 1)
    assert f"draws a second noise from seed + 1, so the seed must be below {2**64 - 1}" in message
    assert samples(run("5", sampler_name="ddim", seed=2**64 - 2, steps=1)).isfinite().all()


def test_kl_optimal_at_one_step(run: Run) -> None:
    message = "scheduler kl_optimal needs at least 2 steps, got 1: its formula is 0/0 there"
    assert message in failure(run, "5", scheduler="kl_optimal", steps=1)
    sigmas = run("8", scheduler="kl_optimal", steps=1)["8"][0]
    assert sigmas.isnan().tolist() == [True, False], "as in ComfyUI: golden sig_basic_kl_optimal"
    assert "sigmas must be finite and not negative, got nan at index 0" in failure(run, "9", {"sigmas": sigmas})


# Conditionings.


def prompt(width: int = 64, tokens: int = 77, **options: Any) -> list[Any]:
    return [[torch.randn(1, tokens, width, generator=torch.Generator().manual_seed(0)), options]]


@pytest.mark.parametrize("side", ["positive", "negative"])
def test_a_conditioning_of_another_family(run: Run, side: str) -> None:
    message = failure(run, "5", {side: prompt(width=768)})
    assert f"{side} conditioning, entry 0: its width is 768, the model's cross attention takes 64" in message
    assert "encode it with the CLIP of the checkpoint that the model is from" in message


@pytest.mark.parametrize(
    ("conditioning", "message"),
    [
        (None, "positive conditioning: expected a list of [tensor, options], got NoneType"),
        ([[torch.zeros(1, 77, 64), None]], "entry 0: expected [tensor, options], got list"),
        ([[torch.zeros(77, 64), {}]], "entry 0: expected a tensor [batch, tokens, width], got [77, 64]"),
        (prompt(tokens=0), "entry 0: expected a tensor [batch, tokens, width], got [1, 0, 64]"),
        (prompt(area=(4, 4, 4, 0)), "entry 0: its area of 4x4 at x=0, y=4 lies outside the latent of 5x4"),
        (prompt(mask=torch.ones(3)), "entry 0: a mask must be [height, width] or [batch, height, width], got [3]"),
        (prompt(mask="all"), "entry 0: a mask must be a tensor, got str"),
    ],
)
def test_what_is_no_conditioning(run: Run, conditioning: Any, message: str) -> None:
    assert message in failure(run, "5", {"positive": conditioning})


def test_a_prompt_that_is_no_text(run: Run) -> None:
    assert "a prompt must be text, got NoneType" in failure(run, "2", {"text": None})
    assert "holds no text encoder" in failure(run, "2", {"clip": None})


def test_an_area_that_this_model_cannot_normalise(run: Run) -> None:
    """Its groups are of one channel: at one latent pixel there is one value in each."""
    area = [*prompt(area=(1, 1, 0, 0)), *prompt()]
    message = "this model cannot take a latent or an area of 1x1 alone: it needs two latent pixels"
    inputs: dict[str, Any] = {"positive": area, "latent_image": {"samples": torch.zeros(1, 4, 4, 5)}}
    assert message in failure(run, "5", inputs, cfg=1.0)
    assert samples(run("5", inputs)).isfinite().all(), "beside the negative there are two"


# Masks and pictures of another size: resized, as docs/sampling.md says.


def bilinear(mask: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(mask[:, None], size=(4, 5), mode="bilinear")[:, 0]


@pytest.mark.parametrize("size", [(13, 17), (1, 1), (32, 40), (3, 200)])
def test_a_noise_mask_of_another_size_is_resized(run: Run, size: tuple[int, int]) -> None:
    latent, mask = torch.randn(2, 4, 4, 5), torch.rand(1, *size)
    got = run("5", {"latent_image": {"samples": latent, "noise_mask": mask}})
    expected = run("5", {"latent_image": {"samples": latent, "noise_mask": bilinear(mask)}})
    assert torch.equal(samples(got), samples(expected))
    assert got["5"][0]["noise_mask"] is mask


def test_noise_masks_of_another_number_are_cut_or_repeated(run: Run) -> None:
    latent, masks = torch.randn(2, 4, 4, 5), torch.rand(3, 4, 5)
    cut, repeated = (
        samples(run("5", {"latent_image": {"samples": latent, "noise_mask": mask}})) for mask in (masks, masks[:1])
    )
    assert torch.equal(cut[0], repeated[0])
    assert not torch.equal(cut[1], repeated[1])


@pytest.mark.parametrize("mask", [torch.zeros(7), torch.zeros(0, 4, 5), torch.zeros(1, 3, 4, 5)])
def test_what_is_no_noise_mask(run: Run, mask: Tensor) -> None:
    message = failure(run, "5", {"latent_image": {"samples": torch.zeros(1, 4, 4, 5), "noise_mask": mask}})
    assert f"a mask must be [height, width] or [batch, height, width], got {list(mask.shape)}" in message


def test_a_mask_of_a_conditioning_is_resized(run: Run) -> None:
    mask = torch.rand(1, 13, 17)
    got, expected = (samples(run("5", {"positive": prompt(mask=one)})) for one in (mask, bilinear(mask)))
    assert torch.equal(got, expected)
    assert not torch.equal(got, samples(run("5", {"positive": prompt()})))


def controlled(run: Run, image: Tensor) -> Tensor:
    positive, negative = run("12", {"image": image})["12"]
    return samples(run("5", {"positive": positive, "negative": negative}))


def test_a_control_image_of_another_size_is_resized(run: Run) -> None:
    image = torch.rand(1, 50, 90, 3)
    got = controlled(run, image)
    hint = resize(image.movedim(-1, 1), 40, 32, "nearest-exact", "center").movedim(1, -1)
    assert torch.equal(got, controlled(run, hint))
    assert not torch.equal(got, controlled(run, torch.zeros(1, 32, 40, 3)))


@pytest.mark.parametrize("shape", [(32, 40, 3), (1, 32, 40, 4), (1, 32, 40, 1), (0, 32, 40, 3), (1, 0, 40, 3)])
def test_what_is_no_control_image(run: Run, shape: tuple[int, ...]) -> None:
    message = failure(run, "12", {"image": torch.zeros(shape)})
    assert f"a ControlNet's picture is [batch, height, width, 3], got {list(shape)}" in message


def test_what_is_no_control_net(run: Run) -> None:
    assert "expected a ControlNet (as ControlNetLoader gives), got str" in failure(run, "12", {"control_net": "x"})


@pytest.mark.parametrize(
    ("latent", "message"),
    [
        (None, "got NoneType"),
        ({}, "got NoneType"),
        ({"samples": torch.zeros(4, 4, 5)}, "got [4, 4, 5]"),
        ({"samples": torch.ones(1, 16, 4, 5)}, "the latent has 16 channels, the model takes 4"),
        ({"samples": torch.full((1, 4, 4, 5), NAN)}, "the latent to sample has NaN or infinity in it"),
    ],
)
def test_what_is_no_latent(run: Run, latent: Any, message: str) -> None:
    assert message in failure(run, "5", {"latent_image": latent})


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (1, 0, 8, 3), (8, 8, 3)])
@pytest.mark.parametrize(
    ("class_type", "names", "inputs"),
    [
        ("ImageScale", ["image"], {"upscale_method": "lanczos", "width": 8, "height": 8, "crop": "disabled"}),
        ("ImageScaleBy", ["image"], {"upscale_method": "lanczos", "scale_by": 2.0}),
        ("ImageBlend", ["image1", "image2"], {"blend_factor": 0.5, "blend_mode": "screen"}),
        ("ImageCompositeMasked", ["destination", "source"], {"x": 0, "y": 0, "resize_source": True}),
        ("ImageBatch", ["image1", "image2"], {}),
        ("ImageSharpen", ["image"], {"sharpen_radius": 1, "sigma": 1.0, "alpha": 1.0}),
    ],
)
def test_what_is_no_image(
    run: Run, class_type: str, names: list[str], inputs: dict[str, Any], shape: tuple[int, ...]
) -> None:
    for wrong in names:
        linked = {name: torch.rand(shape if name == wrong else (1, 8, 8, 3)) for name in names}
        more = {"20": {"class_type": class_type, "inputs": dict(inputs)}}
        assert f"an image is {list(shape)}, expected [B,H,W,C]" in failure(run, "20", linked, more)


@pytest.mark.parametrize("class_type", ["LatentFromBatch", "RepeatLatentBatch"])
def test_a_noise_mask_of_nothing(run: Run, class_type: str) -> None:
    inputs = {"batch_index": 0, "length": 1} if class_type == "LatentFromBatch" else {"amount": 2}
    linked = {"samples": {"samples": torch.zeros(2, 4, 4, 4), "noise_mask": torch.zeros(0, 8, 8)}}
    message = failure(run, "20", linked, {"20": {"class_type": class_type, "inputs": inputs}})
    assert "a mask must be [height, width] or [batch, height, width], got [0, 8, 8]" in message


# NaN from the model.


@pytest.mark.parametrize(
    ("target", "inputs", "place"),
    [
        ("5", {"steps": 4}, "step 2 of 4"),
        ("5", {"steps": 4, "sampler_name": "dpmpp_2m"}, "step 2 of 4"),
        ("5", {"steps": 4, "sampler_name": "heun"}, "step 1 of 4"),
        ("6", {"start_at_step": 1}, "step 2 of 3"),
        ("9", {"sigmas": torch.tensor([3.0, 2.0, 1.0, 0.5, 0.0])}, "step 2 of 4"),
    ],
)
def test_nan_from_the_model_names_node_and_step(run: Run, target: str, inputs: dict[str, Any], place: str) -> None:
    VALUES.append({2, 3})
    poison = {"class_type": "Poison", "inputs": {"model": ["1", 0], "number": len(VALUES) - 1}}
    linked = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
    typed = {name: value for name, value in inputs.items() if name not in linked}
    message = failure(run, target, linked, {"poison": poison}, model=["poison", 0], **typed)
    title = {"5": "KSampler", "6": "KSampler (Advanced)", "9": "SamplerCustom"}[target]
    assert message == (
        f'node {target} "{title}" failed: the model gave NaN or infinity at {place} (steps count from 0)'
    )


def test_looking_for_nan_does_not_wait_for_the_device() -> None:
    """A tensor on the meta device has no values: whoever asks for one gets an error."""
    seen: list[int] = []
    watch = _Watch(range(3, 6), torch.device("meta"), lambda step, *rest: seen.append(step))
    for step in range(3, 6):
        watch(step, torch.empty(2, 4, 4, 5, device="meta"), torch.empty(2, 4, 4, 5, device="meta"))
    assert seen == [0, 1, 2]
    with pytest.raises(RuntimeError, match="meta"):
        bool(torch.empty(2, device="meta").isfinite().all())
