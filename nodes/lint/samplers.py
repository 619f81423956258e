"""What becomes of samplers whose run is divided, as the table of docs/sampling.md has it: held by a test."""

from __future__ import annotations

from weft.nodes.diffusion.sampling.samplers import SAMPLERS

SPLIT_EXACTLY = frozenset(("euler", "euler_cfg_pp", "heun", "exp_heun_2_x0", "dpm_2", "ddim"))
"""In comfy mode, too, two stages of them are the single run, but for rounding."""

OWN_STEPS = frozenset(("dpm_fast", "dpm_adaptive"))
"""They choose their noise levels themselves."""

_REMEMBER = (
    "heunpp2", "lms", "dpmpp_2m", "dpmpp_2m_cfg_pp", "ipndm", "ipndm_v", "deis",
    "res_multistep", "res_multistep_cfg_pp", "gradient_estimation",
    "gradient_estimation_cfg_pp", "uni_pc", "uni_pc_bh2",
)  # fmt: skip

DRAW_NOISE = frozenset(SAMPLERS) - SPLIT_EXACTLY - OWN_STEPS - frozenset(_REMEMBER)
"""They add noise on their way."""
