"""ControlNets: opened in both layouts, put on conditionings, run. Numbers of ComfyUI: goldens cn_* in tests/parity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.sd.keymaps import controlnet_keymap, read_controlnet
from weft.nodes.diffusion.sampling.conditions import SamplingRun, resolve_sides
from weft.nodes.diffusion.sampling.control import (
    Control,
    ControlNet,
    PromptedControl,
    load_controlnet,
    plan_controlnet,
    with_control,
)
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.memory import DeviceMemory

from .ksampling import ksample

CPU = torch.device("cpu")
EVERYTHING: dict[str, Any] = {"device": CPU, "dtype": torch.float32}
SIGMA = torch.tensor(2.0)


@pytest.fixture(scope="module")
def file(parity: Path) -> Path:
    return parity / "models" / "controlnet" / "tiny_controlnet.safetensors"


@pytest.fixture(scope="module")
def stored(file: Path) -> dict[str, Tensor]:
    return load_file(file)


@pytest.fixture(scope="module")
def net(file: Path) -> ControlNet:
    return load_controlnet(file, **EVERYTHING)


@pytest.fixture(scope="module")
def sd15(parity: Path) -> LoadedCheckpoint:
    return load_checkpoint(parity / "models" / "checkpoints" / "tiny_sd15.safetensors", **EVERYTHING)


@pytest.fixture
def hint() -> Tensor:
    return torch.rand((1, 64, 64, 3), generator=torch.Generator().manual_seed(0))


def prompt(width: int = 64, **options: Any) -> list[Any]:
    generator = torch.Generator().manual_seed(int(sum(map(ord, str(options)))) % 1000)
    return [[torch.randn((1, 77, width), generator=generator), options]]


def run_of(checkpoint: Any, batch: int = 1, size: int = 8) -> SamplingRun:
    denoiser = checkpoint.kind.denoiser(
        checkpoint.model.network.module(), checkpoint.model.sampling, checkpoint.model.latent_format
    )
    return SamplingRun(denoiser, (batch, 4, size, size), CPU)


def predicted(checkpoint: Any, positive: list[Any], negative: list[Any], sigma: Tensor = SIGMA, **sizes: int) -> Tensor:
    run = run_of(checkpoint, **sizes)
    x = torch.randn(run.shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return CFG(positive, negative, 3.0).bind(run)(x, sigma)


def count(module: nn.Module, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the first argument of each call."""
    seen: list[tuple[int, ...]] = []
    forward = module.forward

    def remember(*args: Any, **kwargs: Any) -> Any:
        seen.append(tuple(args[0].shape))
        return forward(*args, **kwargs)

    monkeypatch.setattr(module, "forward", remember)
    return seen


# Files.


def test_every_key_of_a_released_size_lands() -> None:
    """The original SD1.5 ControlNet has 340 keys and 361,279,120 parameters (lllyasviel/ControlNet)."""
    unet = {
        "in_channels": 4,
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 2,
        "transformer_layers_per_block": (1, 1, 1, 1),
        "down_block_types": (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
        "conditioning_embedding_out_channels": (16, 32, 96, 256),
    }
    names = controlnet_keymap(unet)
    assert len(names) == 340
    from diffusers import ControlNetModel

    with torch.device("meta"):
        made = ControlNetModel(**unet, cross_attention_dim=768, attention_head_dim=8)
    shapes = {f"control_model.{old}": tuple(made.get_parameter(new).shape) for old, new in names.items()}
    kind, part = plan_controlnet(shapes)
    assert kind.name == "sd1"
    assert sum(p.numel() for p in part.module.parameters()) == 361_279_120
    assert part.module.config.attention_head_dim == (8, 8, 8, 8)


def test_the_tiny_file(net: ControlNet, stored: dict[str, Tensor], file: Path) -> None:
    assert net.kind.name == "sd1"
    kept = dict(net.network.base.named_parameters())
    assert len(kept) == len(stored)
    weight = kept["controlnet_down_blocks.11.weight"]
    assert torch.equal(weight, stored["control_model.zero_convs.11.0.weight"].float())
    shapes = {key: tuple(tensor.shape) for key, tensor in stored.items()}
    read = read_controlnet(Shapes(shapes, "control_model."))
    assert read["conditioning_embedding_out_channels"] == (16, 32, 96, 256)
    assert set(controlnet_keymap(read)) == {key.removeprefix("control_model.") for key in stored}


def renamed(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The file in the layout of diffusers."""
    shapes = {key: tuple(tensor.shape) for key, tensor in stored.items()}
    names = controlnet_keymap(read_controlnet(Shapes(shapes, "control_model.")))
    return {names[key.removeprefix("control_model.")]: tensor for key, tensor in stored.items()}


@pytest.mark.parametrize("layout", ["diffusers", "bare"])
def test_other_layouts_are_the_same_network(
    net: ControlNet, stored: dict[str, Tensor], tmp_path: Path, layout: str
) -> None:
    bare = {key.removeprefix("control_model."): tensor for key, tensor in stored.items()}
    save_file(renamed(stored) if layout == "diffusers" else bare, tmp_path / "net.safetensors")
    other = load_controlnet(tmp_path / "net.safetensors", **EVERYTHING)
    expected = dict(net.network.base.named_parameters())
    assert {name for name, _ in other.network.base.named_parameters()} == set(expected)
    assert all(torch.equal(weight, expected[name]) for name, weight in other.network.base.named_parameters())


def test_a_controlnet_of_sdxl_in_diffusers_layout(tmp_path: Path, weights_of: Any) -> None:
    from diffusers import ControlNetModel

    with torch.device("meta"):
        made = ControlNetModel(
            block_out_channels=(32, 64, 64),
            layers_per_block=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            transformer_layers_per_block=(1, 2, 3),
            cross_attention_dim=144,
            use_linear_projection=True,
            attention_head_dim=(2, 4, 4),
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=80 + 6 * 256,
        )
    shapes = {name: tuple(parameter.shape) for name, parameter in made.named_parameters()}
    save_file(weights_of(shapes), tmp_path / "xl.safetensors")
    net = load_controlnet(tmp_path / "xl.safetensors", **EVERYTHING)
    assert net.kind.name == "sdxl"
    assert net.network.base.config.transformer_layers_per_block[1:] == (2, 3)
    assert net.network.base.config.attention_head_dim == (2, 4, 4)


def test_a_difference_is_added_to_a_model(
    sd15: LoadedCheckpoint, net: ControlNet, stored: dict[str, Tensor], tmp_path: Path
) -> None:
    base = dict(sd15.model.network.base.named_parameters())
    names = controlnet_keymap(net.network.base.config)
    difference = {
        f"control_model.{old}": (stored[f"control_model.{old}"].float() - base[new])
        if new in base
        else stored[f"control_model.{old}"].float()
        for old, new in names.items()
    }
    path = tmp_path / "diff.safetensors"
    save_file({**difference, "difference": torch.ones(1)}, path)
    whole = load_controlnet(path, **EVERYTHING, base=sd15.model)
    expected = dict(net.network.base.named_parameters())
    for name, weight in whole.network.base.named_parameters():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-6)
    with pytest.raises(CheckpointError, match="diff.safetensors: .*load it with DiffControlNetLoader"):
        load_controlnet(path, **EVERYTHING)


def test_a_difference_to_another_model(
    net: ControlNet, stored: dict[str, Tensor], open_checkpoint: Callable[..., Any], tmp_path: Path
) -> None:
    save_file({**stored, "difference": torch.ones(1)}, tmp_path / "diff.safetensors")
    with pytest.raises(CheckpointError, match="the difference is to another model: .* Stable Diffusion 2.x model"):
        load_controlnet(tmp_path / "diff.safetensors", **EVERYTHING, base=open_checkpoint("sd2").model)


def test_a_whole_controlnet_needs_no_base(file: Path, net: ControlNet, sd15: LoadedCheckpoint) -> None:
    same = load_controlnet(file, **EVERYTHING, base=sd15.model)
    expected = dict(net.network.base.named_parameters())
    assert all(torch.equal(weight, expected[name]) for name, weight in same.network.base.named_parameters())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("control_model.zero_convs.3.0.bias"), "1 missing key: 'zero_convs.3.0.bias'"),
        (lambda s: s.pop("control_model.input_hint_block.0.weight"), "a ControlNet that is not whole"),
        (
            lambda s: s.update({"control_model.task_embedding": torch.ones(1)}),
            "a union ControlNet in the original layout is not supported",
        ),
        (
            lambda s: s.update({"control_model.input_hint_block.0.weight": torch.ones(16, 4, 3, 3)}),
            "this ControlNet is of no known family: it reads 4 latent and 4 image channels",
        ),
    ],
)
def test_files_that_are_no_controlnet(stored: dict[str, Tensor], tmp_path: Path, change: Any, words: str) -> None:
    tensors = dict(stored)
    change(tensors)
    save_file(tensors, tmp_path / "odd.safetensors")
    with pytest.raises(CheckpointError, match=f"odd.safetensors: {words}"):
        load_controlnet(tmp_path / "odd.safetensors", **EVERYTHING)


@pytest.mark.parametrize(
    ("folder", "what"), [("checkpoints/tiny_sd15", "a checkpoint"), ("loras/tiny_lora_kohya", "a LoRA")]
)
def test_files_of_another_kind(parity: Path, folder: str, what: str) -> None:
    with pytest.raises(CheckpointError, match=f"not a Stable Diffusion ControlNet, but {what}"):
        load_controlnet(parity / "models" / f"{folder}.safetensors", **EVERYTHING)


# On conditionings.


def test_entries_share_what_they_can(net: ControlNet, hint: Tensor) -> None:
    positive, negative = prompt() + prompt(strength=0.5), prompt()
    changed, other = with_control([positive, negative], net, hint, 0.7, 0.1, 0.9)
    controls = [options["control"] for _, options in changed + other]
    assert controls[0] is controls[1] is controls[2]
    assert (controls[0].strength, controls[0].start_percent, controls[0].end_percent) == (0.7, 0.1, 0.9)
    assert changed[1][1]["strength"] == 0.5
    assert "control" not in positive[0][1]
    assert not changed[0][1]["control_apply_to_uncond"]
    again, bare = with_control([changed, prompt()], net, hint, 1.0)
    assert again[0][1]["control"].previous is controls[0]
    assert [len(options["control"].chain) for _, options in again + bare] == [2, 2, 1]


def test_strength_0_changes_nothing(net: ControlNet, hint: Tensor) -> None:
    positive = prompt()
    assert with_control([positive], net, hint, 0.0)[0][0][1] is positive[0][1]


@pytest.mark.parametrize("shape", [(64, 64, 3), (1, 64, 64, 4), (1, 64, 64, 1), (0, 64, 64, 3), (1, 0, 64, 3)])
def test_a_hint_that_is_no_picture(net: ControlNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(DiffusionError, match=r"a ControlNet's picture is \[batch, height, width, 3\], got"):
        Control(net, torch.zeros(shape))


def sides_of(checkpoint: Any, positive: list[Any], negative: list[Any]) -> list[list[Any]]:
    return resolve_sides({"positive": positive, "negative": negative}, run_of(checkpoint))


def test_the_other_side_gets_it_too_where_it_was_asked(sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor) -> None:
    for for_all in (True, False):
        (positive,) = with_control([prompt()], net, hint, 1.0, for_all=for_all)
        one, two = sides_of(sd15, positive, prompt())
        assert (two[0].control is one[0].control) == for_all


def test_several_controls_are_dealt_in_turn(sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor) -> None:
    entries = [with_control([prompt()], net, hint, strength, for_all=True)[0][0] for strength in (0.1, 0.2, 0.3)]
    one, two = sides_of(sd15, entries, prompt() + prompt())
    # The third goes to the first again, and the last wins.
    assert [condition.control for condition in two] == [one[2].control, one[1].control]


def test_a_side_with_a_control_of_its_own_gets_none(sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor) -> None:
    (positive,), (own,) = (with_control([prompt()], net, hint, s, for_all=True) for s in (1.0, 0.5))
    one, two = sides_of(sd15, positive, own + prompt())
    assert two[0].control is not one[0].control
    assert two[1].control is None


def test_areas_neither_give_nor_get(sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor) -> None:
    (inside,) = with_control([prompt(area=(4, 4, 0, 0))], net, hint, 1.0, for_all=True)
    one, two = sides_of(sd15, inside, prompt())
    assert two[0].control is None
    assert two[1].control is one[0].control, "the area's twin acts with the area's control"
    (positive,) = with_control([prompt()], net, hint, 1.0, for_all=True)
    one, two = sides_of(sd15, positive, prompt(area=(8, 8, 0, 0)))
    assert two[0].control is None


# In a run.


def test_one_call_for_both_sides_if_they_share_a_control(
    sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    unet, control = (count(each.base, monkeypatch) for each in (sd15.model.network, net.network))
    both = with_control([prompt(), prompt()], net, hint, 1.0)
    predicted(sd15, *both)
    assert (unet, control) == ([(2, 4, 8, 8)], [(2, 4, 8, 8)])
    unet.clear()
    control.clear()
    predicted(sd15, both[0], prompt())
    assert (unet, control) == ([(1, 4, 8, 8)] * 2, [(1, 4, 8, 8)])
    unet.clear()
    (other,) = with_control([prompt()], net, hint, 1.0)
    predicted(sd15, both[0], other)
    assert unet == [(1, 4, 8, 8)] * 2


def test_what_a_control_adds(sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor) -> None:
    """The residuals times the strength, added to the UNet's skip connections, by diffusers' own pipeline code."""
    sample, context, t = torch.randn(1, 4, 8, 8), torch.randn(1, 77, 64), torch.tensor([500.0])
    positive = with_control([prompt()], net, hint, 0.6)[0]
    bound = run_of(sd15).control(positive[0][1]["control"])
    with torch.inference_mode():
        given = bound.residuals(sample, t, context, None, SIGMA)
        module: Any = net.network.base
        read = module.controlnet_cond_embedding.reader(hint.movedim(-1, 1))
        skips, middle = module(sample, t, context, read, return_dict=False)
    assert len(given) - 1 == len(skips) == 12
    torch.testing.assert_close(given[-1], middle * 0.6)
    torch.testing.assert_close(given[5], skips[5] * 0.6)


def test_chained_controls_are_summed_while_they_act(sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor) -> None:
    at = sd15.model.sampling.percent_to_sigma
    first = with_control([prompt()], net, hint, 0.5, 0.0, 0.5)[0]
    second = with_control([first], net, hint.flip(1), 1.5, 0.3, 1.0)[0]
    run = run_of(sd15)
    alone = [Control(net, image, strength) for image, strength in ((hint, 0.5), (hint.flip(1), 1.5))]
    call = torch.randn(1, 4, 8, 8), torch.tensor([500.0]), torch.randn(1, 77, 64), None

    def middle(control: Control, sigma: float) -> Tensor | None:
        with torch.inference_mode():
            given = run.control(control).residuals(*call, torch.tensor(sigma))
        return given[-1] if given else None

    one, two = (middle(control, at(0.4)) for control in alone)
    assert one is not None and two is not None
    chained = second[0][1]["control"]
    torch.testing.assert_close(middle(chained, at(0.4)), one + two)
    torch.testing.assert_close(middle(chained, at(0.2)), one)
    torch.testing.assert_close(middle(chained, at(0.6)), two)
    # Both ends are included, and where nothing acts nothing is added.
    torch.testing.assert_close(middle(first[0][1]["control"], at(0.5)), one)
    assert middle(first[0][1]["control"], at(0.5) * 0.999) is None


def test_the_hint_is_read_once(
    sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not again in the next step, stage or side; again for another size of the latent."""
    reader: Any = net.network.base.controlnet_cond_embedding
    seen = count(reader.reader, monkeypatch)
    positive, negative = with_control([prompt(), prompt()], net, hint, 1.0)
    request: dict[str, Any] = {"seed": 1, "steps": 4, "cfg": 3.0, "sampler": "euler", "scheduler": "normal"}
    request |= {"positive": positive, "negative": negative}
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    half = ksample(sd15.model, latent, **request, end=2)
    ksample(sd15.model, half, **request, start=2, add_noise=False)
    assert seen == [(1, 3, 64, 64)]
    ksample(sd15.model, {"samples": torch.zeros(1, 4, 8, 16)}, **request)
    assert seen == [(1, 3, 64, 64), (1, 3, 64, 128)]


def test_a_hint_is_cut_to_the_latents_aspect_and_not_smoothed(net: ControlNet) -> None:
    wide = torch.zeros(1, 32, 64, 3)
    wide[:, :, 16:48] = 1.0  # the middle square
    assert torch.equal(
        *Control(net, wide).read(net.network.base, 32, 32),
        *Control(net, torch.ones(1, 8, 8, 3)).read(net.network.base, 32, 32),
    )
    board = (torch.arange(8)[:, None] + torch.arange(8)).remainder(2)[None, ..., None].expand(1, 8, 8, 3).float()
    twice = board.repeat_interleave(2, 1).repeat_interleave(2, 2)
    large = Control(net, board).read(net.network.base, 16, 16)
    assert torch.equal(*large, *Control(net, twice).read(net.network.base, 16, 16))


def test_hints_of_a_batch_go_to_its_items(sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor) -> None:
    two = torch.cat([hint, hint.flip(2)])
    both = predicted(sd15, *with_control([prompt(), prompt()], net, two, 1.0), batch=3)
    for item, image in enumerate((hint, hint.flip(2), hint)):
        alone = predicted(sd15, *with_control([prompt(), prompt()], net, image, 1.0), batch=3)
        torch.testing.assert_close(both[item], alone[item], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(both[0], both[1])


def test_a_control_in_an_area_sees_the_whole_hint(sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor) -> None:
    (inside,) = with_control([prompt(area=(8, 8, 0, 0))], net, hint, 1.0)
    predicted(sd15, inside, prompt(), size=16)
    (key,) = inside[0][1]["control"]._read
    assert key[:2] == (64, 64)


@pytest.mark.parametrize("family", ["sd2", "sdxl"])
def test_a_control_for_another_family(
    open_checkpoint: Callable[..., Any], net: ControlNet, hint: Tensor, family: str
) -> None:
    checkpoint = open_checkpoint(family)
    width = checkpoint.kind.unet["cross_attention_dim"]
    (positive,) = with_control([prompt(width, pooled_output=torch.zeros(1, 80))], net, hint, 1.0)
    words = "positive conditioning, entry 0: its ControlNet is for a Stable Diffusion 1.x model with 64-wide text"
    with pytest.raises(DiffusionError, match=f"{words}.*this model has {width}-wide text"):
        predicted(checkpoint, positive, prompt(width))


def test_what_a_cache_counts(net: ControlNet, hint: Tensor) -> None:
    control = Control(net, hint, previous=Control(net, hint))
    parts = dict(control.memory_parts)
    assert parts[id(hint)] == hint.nbytes
    assert parts[id(net.network.base)] == sum(p.nbytes for p in net.network.base.parameters())
    control.read(net.network.base, 64, 64)
    assert sum(dict(control.memory_parts).values()) > sum(parts.values())


def test_its_network_stays_on_the_device_through_a_run(
    sd15: LoadedCheckpoint, file: Path, hint: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = DeviceMemory(CPU)
    net = load_controlnet(file, device=memory, dtype=torch.float32)
    run = run_of(sd15)
    (positive,) = with_control([prompt()], net, hint, 1.0)
    resolve_sides({"positive": positive}, run)
    assert memory._pinned == [net.network.base]
    run.held.close()
    assert memory._pinned == []


# By ComfyUI's names.


def test_a_control_that_a_pack_puts_on_is_the_nodes(sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor) -> None:
    """The loop that packs write, over both sides; one acts before it."""
    before, wanted = ([prompt(), prompt(a=1)] for _ in range(2))
    before = with_control(before, net, hint, 0.4)
    wanted = with_control(with_control(wanted, net, hint, 0.4), net, hint.flip(1), 0.8, 0.0, 0.9)
    made: dict[Any, Any] = {}
    mine = []
    for side in before:
        entries = []
        for cond, options in side:
            previous = options.get("control")
            if previous not in made:
                made[previous] = net.copy().set_cond_hint(hint.flip(1).movedim(-1, 1), 0.8, (0.0, 0.9))
                made[previous].set_previous_controlnet(previous)
            entries.append([cond, {**options, "control": made[previous], "control_apply_to_uncond": False}])
        mine.append(entries)
    assert torch.equal(predicted(sd15, *mine), predicted(sd15, *wanted))
    assert not torch.equal(predicted(sd15, *mine), predicted(sd15, *before))


def test_a_prompt_for_the_controls_alone(sd15: LoadedCheckpoint, net: ControlNet, hint: Tensor) -> None:
    """The model reads its own prompt, the ControlNet the other; a side that shares the control keeps its own."""
    (positive,) = with_control([prompt(a=1)], net, hint, 1.0, for_all=True)
    negative, other = prompt(b=2), prompt(c=3)
    told = [[positive[0][0], positive[0][1] | {"cross_attn_controlnet": other[0][0]}]]
    run = run_of(sd15)
    one, two = (side[0] for side in resolve_sides({"positive": told, "negative": negative}, run))
    assert two.control is one.control is not None
    assert two.control_prompt is None
    x, times = torch.randn(2, 4, 8, 8), torch.tensor([7.0, 7.0])
    assert one.control_prompt is not None
    alone = PromptedControl(one.control, one.control_prompt).residuals(x, times, one.context, None, SIGMA)
    expected = one.control.residuals(x, times, other[0][0].expand(2, -1, -1), None, SIGMA)
    torch.testing.assert_close(alone, expected)
    found = predicted(sd15, told, negative)
    assert not torch.allclose(found, predicted(sd15, positive, negative), atol=1e-3)
    same = [[positive[0][0], positive[0][1] | {"cross_attn_controlnet": positive[0][0]}]]
    torch.testing.assert_close(
        predicted(sd15, same, negative), predicted(sd15, positive, negative), atol=1e-4, rtol=1e-4
    )
