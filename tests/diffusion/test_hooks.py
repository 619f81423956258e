"""Hooks: a prompt that carries a LoRA is sampled as by a model with the LoRA, in each stretch of the run.

The reference is what hooks replace: a model with the LoRA on it, and stages with and without it. Which keyframe acts is
told by ComfyUI's documentation of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import weft
from weft.nodes.core import hooks as faces
from weft.nodes.diffusion.errors import DiffusionError, PatchError
from weft.nodes.diffusion.sampling.conditions import Condition, SamplingRun, resolve
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import GuidedNetwork
from weft.nodes.diffusion.sampling.hooked import HookedModel, strength_at
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint
from weft.nodes.diffusion.weights.hooks import ClipHooks, Hook, Hooks, Keyframe, LoraChange, ModelChange, with_hooks
from weft.nodes.diffusion.weights.keyframes import eased, numbers
from weft.nodes.diffusion.weights.lora import Lora, apply_lora, load_lora

from .ksampling import ksample

STEPS, CUT = 4, 2
LATENT: dict[str, Any] = {"samples": torch.zeros(1, 4, 8, 8)}


@pytest.fixture(scope="module")
def sd1(open_checkpoint: Callable[..., Any]) -> LoadedCheckpoint:
    found: LoadedCheckpoint = open_checkpoint("sd1")
    return found


@pytest.fixture(scope="module")
def lora(sd1: LoadedCheckpoint, tmp_path_factory: pytest.TempPathFactory) -> Lora:
    """Of every attention's query, in the model and in the text encoder."""
    generator = torch.Generator().manual_seed(5)
    tensors: dict[str, Tensor] = {}
    assert sd1.clip is not None
    networks = {"lora_unet": sd1.model.network.base, "lora_te": sd1.clip.encoders[0].network.base}
    for start, network in networks.items():
        for name, parameter in network.named_parameters():
            if name.endswith((".to_q.weight", ".q_proj.weight")):
                name = (
                    name.removesuffix(".weight")
                    if start == "lora_unet"
                    else f"text_model.{name[:-7].removeprefix('text_model.')}"
                )
                layer = f"{start}_{name.replace('.', '_')}"
                tensors[f"{layer}.lora_up.weight"] = torch.randn(parameter.shape[0], 2, generator=generator)
                tensors[f"{layer}.lora_down.weight"] = torch.randn(2, parameter.shape[1], generator=generator)
    path = tmp_path_factory.mktemp("hooks") / "style.safetensors"
    save_file(tensors, path)
    return load_lora(path)


def prompts(sd1: LoadedCheckpoint, hooks: Hooks | None = None) -> dict[str, Any]:
    assert sd1.clip is not None
    sides = {"positive": sd1.clip.encode("a cat"), "negative": sd1.clip.encode("")}
    return {side: [[cond, with_hooks(options, hooks)] for cond, options in each] for side, each in sides.items()}


def sampled(model: Any, conditionings: Any, latent: Any = LATENT, **changes: Any) -> Any:
    settings = {"seed": 3, "steps": STEPS, "cfg": 3.0, "sampler": "euler", "scheduler": "normal", **changes}
    return ksample(model, latent, **conditionings, **settings)


def with_lora(sd1: LoadedCheckpoint, lora: Lora, strength: float) -> Any:
    return apply_lora(sd1.model, None, lora, strength, 0.0)[0]


def hook(lora: Lora, strength: float = 0.8, *keyframes: Keyframe) -> Hooks:
    return Hooks((Hook(LoraChange(lora), strength, strength, keyframes),))


def between(sampling: ModelSampling, step: int) -> float:
    """A share of the way that lies between the levels of steps step - 1 and step, of the schedule of `sampled`."""
    from weft.nodes.diffusion.sampling.schedules import schedule

    sigmas = schedule(sampling, "normal", STEPS)
    shares = [at / 1000 for at in range(1000)]
    return next(share for share in shares if sigmas[step] < sampling.percent_to_sigma(share) < sigmas[step - 1])


def test_prompts_with_a_lora_are_sampled_as_by_the_model_with_it(sd1: LoadedCheckpoint, lora: Lora) -> None:
    carried = sampled(sd1.model, prompts(sd1, hook(lora)))["samples"]
    assert torch.equal(carried, sampled(with_lora(sd1, lora, 0.8), prompts(sd1))["samples"])
    assert not torch.equal(carried, sampled(sd1.model, prompts(sd1))["samples"])


def test_a_wrapper_around_the_network_finds_it_changed(sd1: LoadedCheckpoint, lora: Lora) -> None:
    wrapped = sd1.model.clone()
    wrapped.set_model_unet_function_wrapper(lambda apply, args: apply(args["input"], args["timestep"], **args["c"]))
    carried = sampled(wrapped, prompts(sd1, hook(lora)))["samples"]
    assert torch.equal(carried, sampled(with_lora(sd1, lora, 0.8), prompts(sd1))["samples"])


@pytest.mark.usefixtures("packs")
def test_packs_that_sample_follow_keyframes(sd1: LoadedCheckpoint, lora: Lora) -> None:
    import comfy.sample

    carried = prompts(sd1, hook(lora, 0.8, Keyframe(1.0, 0.0), Keyframe(0.0, between(sd1.model.sampling, CUT))))
    noise = comfy.sample.prepare_noise(LATENT["samples"], 3)
    names = {"sampler_name": "euler", "scheduler": "normal", "latent_image": LATENT["samples"], "seed": 3}
    mine = comfy.sample.sample(sd1.model, noise, STEPS, 3.0, **carried, **names)
    assert torch.equal(mine, sampled(sd1.model, carried)["samples"])
    assert not torch.equal(mine, sampled(sd1.model, prompts(sd1, hook(lora)))["samples"])


def test_one_side_alone(sd1: LoadedCheckpoint, lora: Lora) -> None:
    """At cfg 1 only the positive side counts, whatever the other carries."""
    mixed = prompts(sd1) | {"negative": prompts(sd1, hook(lora))["negative"]}
    assert torch.equal(
        sampled(sd1.model, mixed, cfg=1.0)["samples"], sampled(sd1.model, prompts(sd1), cfg=1.0)["samples"]
    )
    assert not torch.equal(sampled(sd1.model, mixed)["samples"], sampled(sd1.model, prompts(sd1))["samples"])


@pytest.mark.parametrize(
    ("mode", "first", "second"), [("comfy", 1.0, 0.0), ("continuous", 0.0, 1.0), ("continuous", 1.0, 0.5)]
)
def test_a_lora_switched_half_way_is_two_stages(
    sd1: LoadedCheckpoint, lora: Lora, mode: str, first: float, second: float
) -> None:
    """KSampler with keyframes, against KSampler (Advanced) twice, with the LoRA at one strength and at the other.

    In continuous mode bit by bit, of a sampler with memory too; in comfy mode to the rounding of the latent between
    the stages, of one without.
    """
    keyframes = (Keyframe(first), Keyframe(second, between(sd1.model.sampling, CUT)))
    sampler = "dpmpp_2m" if mode == "continuous" else "euler"
    single = sampled(sd1.model, prompts(sd1, hook(lora, 0.8, *keyframes)), sampler=sampler, mode=mode)["samples"]
    stages = LATENT
    for start, end, strength in ((0, CUT, first), (CUT, None, second)):
        model = with_lora(sd1, lora, 0.8 * strength) if strength else sd1.model
        stages = sampled(
            model, prompts(sd1), stages, sampler=sampler, mode=mode, start=start, end=end, add_noise=start == 0
        )
    if mode == "continuous":
        assert torch.equal(single, stages["samples"])
    else:
        torch.testing.assert_close(single, stages["samples"], rtol=1e-5, atol=1e-4)
    assert not torch.allclose(
        single, sampled(sd1.model, prompts(sd1), sampler=sampler, mode=mode)["samples"], atol=1e-3
    )


def test_stages_of_a_run_with_keyframes_are_the_run(sd1: LoadedCheckpoint, lora: Lora) -> None:
    """In continuous mode, wherever it is cut: keyframes count the levels of the whole schedule."""
    rows = tuple(Keyframe(factor, at / 10) for at, factor in enumerate((1.0, 0.2, 0.7, 0.4, 0.9)))
    carried = prompts(sd1, hook(lora, 0.8, *rows))
    whole = sampled(sd1.model, carried, mode="continuous")["samples"]
    for cut in (1, 3):
        half = sampled(sd1.model, carried, mode="continuous", end=cut)
        rest = sampled(sd1.model, carried, half, mode="continuous", start=cut, add_noise=False)
        assert torch.equal(rest["samples"], whole)


def test_hooks_add_up_behind_what_the_model_has(sd1: LoadedCheckpoint, lora: Lora) -> None:
    twice = hook(lora, 0.5) + hook(lora, 0.25)
    carried = sampled(sd1.model, prompts(sd1, twice))["samples"]
    both = apply_lora(with_lora(sd1, lora, 0.5), None, lora, 0.25, 0.0)[0]
    assert torch.equal(carried, sampled(both, prompts(sd1))["samples"])
    assert twice + twice == twice


def test_only_networks_of_the_last_levels_are_kept(sd1: LoadedCheckpoint, lora: Lora) -> None:
    hooks = hook(lora, 1.0, Keyframe(1.0), *(Keyframe(at / 10, at / 10, False) for at in range(1, 9)))
    plain: Any = object()
    levels = [float(sd1.model.sampling.percent_to_sigma(at / 10 + 0.05)) for at in range(9)]
    model = HookedModel(sd1.model, plain, levels)
    made = [model.denoiser(hooks, level) for level in levels]
    assert len({id(each) for each in made}) == 9
    assert len(model._held) <= 2
    assert model.denoiser(hooks, levels[-1]) is made[-1]
    assert model.denoiser(None, levels[-1]) is plain
    model.close()
    assert not model._held


def test_a_hook_for_another_model(sd1: LoadedCheckpoint, tmp_path: Path) -> None:
    save_file(
        {
            "lora_unet_nowhere.lora_up.weight": torch.zeros(2, 2),
            "lora_unet_nowhere.lora_down.weight": torch.zeros(2, 2),
        },
        tmp_path / "x.safetensors",
    )
    with pytest.raises(PatchError, match="of the 1 layers of 'x.safetensors' none fits"):
        sampled(sd1.model, prompts(sd1, hook(load_lora(tmp_path / "x.safetensors"))))
    with pytest.raises(DiffusionError, match="hooks are of an unknown kind: str"):
        conditionings: Any = {
            side: [[cond, {**options, "hooks": "?"}] for cond, options in each] for side, each in prompts(sd1).items()
        }
        sampled(sd1.model, conditionings)


def test_what_a_hook_leaves_out_is_told_once(sd1: LoadedCheckpoint, lora: Lora, tmp_path: Path) -> None:
    tensors = {
        f"{layer}.lora_{role}.weight": each for layer, roles in lora.layers.items() for role, each in roles.items()
    }
    odd = {f"lora_unet_nowhere.lora_{role}.weight": torch.zeros(2, 2) for role in ("up", "down")}
    save_file({**tensors, **odd}, tmp_path / "odd.safetensors")
    plain: Any = None
    told: list[str] = []
    model = HookedModel(sd1.model, plain, [10.0, 1.0], told.append)
    hooks = hook(load_lora(tmp_path / "odd.safetensors"), 1.0, Keyframe(1.0), Keyframe(0.5, 0.9))
    for level in (10.0, 1.0, 0.1):
        model.denoiser(hooks, level)
    assert told == ["odd.safetensors: 1 key of no layer in this model: lora_unet_nowhere"]


def test_another_checkpoint_as_a_hook(sd1: LoadedCheckpoint, open_checkpoint: Callable[..., Any]) -> None:
    """At strength 1 it is that checkpoint; on a model with a LoRA the LoRA stays."""
    other: LoadedCheckpoint = open_checkpoint("sd1", seed=1)
    change = Hooks((Hook(ModelChange(other), 1.0, 1.0),))
    carried = sampled(sd1.model, prompts(sd1, change))["samples"]
    torch.testing.assert_close(carried, sampled(other.model, prompts(sd1))["samples"], rtol=1e-4, atol=1e-3)
    assert sd1.clip is not None
    assert other.clip is not None
    encoded = ClipHooks(change, carried=False, scheduled=False).encode(sd1.clip, lambda clip: clip.encode("a cat"))
    torch.testing.assert_close(encoded[0][0], other.clip.encode("a cat")[0][0], rtol=1e-4, atol=1e-4)
    with pytest.raises(PatchError, match="cannot be put on"):
        sampled(sd1.model, prompts(sd1, Hooks((Hook(ModelChange(open_checkpoint("sd2")), 1.0, 1.0),))))


# Keyframes

FLOW = ModelSampling.flow()
"""Whose noise level is 1 less the share of the way."""


@pytest.mark.parametrize(
    ("keyframes", "strengths"),
    [
        ((), [1, 1, 1, 1, 1]),
        (((0.5, 0.0),), [0.5, 0.5, 0.5, 0.5, 0.5]),
        (((2, 0.0), (3, 0.5)), [2, 2, 3, 3, 3]),
        # The first acts from the beginning, wherever it begins; it lasts one level, as every guaranteed one does.
        (((2, 0.5), (3, 0.9)), [2, 2, 2, 2, 3]),
        (((2, 0.0), (3, 0.1), (4, 0.2), (5, 0.3)), [2, 3, 4, 5, 5]),
        # Those that are not guaranteed are passed over.
        (((2, 0.0), (3, 0.1, False), (4, 0.2, False), (5, 0.3)), [2, 4, 5, 5, 5]),
        (((2, 0.0), (3, 0.0)), [2, 3, 3, 3, 3]),
    ],
)
def test_which_keyframe_acts(keyframes: Any, strengths: list[float]) -> None:
    rows = [Keyframe(*each) for each in keyframes]
    levels = [1.0, 0.75, 0.5, 0.25, 0.1]
    assert [strength_at(rows, levels[: at + 1], FLOW) for at in range(5)] == strengths


def test_keyframes_before_the_run_do_not_hold_it_up() -> None:
    """So of two that begin with an exploding run, all of whose levels are below its start, the later acts at once."""
    rows = [Keyframe(2), Keyframe(3, 0.1), Keyframe(4, 0.2), Keyframe(5, 0.9)]
    assert [strength_at(rows, [0.5, 0.3, 0.05][:count], FLOW) for count in (1, 2, 3)] == [4, 4, 5]
    assert strength_at([Keyframe(2), Keyframe(3)], [14.6], ModelSampling.discrete()) == 3


def test_rows_of_keyframes() -> None:
    context: Any = None
    rows = faces.CreateHookKeyframesInterpolated(
        strength_start=0.0,
        strength_end=1.0,
        interpolation="ease_in",
        start_percent=0.2,
        end_percent=0.8,
        keyframes_count=3,
        print_keyframes=False,
        context=context,
    )
    assert [(each.strength, each.guaranteed) for each in rows] == [(0.0, True), (0.25, False), (1.0, False)]
    assert [each.start_percent for each in rows] == pytest.approx([0.2, 0.5, 0.8])
    joined = faces.CreateHookKeyframe(strength_mult=2.0, start_percent=0.3, prev_hook_kf=rows)
    assert [each.strength for each in joined] == [0.0, 2.0, 0.25, 1.0]
    assert eased(0.0, 1.0, 5, "ease_out")[1:4] == pytest.approx([0.4375, 0.75, 0.9375])
    assert eased(1.0, 0.0, 3, "ease_in_out") == pytest.approx([1.0, 0.5, 0.0])
    assert (numbers(2), numbers((1, 2.5))) == ([2.0], [1.0, 2.5])
    for bad in ("text", [], object()):
        with pytest.raises(DiffusionError, match="expected a number or several"):
            numbers(bad)


# Text encoders


def test_prompts_are_encoded_with_the_hooks_of_the_clip(sd1: LoadedCheckpoint, lora: Lora) -> None:
    assert sd1.clip is not None
    hooks = hook(lora, 0.8, Keyframe(0.0), Keyframe(1.0, 0.5))
    loaded = apply_lora(None, sd1.clip, lora, 0.0, 0.8)[1]
    assert loaded is not None
    clip = faces.SetClipHooks(clip=sd1.clip, hooks=hooks, apply_to_conds=True, schedule_clip=False)
    ((cond, options),) = clip.encode("a cat")
    assert torch.equal(cond, loaded.encode("a cat")[0][0])
    assert options["hooks"] == hooks
    alone = faces.SetClipHooks(clip=clip.with_layer(-1), hooks=hooks, apply_to_conds=False, schedule_clip=False)
    assert "hooks" not in alone.encode("a cat")[0][1]
    scheduled = faces.SetClipHooks(clip=sd1.clip, hooks=hooks, apply_to_conds=False, schedule_clip=True)
    (before, when), (after, then) = scheduled.encode("a cat")
    assert torch.equal(before, sd1.clip.encode("a cat")[0][0])
    assert torch.equal(after, cond)
    stretches = [(each["clip_start_percent"], each["clip_end_percent"]) for each in (when, then)]
    assert stretches == [(0.0, 0.5), (0.5, 1.0)]


# Conditionings


def test_what_is_set_up() -> None:
    hooks, mask = Hooks(), torch.ones(4, 4)
    during, before, after = faces.ConditioningTimestepsRange(start_percent=0.2, end_percent=0.6)
    assert (during, before, after) == ((0.2, 0.6), (0.0, 0.2), (0.6, 1.0))
    prompt: Any = [[torch.zeros(1), {"a": 1}]]
    set_up: Any = faces.PairConditioningSetPropertiesAndCombine
    given = {"strength": 0.5, "set_cond_area": "mask bounds", "mask": mask, "timesteps": during, "hooks": hooks}
    sides = set_up(positive=prompt, negative=prompt, positive_NEW=prompt, negative_NEW=prompt, **given)
    for old, new in sides:
        assert old is prompt[0]
        assert (new[1]["start_percent"], new[1]["end_percent"], new[1]["mask_strength"]) == (0.2, 0.6, 0.5)
        assert new[1]["set_area_to_bounds"]
    (plain,) = faces.ConditioningSetProperties(cond_NEW=prompt, strength=0.5, set_cond_area="default")
    assert plain == prompt[0]
    (_, rest) = faces.ConditioningSetDefaultCombine(cond=prompt, cond_DEFAULT=prompt)
    assert rest[1] == {"a": 1, "default": True}
    assert [
        len(each)
        for each in faces.PairConditioningCombine(
            positive_A=prompt, negative_A=prompt, positive_B=prompt, negative_B=[]
        )
    ] == [2, 1]
    assert faces.CombineHooks2() is None


def test_a_stretch_of_the_prompt_and_one_of_its_encoding() -> None:
    """Both bound when it acts."""
    run: Any = SamplingRun(ConstantDenoiser(), (1, 4, 4, 4), torch.device("cpu"))
    options = {"start_percent": 0.2, "end_percent": 0.9, "clip_start_percent": 0.5, "clip_end_percent": 1.0}
    (found,) = resolve([[torch.zeros(1, 1, 1), options]], "positive", run)
    assert (found.sigma_start, found.sigma_end) == (pytest.approx(0.5), pytest.approx(0.1))


class ConstantDenoiser:
    """Gives for each item the mean of its context."""

    sampling = FLOW
    context_repeats = 1

    def feed(self, context: Tensor, options: Any, side: str, run: Any) -> Any:
        from weft.nodes.diffusion.families.protocol import Fed

        return Fed(context, {})

    def __call__(self, x: Tensor, sigma: Tensor, context: Tensor, *more: Any, **others: Any) -> Tensor:
        return context.mean(dim=(1, 2)).reshape(-1, *[1] * (x.dim() - 1)).expand_as(x)


def condition(value: float, **more: Any) -> Condition:
    return Condition(torch.full((1, 1, 1), value), {}, **more)


def test_default_prompts_act_where_others_leave_room() -> None:
    run: Any = SamplingRun(ConstantDenoiser(), (1, 4, 2, 4), torch.device("cpu"))
    mask = torch.tensor([1.0, 0.75, 0.0, 0.0]).expand(1, 2, 4)
    x, sigma = torch.zeros(1, 4, 2, 4), torch.tensor(0.5)
    side = [condition(1.0, mask=mask), condition(5.0, default=True)]
    network = GuidedNetwork(run)
    (found,) = network.predict([side], x, sigma, {})
    torch.testing.assert_close(found[0, 0, 0], torch.tensor([1.0, 0.75 + 0.25 * 5, 5.0, 5.0]))
    (alone,) = network.predict([side[1:]], x, sigma, {})
    torch.testing.assert_close(alone, torch.full_like(x, 5.0))
    (full,) = network.predict([[condition(1.0), side[1]]], x, sigma, {})
    torch.testing.assert_close(full, torch.ones_like(x))


def graph(ckpt: str, lora: str, carried: bool, share: float) -> dict[str, Any]:
    """A run in which a LoRA is switched on at step CUT: a prompt schedule, or prompts that carry it."""
    course = {
        "add_noise": "enable", "noise_seed": 7, "steps": STEPS, "cfg": 2.0, "sampler_name": "euler_ancestral",
        "scheduler": "normal", "start_at_step": 0, "end_at_step": 10_000, "return_with_leftover_noise": "disable",
        "latent_image": ["4", 0], "model": ["1", 0],
    }  # fmt: skip
    table = {"loras": f"{lora}: 0, 1 from {CUT}", "clip": ["1", 1], "positive": "a cat", "negative": ""}
    nodes: dict[str, tuple[str, dict[str, Any]]] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": ckpt}),
        "4": ("EmptyLatentImage", {"width": 32, "height": 32, "batch_size": 1}),
        "5": ("KSamplerPromptSchedule", {**course, **table}),
    }
    if carried:
        nodes |= {
            "20": ("CreateHookLora", {"lora_name": lora, "strength_model": 1.0, "strength_clip": 1.0}),
            "21": ("CreateHookKeyframe", {"strength_mult": 0.0, "start_percent": 0.0}),
            "22": ("CreateHookKeyframe", {"strength_mult": 1.0, "start_percent": share, "prev_hook_kf": ["21", 0]}),
            "23": ("SetHookKeyframes", {"hooks": ["20", 0], "hook_kf": ["22", 0]}),
            "24": (
                "SetClipHooks",
                {"clip": ["1", 1], "hooks": ["23", 0], "apply_to_conds": True, "schedule_clip": True},
            ),
            "2": ("CLIPTextEncode", {"text": "a cat", "clip": ["24", 0]}),
            "3": ("CLIPTextEncode", {"text": "", "clip": ["24", 0]}),
            "5": ("KSamplerAdvanced", {**course, "positive": ["2", 0], "negative": ["3", 0]}),
        }
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


def test_hooks_are_a_prompt_schedule_of_loras(random_models: Path) -> None:
    """Bit by bit, model and text encoder, from the nodes on."""
    session = weft.Session(models=(random_models,), device="cpu", dtype="float32", sampling="continuous")
    share = between(ModelSampling.discrete(), CUT)

    def latent(carried: bool) -> Tensor:
        prompt = session.read(graph("weft-tiny.safetensors", "weft-pixel.safetensors", carried, share))
        found: Tensor = session.execute(session.plan(prompt, ["5"]))["5"][0]["samples"]
        return found

    assert torch.equal(latent(True), latent(False))
