"""What packs sample with has the numbers of Weft's own nodes: comfy.sample, comfy.samplers, comfy.k_diffusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.eras import numbers_of
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.custom import custom_sample
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.guiders import DualCFG, Guider
from weft.nodes.diffusion.sampling.noise import RandomNoise
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedules import ksampler_schedule, schedule
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

SEED = 5


pytestmark = pytest.mark.usefixtures("packs")


@pytest.fixture
def model(open_checkpoint: Callable[..., Any]) -> ModelPatcher:
    return open_checkpoint("sd1").model


@pytest.fixture
def prompts() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    positive, negative = (torch.randn(1, 77, 64, generator=generator) for _ in range(2))
    return {"positive": [[positive, {}]], "negative": [[negative, {"strength": 0.8}]]}


def latent(mask: bool = False) -> dict[str, Tensor]:
    samples = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    return {"samples": samples, **({"noise_mask": torch.tensor([[[0.0, 1.0], [1.0, 0.3]]])} if mask else {})}


def by_comfy(model: ModelPatcher, start: Mapping[str, Tensor], **given: Any) -> Tensor:
    import comfy.sample

    noise = comfy.sample.prepare_noise(start["samples"], SEED)
    mask = start.get("noise_mask")
    return comfy.sample.sample(model, noise, latent_image=start["samples"], noise_mask=mask, seed=SEED, **given)


def by_weft(model: ModelPatcher, start: Mapping[str, Tensor], **given: Any) -> Tensor:
    names = {"sampler_name": "sampler", "start_step": "start", "last_step": "end"}
    result = ksample(model, start, seed=SEED, **{names.get(name, name): value for name, value in given.items()})
    return result["samples"]


@pytest.mark.parametrize(
    "name", ["euler", "dpmpp_2m_sde", "ddim", "euler_cfg_pp", "dpm_2_ancestral", "uni_pc", "dpm_fast"]
)
@pytest.mark.parametrize("mask", [False, True])
def test_sample_equals_ksampler(model: ModelPatcher, prompts: dict[str, Any], name: str, mask: bool) -> None:
    given = {**prompts, "sampler_name": name, "scheduler": "karras", "steps": 3, "cfg": 4.0, "denoise": 0.8}
    start = latent(mask)
    assert torch.equal(by_comfy(model, start, **given), by_weft(model, start, **given))


def test_sample_of_a_stretch_equals_ksampler_advanced(model: ModelPatcher, prompts: dict[str, Any]) -> None:
    given = {**prompts, "sampler_name": "euler_ancestral", "scheduler": "normal", "steps": 5, "cfg": 3.0}
    given |= {"start_step": 1, "last_step": 3, "force_full_denoise": True}
    assert torch.equal(by_comfy(model, latent(), **given), by_weft(model, latent(), **given))


def test_every_sampler_and_scheduler_is_there_by_name() -> None:
    import comfy.k_diffusion.sampling
    import comfy.samplers
    from comfy.samplers import KSampler

    assert list(SAMPLERS) == KSampler.SAMPLERS == comfy.samplers.SAMPLER_NAMES
    assert comfy.samplers.SCHEDULER_NAMES is KSampler.SCHEDULERS
    for name in comfy.samplers.KSAMPLER_NAMES:
        assert callable(getattr(comfy.k_diffusion.sampling, f"sample_{name}"))
    for name in KSampler.SAMPLERS:
        assert isinstance(comfy.samplers.sampler_object(name), comfy.samplers.KSAMPLER)


def test_schedules_are_wefts(model: ModelPatcher) -> None:
    from comfy.samplers import KSampler, calculate_sigmas

    levels = model.get_model_object("model_sampling")
    for name in KSampler.SCHEDULERS:
        assert torch.equal(calculate_sigmas(levels, name, 6), schedule(model.sampling, name, 6))
    made = KSampler(model, 4, model.load_device, "dpm_2", "karras", 0.5).sigmas
    wanted = ksampler_schedule(model.sampling, "karras", 4, denoise=0.5, discard_penultimate=True)
    assert torch.equal(made, wanted)


def test_a_scheduler_and_a_sampler_of_a_pack(model: ModelPatcher, prompts: dict[str, Any]) -> None:
    """A pack puts both into ComfyUI's tables, as packs do."""
    import comfy.k_diffusion.sampling as k
    import comfy.samplers as s

    steps: list[int] = []

    def sample_mine(
        model: Any, x: Tensor, sigmas: Tensor, extra_args: Any = None, callback: Any = None, disable: Any = None
    ) -> Tensor:
        for i in range(len(sigmas) - 1):
            denoised = model(x, sigmas[i] * x.new_ones([x.shape[0]]), **(extra_args or {}))
            callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised})
            x = x + k.to_d(x, sigmas[i], denoised) * (sigmas[i + 1] - sigmas[i])
        return x

    k.sample_mine = sample_mine  # type: ignore[attr-defined]
    s.SCHEDULER_HANDLERS["mine"] = s.SchedulerHandler(k.get_sigmas_karras, False)
    try:
        given = {**prompts, "steps": 3, "cfg": 4.0, "denoise": 0.8}
        mine = by_comfy(
            model,
            latent(),
            sampler_name="mine",
            scheduler="mine",
            callback=lambda step, x0, x, total: steps.append(total - step),
            **given,
        )
        assert torch.equal(mine, by_weft(model, latent(), sampler_name="euler", scheduler="karras", **given))
        assert steps == [3, 2, 1]
    finally:
        del k.sample_mine, s.SCHEDULER_HANDLERS["mine"]  # type: ignore[attr-defined]


def test_a_guider_of_a_pack_steers_custom_sampling(model: ModelPatcher, prompts: dict[str, Any]) -> None:
    """Dual guidance written by a pack, as SamplerCustomAdvanced runs it, equals DualCFGGuider's."""
    from comfy.samplers import CFGGuider, calc_cond_batch, cfg_function

    class Dual(CFGGuider):
        def set_conds(self, first: Any, second: Any, negative: Any) -> None:
            self.inner_set_conds({"positive": first, "middle": second, "negative": negative})

        def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: Any = None) -> Tensor:
            sides = [self.conds["positive"], self.conds["middle"], self.conds["negative"]]
            first, second, negative = calc_cond_batch(self.inner_model, sides, x, timestep, model_options)
            guided = cfg_function(
                self.inner_model, second, negative, 2.0, x, timestep, model_options, cond=sides[1], uncond=sides[2]
            )
            return guided + (first - second) * 3.0

    middle = [[prompts["positive"][0][0] * 0.5, {}]]
    guider = Dual(model)
    guider.set_conds(prompts["positive"], middle, prompts["negative"])
    own = Guider(model, DualCFG(prompts["positive"], middle, prompts["negative"], 3.0, 2.0))
    sigmas = ksampler_schedule(model.sampling, "normal", 3)
    for sampler in (SAMPLERS["euler"], SAMPLERS["dpmpp_2m_sde"]):
        given = sampler, sigmas, RandomNoise(SEED), latent(mask=True)
        mine, wanted = custom_sample(guider, *given), custom_sample(own, *given)
        for a, b in zip(mine, wanted, strict=True):
            assert torch.equal(a["samples"], b["samples"])


def test_a_guider_of_a_pack_opens_two_models(model: ModelPatcher, prompts: dict[str, Any]) -> None:
    """Guidance by a worse model (Karras et al. 2024), as packs write it: a run of their own, prepared by hand."""
    import comfy.sampler_helpers as helpers
    from comfy.samplers import CFGGuider, calc_cond_batch, process_conds

    class TwoModels(CFGGuider):
        def __init__(self, good: Any, bad: Any) -> None:
            super().__init__(good)
            self.bad = bad

        def outer_sample(self, noise: Tensor, latent_image: Tensor, *args: Any, **named: Any) -> Tensor:
            self.inner_bad, conds, models = helpers.prepare_sampling(self.bad, noise.shape, dict(self.conds))
            self.bad_conds = process_conds(self.inner_bad, noise, conds, noise.device, latent_image)
            try:
                return super().outer_sample(noise, latent_image, *args, **named)
            finally:
                helpers.cleanup_models(conds, models)

        def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: Any = None) -> Tensor:
            good = calc_cond_batch(self.inner_model, [self.conds["positive"]], x, timestep, model_options)[0]
            bad = calc_cond_batch(self.inner_bad, [self.bad_conds["positive"]], x, timestep, {})[0]
            return bad + (good - bad) * self.cfg

    sigmas = ksampler_schedule(model.sampling, "normal", 2)
    results = {}
    for scale, other in ((1.0, model.clone()), (3.0, model.clone()), (3.0, _halved(model))):
        guider = TwoModels(model, other)
        guider.set_conds(prompts["positive"], [])
        guider.set_cfg(scale)
        made = custom_sample(guider, SAMPLERS["euler"], sigmas, RandomNoise(SEED), latent())[0]["samples"]
        results[scale, bool(other.network.patches)] = made
    own = Guider(model, CFG(prompts["positive"], [], 1.0))
    plain = custom_sample(own, SAMPLERS["euler"], sigmas, RandomNoise(SEED), latent())[0]["samples"]
    for made, same in ((results[1.0, False], True), (results[3.0, False], True), (results[3.0, True], False)):
        assert torch.allclose(made, plain, atol=1e-3) is same


def _halved(model: ModelPatcher) -> ModelPatcher:
    """A worse model: one of its weights is half as large."""
    other = model.clone()
    assert other.add_patches(model.get_key_patches("diffusion_model.out.2.weight"), 0.0, 0.5)
    return other


def test_a_sampler_of_a_pack_runs_with_wefts_guider(model: ModelPatcher, prompts: dict[str, Any]) -> None:
    from comfy.samplers import KSAMPLER, sampler_object

    inner = sampler_object("euler_ancestral_cfg_pp")
    seen: list[tuple[int, ...]] = []

    def watched(model: Any, x: Tensor, sigmas: Tensor, **given: Any) -> Tensor:
        seen.append(tuple(x.shape))
        return inner.sampler_function(model, x, sigmas, **given)

    guider = Guider(model, CFG(**prompts, scale=4.0))
    sigmas = ksampler_schedule(model.sampling, "normal", 3)
    given = sigmas, RandomNoise(SEED), latent(mask=True)
    mine, _ = custom_sample(guider, KSAMPLER(watched), *given)
    wanted, _ = custom_sample(guider, SAMPLERS["euler_ancestral_cfg_pp"], *given)
    assert torch.equal(mine["samples"], wanted["samples"])
    assert seen == [(1, 4, 8, 8)]


def test_wefts_guider_and_sampler_are_called_by_packs(model: ModelPatcher, prompts: dict[str, Any]) -> None:
    """As packs that take a GUIDER and a SAMPLER do."""
    guider, sampler = Guider(model, CFG(**prompts, scale=4.0)), SAMPLERS["dpmpp_2m"]
    sigmas = ksampler_schedule(model.sampling, "normal", 3)
    start, noise = latent(), RandomNoise(SEED)
    mine = guider.sample(noise.generate_noise(start), start["samples"], sampler, sigmas, seed=SEED)
    assert torch.equal(mine, custom_sample(guider, sampler, sigmas, noise, start)[0]["samples"])
    assert guider.model_patcher is model


def test_a_replaced_function_is_obeyed_by_what_packs_sample_with(
    model: ModelPatcher, prompts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import comfy.samplers

    own = comfy.samplers.sampling_function
    monkeypatch.setattr(comfy.samplers, "sampling_function", lambda *args, **named: own(*args, **named) * 0.5)
    given = {**prompts, "sampler_name": "euler", "scheduler": "normal", "steps": 1, "cfg": 4.0}
    assert not torch.equal(by_comfy(model, latent(), **given), by_weft(model, latent(), **given))


def test_options_that_a_sampler_lacks_are_refused() -> None:
    from comfy.k_diffusion.sampling import sample_euler

    sigmas = torch.tensor([2.0, 1.0, 0.0])
    moved = sample_euler(lambda x, sigma: x * 0.5, torch.ones(1, 4, 2, 2), sigmas, s_churn=0.0)
    assert float(moved.mean()) == pytest.approx(0.375)
    with pytest.raises(DiffusionError, match="euler has no option 's_churn'"):
        sample_euler(lambda x, sigma: x * 0.5, torch.ones(1, 4, 2, 2), sigmas, s_churn=1.0)


def test_the_noise_that_packs_draw(model: ModelPatcher) -> None:
    from comfy.k_diffusion.sampling import BrownianTreeNoiseSampler, default_noise_sampler, get_ancestral_step
    from comfy.sample import prepare_noise

    x = torch.zeros(1, 4, 4, 4)
    assert torch.equal(default_noise_sampler(x, seed=3)(None, None), prepare_noise(x, 4))
    with numbers_of("0.3.64"):
        assert torch.equal(default_noise_sampler(x, seed=3)(None, None), prepare_noise(x, 3))
    tree = BrownianTreeNoiseSampler(x, torch.tensor(0.03), torch.tensor(14.6), seed=3)
    sigmas = torch.tensor([14.6, 2.0, 0.03])
    own = SAMPLERS["dpmpp_2m_sde"].noise(x, sigmas, 3)
    assert torch.equal(tree(sigmas[0], sigmas[1]), own(0, sigmas[0], sigmas[1]))
    down, up = get_ancestral_step(2.0, 1.0)
    assert (down**2 + up**2) == pytest.approx(1.0)


def test_model_management_knows_the_run() -> None:
    import comfy.model_management as mm

    assert mm.get_torch_device() == mm.vae_device() == mm.intermediate_device() == torch.device("cpu")
    assert mm.unet_dtype() is torch.float32 and not mm.should_use_fp16()
    assert 0 < mm.get_free_memory() <= mm.get_total_memory()
    assert mm.cast_to(torch.ones(2), torch.float16).dtype is torch.float16
    assert mm.vram_state is mm.VRAMState.DISABLED
    mm.throw_exception_if_processing_interrupted()
    mm.load_models_gpu([]), mm.unload_all_models(), mm.soft_empty_cache()
    with pytest.raises(mm.InterruptProcessingException):
        raise mm.InterruptProcessingException


def test_a_run_stops_between_two_predictions(
    model: ModelPatcher, prompts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a pack reports no step."""
    import comfy.model_management as mm

    calls: list[int] = []

    def asked() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise mm.InterruptProcessingException

    monkeypatch.setattr(mm, "throw_exception_if_processing_interrupted", asked)
    with pytest.raises(mm.InterruptProcessingException):
        by_comfy(model, latent(), **prompts, sampler_name="euler", scheduler="normal", steps=5, cfg=4.0)
    assert len(calls) == 2


def test_calls_that_a_pack_puts_together(model: ModelPatcher, prompts: dict[str, Any]) -> None:
    """Conditions cut, batched and weighed by a pack's own hand predict what calc_cond_batch does."""
    from comfy.samplers import CFGGuider, calc_cond_batch, can_concat_cond, cond_cat, get_area_and_mult

    seen: list[float] = []
    longer = torch.cat([prompts["positive"][0][0]] * 2, dim=1)
    sides = {
        "positive": [*prompts["positive"], [longer, {"area": (4, 8, 2, 0), "strength": 0.5}]],
        "negative": [*prompts["negative"], [longer, {"start_percent": 0.9, "end_percent": 1.0}]],
    }

    class Own(CFGGuider):
        def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: Any = None) -> Tensor:
            found = []
            for side in ("positive", "negative"):
                parts = [get_area_and_mult(each, x, timestep) for each in self.conds[side]]
                acting = [each for each in parts if each is not None]
                total, count = torch.zeros_like(x), torch.full_like(x, 1e-37)
                for each in acting:
                    h, w, top, left = each.area
                    c = cond_cat([each.conditioning]) | {"transformer_options": {}}
                    made = self.inner_model.apply_model(each.input_x, timestep, **c)
                    total[..., top : top + h, left : left + w] += made * each.mult
                    count[..., top : top + h, left : left + w] += each.mult
                found.append(total / count)
                seen.append(len(acting))
            expected = calc_cond_batch(self.inner_model, list(self.conds.values()), x, timestep, model_options)
            for ours, theirs in zip(found, expected, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
            return found[0]

    guider = Own(model)
    guider.inner_set_conds(sides)
    levels = torch.tensor([10.0, 5.0, 0.0])
    start = latent()["samples"]
    guider.sample(torch.randn_like(start), start, _euler(), levels, seed=SEED)
    # Each side is compared on the area, too.
    assert seen == [2, 2, 2, 2]

    class Batched(CFGGuider):
        def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: Any = None) -> Tensor:
            one, two = (get_area_and_mult(self.conds[side][0], x, timestep) for side in ("positive", "negative"))
            assert can_concat_cond(one, two)
            c = cond_cat([one.conditioning, two.conditioning]) | {"transformer_options": {}}
            both = self.inner_model.apply_model(torch.cat([one.input_x, two.input_x]), timestep.repeat(2), **c).chunk(2)
            for ours, theirs in zip(
                both,
                calc_cond_batch(self.inner_model, list(self.conds.values()), x, timestep, model_options),
                strict=True,
            ):
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
            return both[0]

    batched = Batched(model)
    batched.inner_set_conds(prompts)
    batched.sample(torch.randn_like(start), start, _euler(), levels, seed=SEED)


def _euler() -> Any:
    import comfy.samplers

    return comfy.samplers.sampler_object("euler")
