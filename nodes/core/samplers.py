"""Samplers as values, with their options."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Boolean, Combo, Float, Int
from weft.engine.trajectory import its_values
from weft.nodes.core.types import Model, Sampler, SamplerName

MODULE = "comfy_extras.nodes_custom_sampler"
ADVANCED_MODULE = "comfy_extras.nodes_advanced_samplers"
CATEGORY = "sampling/custom_sampling/samplers"

Unrounded = Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.01, round=False)]
NoiseDevice = Annotated[str, Combo(("gpu", "cpu"))]


@node(category=CATEGORY, python_module=MODULE, foretells=its_values)
def KSamplerSelect(*, sampler_name: SamplerName) -> Sampler:
    """A sampler as KSampler has it."""
    from weft.nodes.diffusion.sampling.spellings import find_sampler

    return find_sampler(sampler_name)


@node(category=CATEGORY, python_module=MODULE)
def SamplerEulerAncestral(*, eta: Unrounded, s_noise: Unrounded) -> Sampler:
    """Euler's method with fresh noise at each step.

    Args:
        eta: The share of fresh noise; 0 adds none.
        s_noise: What the fresh noise is multiplied with.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import with_options

    return with_options("euler_ancestral", eta=eta, s_noise=s_noise)


@node(display_name="SamplerEulerAncestralCFG++", category=CATEGORY, python_module=MODULE)
def SamplerEulerAncestralCFGPP(
    *,
    eta: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01, round=False)],
    s_noise: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01, round=False)],
) -> Sampler:
    """Euler's method with CFG++ and fresh noise at each step; for a cfg of about 1.

    Args:
        eta: The share of fresh noise; 0 adds none.
        s_noise: What the fresh noise is multiplied with.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import with_options

    return with_options("euler_ancestral_cfg_pp", eta=eta, s_noise=s_noise)


@node(category=CATEGORY, python_module=MODULE)
def SamplerLMS(*, order: Annotated[int, Int(default=4, min=1, max=100)]) -> Sampler:
    """Linear multistep.

    Args:
        order: How many predictions, the newest included, make a step.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import with_options

    return with_options("lms", order=order)


@node(category=CATEGORY, python_module=MODULE)
def SamplerDPMPP_3M_SDE(*, eta: Unrounded, s_noise: Unrounded, noise_device: NoiseDevice) -> Sampler:
    """DPM-Solver++(3M) SDE: third order, noise at each step.

    Args:
        eta: The share of noise: 0 is the ODE.
        s_noise: What the noise is multiplied with.
        noise_device: cpu for the same noise on every machine, gpu for noise drawn where the model is.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import with_noise_device

    return with_noise_device("dpmpp_3m_sde", noise_device, eta=eta, s_noise=s_noise)


@node(category=CATEGORY, python_module=MODULE)
def SamplerDPMPP_2M_SDE(
    *,
    solver_type: Annotated[str, Combo(("midpoint", "heun"))],
    eta: Unrounded,
    s_noise: Unrounded,
    noise_device: NoiseDevice,
) -> Sampler:
    """DPM-Solver++(2M) SDE: second order, noise at each step.

    Args:
        solver_type: How the change of the prediction enters a step.
        eta: The share of noise: 0 is the ODE.
        s_noise: What the noise is multiplied with.
        noise_device: cpu for the same noise on every machine, gpu for noise drawn where the model is.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import with_noise_device

    return with_noise_device("dpmpp_2m_sde", noise_device, eta=eta, s_noise=s_noise, solver_type=solver_type)


@node(category=CATEGORY, python_module=MODULE)
def SamplerDPMPP_SDE(
    *,
    eta: Unrounded,
    s_noise: Unrounded,
    r: Annotated[float, Float(default=0.5, min=0.0, max=100.0, step=0.01, round=False)],
    noise_device: NoiseDevice,
) -> Sampler:
    """DPM-Solver++(2S) SDE: second order with two evaluations a step, noise at both.

    Args:
        eta: The share of noise: 0 is the ODE.
        s_noise: What the noise is multiplied with.
        r: Where in the step the second evaluation lies; 0 is refused.
        noise_device: cpu for the same noise on every machine, gpu for noise drawn where the model is.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import with_noise_device

    return with_noise_device("dpmpp_sde", noise_device, eta=eta, s_noise=s_noise, r=r)


@node(category=CATEGORY, python_module=MODULE)
def SamplerDPMPP_2S_Ancestral(*, eta: Unrounded, s_noise: Unrounded) -> Sampler:
    """DPM-Solver++(2S) with fresh noise at each step.

    Args:
        eta: The share of fresh noise; 0 adds none.
        s_noise: What the fresh noise is multiplied with.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import with_options

    return with_options("dpmpp_2s_ancestral", eta=eta, s_noise=s_noise)


@node(category=CATEGORY, python_module=MODULE)
def SamplerDPMAdaptative(
    *,
    order: Annotated[int, Int(default=3, min=2, max=3)],
    rtol: Annotated[float, Float(default=0.05, min=0.0, max=100.0, step=0.01, round=False)],
    atol: Annotated[float, Float(default=0.0078, min=0.0, max=100.0, step=0.01, round=False)],
    h_init: Annotated[float, Float(default=0.05, min=0.0, max=100.0, step=0.01, round=False)],
    pcoeff: Annotated[float, Float(default=0.0, min=0.0, max=100.0, step=0.01, round=False)],
    icoeff: Unrounded,
    dcoeff: Annotated[float, Float(default=0.0, min=0.0, max=100.0, step=0.01, round=False)],
    accept_safety: Annotated[float, Float(default=0.81, min=0.0, max=100.0, step=0.01, round=False)],
    eta: Annotated[float, Float(default=0.0, min=0.0, max=100.0, step=0.01, round=False)],
    s_noise: Unrounded,
) -> Sampler:
    """DPM-Solver that chooses its own steps, as long as an error allows; the schedule gives the two ends.

    Args:
        order: Of the solver.
        rtol: The error that a step may have, as a share of the value.
        atol: The error that a step may have besides.
        h_init: The first step, in log sigma.
        pcoeff: How the last error decides the next step's length: proportional part.
        icoeff: The same: integral part.
        dcoeff: The same: derivative part.
        accept_safety: A step is kept if the next one is to be at least this share of it.
        eta: The share of fresh noise; 0 adds none.
        s_noise: What the fresh noise is multiplied with.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import with_options

    return with_options(
        "dpm_adaptive",
        order=order,
        rtol=rtol,
        atol=atol,
        h_init=h_init,
        pcoeff=pcoeff,
        icoeff=icoeff,
        dcoeff=dcoeff,
        accept_safety=accept_safety,
        eta=eta,
        s_noise=s_noise,
    )


@node(category=CATEGORY, python_module=MODULE)
def SamplerER_SDE(
    *,
    solver_type: Annotated[str, Combo(("ER-SDE", "Reverse-time SDE", "ODE"))],
    max_stage: Annotated[int, Int(default=3, min=1, max=3)],
    eta: Unrounded,
    s_noise: Unrounded,
) -> Sampler:
    """Extended reverse-time SDE solver.

    Args:
        solver_type: The equation that is solved.
        max_stage: The order, as far as enough steps are done.
        eta: The share of noise of Reverse-time SDE: 0 is the ODE. The other types leave it out.
        s_noise: What the noise is multiplied with.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import with_options

    return with_options("er_sde", solver_type=solver_type, max_stage=max_stage, eta=eta, s_noise=s_noise)


@node(category=CATEGORY, python_module=MODULE)
def SamplerSASolver(
    *,
    model: Model,
    eta: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01, round=False)],
    sde_start_percent: Annotated[float, Float(default=0.2, min=0.0, max=1.0, step=0.001)],
    sde_end_percent: Annotated[float, Float(default=0.8, min=0.0, max=1.0, step=0.001)],
    s_noise: Unrounded,
    predictor_order: Annotated[int, Int(default=3, min=1, max=6)],
    corrector_order: Annotated[int, Int(default=4, min=0, max=6)],
    use_pece: Annotated[bool, Boolean()],
    simple_order_2: Annotated[bool, Boolean()],
) -> Sampler:
    """Stochastic Adams solver: a predictor and a corrector of many steps.

    Args:
        model: Whose noise levels the percentages count.
        eta: How much noise the stochastic part adds.
        sde_start_percent: Where the stochastic part begins, as a share of the way from noise to image.
        sde_end_percent: Where it ends.
        s_noise: What the noise is multiplied with.
        predictor_order: How many predictions make a step.
        corrector_order: How many predictions correct it; 0 for no correction.
        use_pece: Evaluate the model again after the correction, at twice the cost.
        simple_order_2: Use simpler weights where the order is 2.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import sa_solver_of

    return sa_solver_of(
        model.sampling,
        eta=eta,
        sde_start_percent=sde_start_percent,
        sde_end_percent=sde_end_percent,
        s_noise=s_noise,
        predictor_order=predictor_order,
        corrector_order=corrector_order,
        use_pece=use_pece,
        simple_order_2=simple_order_2,
    )


@node(category=CATEGORY, python_module=ADVANCED_MODULE, version=2)
def SamplerLCMUpscale(
    *,
    scale_ratio: Annotated[float, Float(default=1.0, min=0.1, max=20.0, step=0.01)],
    scale_steps: Annotated[int, Int(default=-1, min=-1, max=1000, step=1)],
    upscale_method: Annotated[
        str, Combo(("bislerp", "nearest-exact", "bilinear", "area", "bicubic"), multiselect=False)
    ],
) -> Sampler:
    """Sampling of a consistency model that enlarges the latent between steps.

    Args:
        scale_ratio: How many times as large the result is.
        scale_steps: Over how many steps it grows; -1 for about the first half.
        upscale_method: How the latent is resized.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import lcm_upscale

    return lcm_upscale(scale_ratio, scale_steps, upscale_method)


@node(display_name="SamplerEulerCFG++", category="_for_testing", python_module=ADVANCED_MODULE, experimental=True)
def SamplerEulerCFGpp(*, version: Annotated[str, Combo(("regular", "alternative"), multiselect=False)]) -> Sampler:
    """Euler's method with CFG++; for a cfg of about 1.

    Args:
        version: regular is the sampler euler_cfg_pp; alternative corrects the guided slope instead.
    """
    from weft.nodes.diffusion.sampling.custom_samplers import euler_cfg_pp

    return euler_cfg_pp(version)
