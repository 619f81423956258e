"""Script nodes: what they describe, and which inputs do not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weft.engine.context import RunContext
from weft.engine.errors import MissingFile
from weft.engine.folders import Folders
from weft.engine.settings import Settings
from weft.nodes.core.settings import SETTINGS
from weft.nodes.efficiency.errors import BadScript
from weft.nodes.efficiency.latent_weights import find_weights, fingerprint, nearest_factor
from weft.nodes.efficiency.scripts import HighResFixScript, NoiseControlScript, TiledUpscalerScript
from weft.nodes.efficiency.values import NoiseScript, Script

HIRES: dict[str, Any] = {
    "upscale_type": "latent",
    "hires_ckpt_name": "(use same)",
    "latent_upscaler": "bislerp",
    "pixel_upscaler": "x4.pth",
    "upscale_by": 1.5,
    "use_same_seed": True,
    "seed": 9,
    "hires_steps": 4,
    "denoise": 0.5,
    "iterations": 1,
    "use_controlnet": "_",
    "control_net_name": "cn.safetensors",
    "strength": 0.7,
    "preprocessor": "_",
    "preprocessor_imgs": False,
}
TILES: dict[str, Any] = {
    "upscale_by": 2.0,
    "tile_size": 512,
    "tiling_strategy": "random",
    "tiling_steps": 5,
    "seed": 3,
    "denoise": 0.4,
    "use_controlnet": True,
    "tile_controlnet": "cn.safetensors",
    "strength": 0.7,
}
NOISE: dict[str, Any] = {
    "rng_source": "nv",
    "cfg_denoiser": False,
    "add_seed_noise": True,
    "seed": 4,
    "weight": 0.2,
}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(models=[tmp_path / "models"], input=tmp_path, output=tmp_path, temp=tmp_path)


@pytest.fixture
def context(folders: Folders) -> RunContext:
    return RunContext(folders=folders, settings=Settings.load({}, SETTINGS))


def test_each_script_adds_its_part_and_leaves_what_it_was_given(context: RunContext) -> None:
    noise = NoiseControlScript(**NOISE, context=context)
    both = HighResFixScript(**HIRES, script=noise)
    all_three = TiledUpscalerScript(**TILES, script=both)
    assert noise == Script(noise=NoiseScript("nv", False, True, 4, 0.2))
    assert both.noise == noise.noise
    assert both.tile is None
    assert (all_three.noise, all_three.hiresfix) == (noise.noise, both.hiresfix)
    assert hash(all_three) == hash(TiledUpscalerScript(**TILES, script=both))


def test_of_two_scripts_of_a_kind_the_last_counts(context: RunContext) -> None:
    first = NoiseControlScript(**NOISE, context=context)
    second = NoiseControlScript(**{**NOISE, "seed": 5}, script=first, context=context)
    assert second == Script(noise=NoiseScript("nv", False, True, 5, 0.2))


def test_strategy_none_and_no_iterations_leave_a_script_out(context: RunContext) -> None:
    noise = NoiseControlScript(**NOISE, context=context)
    assert TiledUpscalerScript(**{**TILES, "tiling_strategy": "none"}, script=noise) is noise
    assert TiledUpscalerScript(**{**TILES, "tiling_strategy": "none"}) is None
    without = {**HIRES, "iterations": 0}
    assert HighResFixScript(**without, script=noise) == noise
    # The files that it names need not be there.
    unused = set(HighResFixScript.__weft_node__.unused(without))  # type: ignore[attr-defined]
    assert {"hires_ckpt_name", "latent_upscaler", "pixel_upscaler", "control_net_name"} <= unused
    less = {name: value for name, value in without.items() if name not in unused}
    assert HighResFixScript(**less, script=noise) == noise


def test_cfg_denoiser_is_accepted_and_warned_about(context: RunContext) -> None:
    script = NoiseControlScript(**{**NOISE, "cfg_denoiser": True}, context=context)
    assert script.noise is not None
    assert any("cfg_denoiser is not supported" in message for _, message in context.warnings)


def test_what_hires_describes() -> None:
    def part(**changes: Any) -> Any:
        return HighResFixScript(**{**HIRES, **changes}).hiresfix

    assert (part().checkpoint, part().seed, part().control_net) == (None, None, None)
    assert part(hires_ckpt_name="other.safetensors").checkpoint == "other.safetensors"
    assert part(use_same_seed=False).seed == 9
    assert part(use_controlnet=True, preprocessor="none").control_net == "cn.safetensors"
    assert part(use_controlnet=False).control_net is None
    with pytest.raises(BadScript, match="the preprocessor 'CannyEdge' belongs to comfyui_controlnet_aux"):
        part(use_controlnet=True, preprocessor="CannyEdge")


@pytest.mark.parametrize(("function", "given", "left_out"), [
    (NoiseControlScript, {**NOISE, "add_seed_noise": False}, {"seed", "weight"}),
    (HighResFixScript, HIRES, {"pixel_upscaler", "seed", "control_net_name", "strength", "preprocessor"}),
    (HighResFixScript, {**HIRES, "upscale_type": "both"}, {"latent_upscaler", "seed", "control_net_name"}),
    (HighResFixScript, {**HIRES, "upscale_type": "pixel"}, {"latent_upscaler", "hires_steps", "denoise"}),
    (HighResFixScript, {**HIRES, "use_same_seed": False}, {"pixel_upscaler"}),
    (TiledUpscalerScript, {**TILES, "use_controlnet": False}, {"tile_controlnet", "strength"}),
    (TiledUpscalerScript, {**TILES, "tiling_strategy": "none"}, {"tile_controlnet", "denoise", "seed", "upscale_by"}),
])  # fmt: skip
def test_inputs_that_do_not_matter(
    function: Any, given: dict[str, Any], left_out: set[str], context: RunContext
) -> None:
    """They are named as unused, and the node works without them: a file that is not needed need not be there."""
    unused = function.__weft_node__.unused
    assert left_out <= set(unused(given))
    own = {"context": context} if function is NoiseControlScript else {}
    given_less = {name: value for name, value in given.items() if name not in set(unused(given))}
    with_all, with_less = function(**given, **own), function(**given_less, **own)
    if function is HighResFixScript and given["upscale_type"] != "pixel":
        assert (with_all.hiresfix.steps, with_all.hiresfix.seed) == (with_less.hiresfix.steps, with_less.hiresfix.seed)
    assert type(with_all) is type(with_less)


def test_weights_of_latent_upscalers_are_looked_for_in_their_folder(folders: Folders, tmp_path: Path) -> None:
    assert [nearest_factor(factor) for factor in (0.5, 1.3, 1.4, 1.75, 8.0)] == [1.25, 1.25, 1.5, 1.5, 2.0]
    with pytest.raises(MissingFile) as caught:
        find_weights(folders, "city96.xl", 1.5)
    assert "'latent-upscaler-v2.1_SDxl-x1.5.safetensors', are not there" in str(caught.value)
    assert f"put it into {tmp_path / 'models' / 'latent_upscale_models'}" in str(caught.value.hint)
    with pytest.raises(BadScript, match=r"'ttl_nn.SD 1.x' is not supported"):
        find_weights(folders, "ttl_nn.SD 1.x", 1.5)
    constants = {"upscaler": "city96.xl", "scale_by": 1.6}
    assert fingerprint(folders, constants) == []
    path = tmp_path / "models" / "latent_upscale_models" / "latent-upscaler-v2.1_SDxl-x1.5.safetensors"
    path.parent.mkdir(parents=True)
    path.touch()
    assert find_weights(folders, "city96.xl", 1.5) == path
    assert fingerprint(folders, constants) == [path]
    assert fingerprint(folders, {**constants, "upscaler": "ttl_nn.SDXL"}) == []
