"""Wan's variants on small files of random weights: CLIP vision, VACE, Fun control, cameras.

No value of ComfyUI's is at hand for VACE, Fun and cameras: they are held to diffusers' networks and pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel, WanVACEPipeline
from diffusers.models.transformers.transformer_chronoedit import ChronoEditRotaryPosEmbed
from safetensors.torch import save_file
from torch import Tensor, nn

from weft.nodes.core import wan as nodes
from weft.nodes.core.attention import ScaleROPE
from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import release_in, release_meant, release_title, small_file
from weft.nodes.diffusion.families.protocol import Places
from weft.nodes.diffusion.families.wan import camera, network, positions
from weft.nodes.diffusion.families.wan.clips import begun
from weft.nodes.diffusion.families.wan.releases import RELEASES
from weft.nodes.diffusion.families.wan.tiny import sizes
from weft.nodes.diffusion.families.wan.vace import channels, control
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.patches.layers import skip_layers
from weft.nodes.diffusion.weights.checkpoint import load_unet, load_vae
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
LENS = (0.5, 0.5, 0.5, 0.5)


PLAIN: dict[str, Any] = {"seed": 3, "cfg": 2.0, "steps": 3, "sampler": "euler", "scheduler": "simple"}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


PROMPTS: dict[str, Any] = {
    side: [[random(1, 6, 32, seed=seed), {}]] for seed, side in enumerate(("positive", "negative"))
}


def pixels(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def tensors(kind: str, release: str, name: str = "high") -> dict[str, Tensor]:
    found = small_file(kind, name, release, Path())
    assert found is not None
    return {key: value.contiguous() for key, value in found.items()}


@cache
def model(release: str, name: str = "high") -> ModelPatcher:
    with TemporaryDirectory() as folder:
        save_file(tensors("diffusion_models", release, name), Path(folder) / "model.safetensors")
        return load_unet(Path(folder) / "model.safetensors", **ON_CPU)


@cache
def vae(release: str = "wan") -> Any:
    with TemporaryDirectory() as folder:
        save_file(tensors("vae", release), Path(folder) / "vae.safetensors")
        return load_vae(Path(folder) / "vae.safetensors", **ON_CPU)


def net(release: str) -> Any:
    return model(release).network.module()


def of_diffusers(release: str) -> Any:
    """diffusers' own network with the weights of a release, as far as it has places for them."""
    known = {name: value for name, value in sizes(release).items() if name not in network.OWN}
    own = WanTransformer3DModel(**known).eval().requires_grad_(False)
    own.load_state_dict(net(release).state_dict(), strict=False)
    return own


def denoiser(release: str) -> Any:
    opened = model(release)
    return opened.kind.denoiser(opened.network.module(), opened.sampling, opened.latent_format)


def fed(release: str, options: Mapping[str, Any], *, channels: int = 16, frames: int = 2, side: int = 4) -> Any:
    feeding = denoiser(release)
    run = SamplingRun(feeding, (1, channels, frames, side, side), torch.device("cpu"))
    return feeding.feed(random(1, 6, 32), options, "positive", run)


def sampled(release: str, told: Mapping[str, Any], latent: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    sides = {side: [[prompt, dict(told)]] for side, ((prompt, _),) in PROMPTS.items()}
    return ksample(model(release, changes.pop("name", "high")), latent, **{**PLAIN, **sides, **changes})


class Heard:
    """A RunContext that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, message: str) -> None:
        self.said.append(message)


def told(node: Any, context: Any = None, **inputs: Any) -> Any:
    """What a node gives for a clip of 32x32 pixels and five frames."""
    prompts = {side: [[random(1, 6, 32), {}]] for side in ("positive", "negative")}
    given = {"vae": vae(), "width": 32, "height": 32, "length": 5, "batch_size": 1, **prompts, **inputs}
    return node(**given, context=context or Heard())


def options(result: Any) -> dict[str, Any]:
    ((_, found),) = result[0]
    return dict(found)


# As diffusers has it.


def test_a_network_gives_what_diffusers_gives() -> None:
    x, time, text = random(2, 16, 2, 4, 6), torch.tensor([900.0, 30.0]), random(2, 7, 32, seed=1)
    expected = net("wan")(x, time, text, return_dict=False)[0]
    assert torch.equal(network.forward(net("wan"), x, time, text), expected)
    x, each = random(1, 48, 3, 4, 4), torch.tensor([[0.0, 500.0, 500.0]])
    expected = net("wan_ti2v")(x, each.repeat_interleave(4, dim=1), text[:1], return_dict=False)[0]
    assert torch.equal(network.forward(net("wan_ti2v"), x, each, text[:1]), expected)


def test_a_picture_is_seen_as_diffusers_has_it() -> None:
    own = of_diffusers("wan21_i2v")
    x, time, text, image = random(1, 36, 2, 4, 4), torch.tensor([500.0]), random(1, 512, 32), random(1, 50, 64)
    seen = network.forward(net("wan21_i2v"), x, time, text, image=image)
    with torch.no_grad():
        assert torch.equal(seen, own(x, time, text, image, return_dict=False)[0])
        # Without one the text is looked at in its place.
        own.condition_embedder.image_embedder = nn.Identity()
        blind = own(x, time, text, own.condition_embedder.text_embedder(text), return_dict=False)[0]
    assert torch.equal(network.forward(net("wan21_i2v"), x, time, text), blind)
    assert not torch.allclose(seen, blind)


def test_the_places_of_two_pictures() -> None:
    own = of_diffusers("wan21_flf2v")
    x, time, text, images = random(1, 36, 2, 4, 4), torch.tensor([500.0]), random(1, 512, 32), random(2, 50, 64)
    both = network.forward(net("wan21_flf2v"), x, time, text, image=images.reshape(1, 100, 64))
    with torch.no_grad():
        # diffusers takes two pictures as a batch of two.
        assert torch.equal(both, own(x, time, text, images, return_dict=False)[0])
    one = network.forward(net("wan21_flf2v"), x, time, text, image=images[:1])
    assert not torch.allclose(one, both)


def test_long_prompts_do_not_lose_their_beginning_to_the_picture() -> None:
    x, time, image = random(1, 36, 1, 4, 4), torch.tensor([500.0]), random(1, 50, 64)
    text = random(1, 600, 32)
    other = torch.cat([random(1, 40, 32, seed=5), text[:, 40:]], dim=1)
    seen = [network.forward(net("wan21_i2v"), x, time, each, image=image) for each in (text, text[:, :512], other)]
    assert not torch.allclose(seen[0], seen[1])
    assert not torch.allclose(seen[0], seen[2])


def test_vace_gives_what_diffusers_gives() -> None:
    x, shown, time, text = (
        random(1, 16, 2, 4, 4),
        random(1, 96, 2, 4, 4, seed=4),
        torch.tensor([500.0]),
        random(1, 6, 32),
    )
    for strength in (1.0, 0.25):
        expected = net("wan_vace")(
            x, time, text, control_hidden_states=shown, control_hidden_states_scale=torch.tensor([strength]),
            return_dict=False,
        )[0]  # fmt: skip
        made = network.forward(
            net("wan_vace"), torch.cat([x, shown], dim=1), time, text, strengths=torch.tensor([[strength]])
        )
        assert torch.equal(made, expected)
    none = network.forward(net("wan_vace"), torch.cat([x, shown], dim=1), time, text, strengths=torch.zeros(1, 1))
    assert torch.equal(none, network.forward(net("wan_vace"), x, time, text))


def test_what_vace_is_shown_is_that_of_diffusers_pipeline() -> None:
    video, masks, picture = pixels(5, 32, 32, 3), pixels(5, 32, 32, seed=1), pixels(1, 32, 16, 3, seed=2)
    made = control(vae(), 32, 32, 5, 1.0, video, masks, picture)
    cells = {"vae_scale_factor_temporal": 4, "vae_scale_factor_spatial": 8}
    pipeline: Any = SimpleNamespace(vae=vae().network.module(), transformer=net("wan_vace"), **cells)
    canvas = torch.ones(3, 32, 32)
    canvas[:, :, 8:24] = picture[0].movedim(-1, 0) * 2 - 1
    shown, changes = video.movedim(-1, 0)[None] * 2 - 1, masks[None, None].expand(-1, 3, -1, -1, -1)
    with torch.no_grad():
        latents = WanVACEPipeline.prepare_video_latents(pipeline, shown, changes, [[canvas]], None, torch.device("cpu"))
        expected = torch.cat([latents, WanVACEPipeline.prepare_masks(pipeline, changes, [[canvas]])], dim=1)
    assert expected.shape == (1, 96, 3, 4, 4)
    torch.testing.assert_close(channels(made, model("wan_vace").latent_format), expected, rtol=1e-5, atol=1e-5)


class FirstFrame(nn.Module):
    """A patch embedding whose first frame is another network's; the rest is what an adapter adds to."""

    def __init__(self, inner: Any, first: Tensor | None = None, added: Tensor | float = 0.0) -> None:
        super().__init__()
        self.inner, self.first, self.added = inner, first, added

    def forward(self, x: Tensor) -> Tensor:
        if self.first is None:
            return self.inner(x) + self.added
        return torch.cat([self.first[:, :, None], self.inner(x[:, :, 1:])], dim=2)


def test_a_reference_is_a_frame_before_the_others_and_a_camera_is_added_to_them() -> None:
    time, text = torch.tensor([500.0]), random(1, 6, 32)
    for release, read in (("wan_control", 52), ("wan_camera", 36)):
        own = of_diffusers(release)
        x = random(1, read, 2, 4, 4)
        with torch.no_grad():
            if release == "wan_control":
                frame = random(1, 16, 4, 4, seed=3)
                own.patch_embedding = FirstFrame(own.patch_embedding, net(release).ref_conv(frame))
                expected = own(torch.cat([x[:, :, :1], x], dim=2), time, text, return_dict=False)[0][:, :, 1:]
                beside = frame[:, :, None].expand(-1, -1, 2, -1, -1)
            else:
                beside = random(1, 24 * 64, 2, 4, 4, seed=3)
                adapter = net(release).control_adapter
                each = [adapter.residual_blocks(adapter.conv(beside[:, :, frame])) for frame in range(2)]
                own.patch_embedding = FirstFrame(own.patch_embedding, added=torch.stack(each, dim=2))
                expected = own(x, time, text, return_dict=False)[0]
            made = network.forward(net(release), torch.cat([x, beside], dim=1), time, text)
        torch.testing.assert_close(made, expected)


def test_a_reference_frame_has_the_noise_level_of_the_last() -> None:
    x, text = random(1, 148 + 48, 2, 4, 4), random(1, 6, 32)
    plain = network.forward(net("wan_ti2v_control"), x, torch.tensor([500.0]), text)
    timed = network.forward(net("wan_ti2v_control"), x, torch.tensor([[500.0, 500.0]]), text)
    torch.testing.assert_close(timed, plain)
    assert not torch.allclose(network.forward(net("wan_ti2v_control"), x, torch.tensor([[0.0, 500.0]]), text), plain)


def test_positions_are_scaled_and_shifted() -> None:
    rope = net("wan").rope
    plain = positions.angles_at(rope, (2, 3, 2), positions.PLAIN)
    same = positions.angles_at(rope, (2, 3, 2), positions.Positions(scale_t=1.0 + 1e-12))
    for made, expected in zip(same, plain, strict=True):
        torch.testing.assert_close(made, expected)
    # Seven frames apart: the two frames of ChronoEdit, as diffusers has them.
    chrono = ChronoEditRotaryPosEmbed(128, (1, 2, 2), 1024)(torch.empty(1, 16, 2, 6, 4))
    apart = positions.angles_at(rope, (2, 3, 2), positions.Positions(scale_t=7.0))
    for made, expected in zip(apart, chrono, strict=True):
        torch.testing.assert_close(made, expected)
    latent = {"samples": torch.zeros(1, 16, 2, 4, 4)}
    given = {f"{what}_{axis}": float(what == "scale") for axis in "xyt" for what in ("scale", "shift")}
    scaled = ScaleROPE(model=model("wan"), **{**given, "scale_x": 2.0, "shift_y": 1.0})
    made = [
        ksample(each, latent, **PLAIN, **PROMPTS)["samples"]
        for each in (model("wan"), ScaleROPE(model=model("wan"), **given), scaled)
    ]
    assert torch.equal(made[0], made[1])
    assert not torch.allclose(made[0], made[2])
    other = model("wan").clone()
    other.kind = SimpleNamespace(places=Places())
    with pytest.raises(DiffusionError, match="no positions that can be scaled; expected one of Wan"):
        other.set_model_rope_options(**given)


# The rays of a camera.


def test_rays_are_those_of_the_pixels() -> None:
    place, turned = camera.poses("Pan Left", 5, 1.0)
    rays = camera.rays(place, turned, 64, 36, LENS)
    assert rays.shape == (5, 6, 36, 64)
    x, y = (10 + 0.5 - 32) / 32, (4 + 0.5 - 18) / 18
    ahead = torch.tensor([x, y, 1.0]) / torch.tensor([x, y, 1.0]).norm()
    for frame in range(5):
        torch.testing.assert_close(rays[frame, 3:, 4, 10], ahead)
        origin = torch.tensor([-1.5 * frame / 5, 0.0, 0.0])
        torch.testing.assert_close(rays[frame, :3, 4, 10], torch.linalg.cross(origin, ahead))
    # Of another aspect the middle of the picture stays as it is.
    square = camera.rays(place, turned, 36, 36, LENS)
    torch.testing.assert_close(square[..., 18], (rays[..., 31] + rays[..., 32]) / 2, rtol=1e-1, atol=4e-2)


@pytest.mark.parametrize(
    ("way", "axis", "sign"),
    [("Pan Up", 1, -1), ("Pan Down", 1, 1), ("Pan Right", 0, 1), ("Zoom In", 2, 2), ("Zoom Out", 2, -2)],
)
def test_where_a_camera_goes(way: str, axis: int, sign: int) -> None:
    place, turned = camera.poses(way, 4, 2.0)
    assert place[:, axis].tolist() == [sign * 1.5 * 2.0 * frame / 4 for frame in range(4)]
    assert torch.equal(turned, torch.eye(3).double().expand(4, 3, 3))


def test_a_camera_that_turns_stays_where_it_is() -> None:
    place, turned = camera.poses("ClockWise (CW)", 3, 3.0)
    assert not place.any()
    # After a third of the clip a third of three times 60 degrees: what was on the right of the camera is below.
    torch.testing.assert_close(
        turned[1] @ torch.tensor([1.0, 0.0, 0.0]).double(), torch.tensor([0.5, 0.75**0.5, 0.0]).double()
    )
    torch.testing.assert_close(camera.poses("Anti Clockwise (ACW)", 3, 3.0)[1], turned.mT)


def test_frames_are_put_together_as_elements() -> None:
    made = camera.embedding("Zoom In", 32, 16, 9, 1.0, LENS)
    rays = camera.rays(*camera.poses("Zoom In", 9, 1.0), 32, 16, LENS)
    assert made.shape == (1, 24, 3, 16, 32)
    for element, frames in enumerate(([0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8])):
        for place, frame in enumerate(frames):
            assert torch.equal(made[0, place::4, element], rays[frame])


def test_the_ways_of_the_node_are_those_that_are_known() -> None:
    assert tuple(camera.WAYS) == nodes._WAYS
    _, width, height, length = nodes.WanCameraEmbedding(camera_pose="Static", width=32, height=16, length=5)
    assert (width, height, length) == (32, 16, 5)
    with pytest.raises(DiffusionError, match="a lens of focal lengths 0.0 and 0.5 shows nothing"):
        nodes.WanCameraEmbedding(camera_pose="Static", width=32, height=16, length=5, fx=0.0)


# What a conditioning carries, and what becomes of it.


def test_what_a_model_reads_stands_in_its_order() -> None:
    picture, video = pixels(1, 32, 32, 3), pixels(5, 32, 32, 3, seed=1)
    to_network = model("wan").latent_format.to_network
    followed = to_network(vae().encode(video))
    both = options(told(nodes.WanFunControlToVideo, start_image=picture, control_video=video))
    concat = fed("wan21_control", both).concat
    torch.testing.assert_close(concat[:, :16], followed)
    known = to_network(begun(vae(), 32, 32, 5, picture).image)
    torch.testing.assert_close(concat[:, 16:, :1], known[:, :, :1])
    assert not concat[:, 16:, 1:].any()
    newer = fed(
        "wan_control", options(told(nodes.Wan22FunControlToVideo, ref_image=picture, control_video=video))
    ).concat
    torch.testing.assert_close(newer[:, :16], followed)
    assert not newer[:, 16:36].any()
    torch.testing.assert_close(newer[:, 36:], to_network(vae().encode(picture)).expand(-1, -1, 2, -1, -1))
    assert not fed("wan_control", {}).concat.any()


def test_a_camera_begins_with_a_picture() -> None:
    rays, *_ = nodes.WanCameraEmbedding(camera_pose="Pan Up", width=32, height=32, length=5)
    begins = options(told(nodes.WanCameraImageToVideo, start_image=pixels(1, 32, 32, 3), camera_conditions=rays))
    concat = fed("wan_camera", begins).concat
    assert concat.shape == (1, 20 + 24 * 64, 2, 4, 4)
    assert concat[0, :4, :, 0, 0].tolist() == [[1, 0]] * 4
    torch.testing.assert_close(concat[:, 20:].reshape(1, 24, 8, 8, 2, 4, 4)[0, :, 3, 5, 1, 2, 1], rays[0, :, 1, 19, 13])
    older = fed("wan21_camera", {name: value for name, value in begins.items() if name != "camera_conditions"}).concat
    assert older.shape == (1, 16, 2, 4, 4)
    assert older[:, :, 0].any()
    assert not older[:, :, 1].any()


def test_a_clip_that_begins_and_ends_with_pictures() -> None:
    picture = pixels(1, 32, 32, 3)
    result = options(told(nodes.WanFunInpaintToVideo, start_image=picture, end_image=picture))
    expected = options(told(nodes.WanFirstLastFrameToVideo, start_image=picture, end_image=picture))
    assert all(torch.equal(result[name], expected[name]) for name in ("concat_latent_image", "concat_mask"))
    assert options(told(nodes.WanFunInpaintToVideo)) == {}
    large = told(nodes.WanFunInpaintToVideo, vae=vae("wan_ti2v"), width=64, height=64, start_image=picture)
    assert large[2]["samples"].shape == (1, 48, 2, 4, 4)
    assert fed("wan_ti2v_inpaint", options(large), channels=48).concat.shape == (1, 52, 2, 4, 4)


def test_pictures_of_vace_stand_before_the_clip() -> None:
    pictures = pixels(2, 32, 48, 3)
    result = told(nodes.WanVaceToVideo, strength=0.5, reference_image=pictures)
    assert result[2]["samples"].shape == (1, 16, 4, 4, 4)
    assert result[3] == 2
    (made,) = options(result)["vace"]
    shown = channels(made, model("wan_vace").latent_format)
    # Of a picture to go by nothing changes; without a video all of it does.
    assert not shown[:, 16:32, :2].any()
    assert shown[0, 32:, :, 0, 0].tolist() == [[0, 0, 1, 1]] * 64
    mask = torch.zeros(1, 32, 32)
    mask[:, :, 16:] = 1.0
    video = pixels(3, 32, 32, 3)
    (masked,) = options(told(nodes.WanVaceToVideo, strength=1.0, control_video=video, control_masks=mask))["vace"]
    assert masked["mask"][0, :, 1, 0].unique(dim=0).tolist() == [[0, 0, 1, 1]]


def test_several_controls_are_added() -> None:
    video = pixels(5, 32, 32, 3)
    first = told(nodes.WanVaceToVideo, strength=0.5, control_video=video)
    both = told(nodes.WanVaceToVideo, strength=0.25, control_video=video, positive=first[0], negative=first[1])
    strong = told(nodes.WanVaceToVideo, strength=0.75, control_video=video)
    made = [sampled("wan_vace", options(each), each[2])["samples"] for each in (first, both, strong)]
    torch.testing.assert_close(made[1], made[2])
    assert not torch.allclose(made[0], made[1])


CASES = {
    "wan_vace": lambda: told(nodes.WanVaceToVideo, strength=1.0, control_video=pixels(5, 32, 32, 3)),
    "wan_control": lambda: told(nodes.Wan22FunControlToVideo, ref_image=pixels(1, 32, 32, 3)),
    "wan21_camera": lambda: told(
        nodes.WanCameraImageToVideo,
        camera_conditions=nodes.WanCameraEmbedding(camera_pose="Zoom In", width=32, height=32, length=5)[0],
    ),
}


@pytest.mark.parametrize("release", CASES)
def test_two_stages_of_a_variant_are_the_single_run_bit_for_bit(release: str) -> None:
    result = CASES[release]()
    settings: dict[str, Any] = {"sampler": "dpmpp_2m", "mode": "continuous"}
    whole = sampled(release, options(result), result[2], **settings)["samples"]
    first = sampled(release, options(result), result[2], end=1, **settings)
    second = sampled(release, options(result), first, start=1, add_noise=False, **settings)["samples"]
    assert torch.equal(second, whole)
    other = sampled(release, options(result), first, start=1, add_noise=False, name="low", **settings)["samples"]
    assert not torch.allclose(other, whole)
    assert not torch.allclose(sampled(release, {}, result[2], **settings)["samples"], whole)


def test_odd_sizes_are_sampled_with_their_controls() -> None:
    result = told(nodes.WanVaceToVideo, strength=1.0, width=40, height=24, control_video=pixels(5, 24, 40, 3))
    assert sampled("wan_vace", options(result), result[2], steps=1)["samples"].shape == (1, 16, 2, 3, 5)


def test_blocks_are_left_out() -> None:
    latent = {"samples": torch.zeros(1, 16, 2, 4, 4)}
    settings: dict[str, Any] = {"single": "", "scale": 3.0, "start_percent": 0.0, "end_percent": 1.0}
    plain = sampled("wan", {}, latent)["samples"]
    steered = skip_layers(model("wan"), double="1", **settings)
    made = ksample(steered, latent, **PLAIN, **PROMPTS)["samples"]
    assert not torch.allclose(made, plain)
    x, time, text = random(1, 16, 2, 4, 4), torch.tensor([500.0]), random(1, 6, 32)
    original = {1: lambda args, extra: extra["original_block"](args)}
    whole = network.forward(net("wan"), x, time, text)
    assert torch.equal(network.forward(net("wan"), x, time, text, replaced=original), whole)
    assert not torch.allclose(network.forward(net("wan"), x, time, text, replaced={1: lambda args, _: args}), whole)


# Files, and what does not fit.


def test_a_file_says_what_it_is_by_its_shapes() -> None:
    titles = {
        name: release_in({key: tuple(value.shape) for key, value in tensors("diffusion_models", name).items()})
        for name in RELEASES
    }
    changed = {"wan": "Wan text-to-video", "wan21_flf2v": "Wan 2.1 image-to-video"}
    assert titles == {name: release_title(name) for name in RELEASES} | changed


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("wan2.1_vace_14B_fp16", "wan_vace"),
        ("Wan2_2_Fun_VACE_module_A14B_HIGH_bf16", "wan_vace"),
        ("wan2.1_fun_control_1.3B_bf16", "wan21_control"),
        ("wan2.2_fun_control_low_noise_14B_fp8_scaled", "wan_control"),
        ("wan2.2_fun_control_5B_bf16", "wan_ti2v_control"),
        ("wan2.1_fun_inp_1.3B_bf16", "wan21_i2v"),
        ("wan2.2_fun_inpaint_high_noise_14B_fp8_scaled", "wan_i2v"),
        ("wan2.2_fun_inpaint_5B_bf16", "wan_ti2v_inpaint"),
        ("wan2.1_fun_camera_v1.1_14B_bf16", "wan21_camera"),
        ("wan2.2_fun_camera_high_noise_14B_fp8_scaled", "wan_camera"),
        ("wan2.1_i2v_480p_14B_fp16", "wan21_i2v"),
        ("chrono_edit_14B_fp16", "wan21_i2v"),
    ],
)
def test_what_stands_in_for_a_file(name: str, release: str) -> None:
    assert release_meant(f"{name}.safetensors") == release


def test_blocks_of_vace_stand_beside_every_so_many_blocks(tmp_path: Path) -> None:
    file = tensors("diffusion_models", "wan_vace")
    block = {key: value for key, value in file.items() if key.startswith("vace_blocks.0.") and "before_proj" not in key}
    file |= {key.replace("blocks.0.", "blocks.1."): value.clone() for key, value in block.items()}
    save_file(file, tmp_path / "vace.safetensors")
    kind: Any = load_unet(tmp_path / "vace.safetensors", **ON_CPU).kind
    assert (kind.sizes["vace_layers"], kind.name) == ([0, 1], "wan_16_vace")


def test_what_a_model_does_not_read_is_refused() -> None:
    video, rays = pixels(5, 32, 32, 3), nodes.WanCameraEmbedding(camera_pose="Static", width=32, height=32, length=5)[0]
    refused = {
        "a control video, which Wan text-to-video does not read: take a model of Fun control": told(
            nodes.WanFunControlToVideo, control_video=video
        ),
        "the way of a camera, which Wan text-to-video does not read: take a model of Fun camera": told(
            nodes.WanCameraImageToVideo, camera_conditions=rays
        ),
        "a control of VACE, which Wan text-to-video does not read": told(nodes.WanVaceToVideo, strength=1.0),
    }
    for message, result in refused.items():
        with pytest.raises(DiffusionError, match=message):
            fed("wan", options(result))
    with pytest.raises(DiffusionError, match="a picture to begin with, which Wan VACE does not read"):
        fed("wan_vace", options(told(nodes.WanImageToVideo, start_image=video)))
    small = {"camera_conditions": rays}
    with pytest.raises(DiffusionError, match="its camera is of 32x32 pixels and 5 frames, the latent of 48x48 pixels"):
        fed("wan_camera", small, side=6)
    with pytest.raises(DiffusionError, match="are none of WanCameraEmbedding's"):
        fed("wan_camera", {"camera_conditions": torch.zeros(1, 6, 5, 32, 32)})
    shown = options(told(nodes.WanVaceToVideo, strength=1.0, reference_image=video[:1]))
    with pytest.raises(DiffusionError, match="its control of VACE is of 32x32 pixels and 9 frames, the"):
        fed("wan_vace", shown)
    with pytest.raises(DiffusionError, match=r"its control_latent is \[1, 48, 1, 2, 2\], expected a latent"):
        fed("wan_control", {"control_latent": torch.zeros(1, 48, 1, 2, 2)})
    assert fed("wan", options(told(nodes.Wan22FunControlToVideo, ref_image=video[:1]))).concat is None
    assert [denoiser(release).reads_references for release in ("wan", "wan_control")] == [False, True]
    with pytest.raises(DiffusionError, match="it carries 2 pictures to go by; Wan Fun control reads one"):
        fed("wan_control", {"reference_latents": [torch.zeros(1, 16, 1, 4, 4)] * 2})


def test_the_vision_of_another_model_is_refused() -> None:
    with pytest.raises(DiffusionError, match="its clip_vision_output is 8 wide, Wan 2.1 image-to-video reads 64: take"):
        fed("wan21_i2v", {"clip_vision_output": {"penultimate_hidden_states": torch.zeros(1, 5, 8)}})


def test_channels_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    file = tensors("diffusion_models", "wan")
    file["patch_embedding.weight"] = torch.zeros(128, 20, 1, 2, 2)
    save_file(file, tmp_path / "odd.safetensors")
    with pytest.raises(CheckpointError, match="reads 20 channels and gives 16: expected 16, 32, 36, 48 or 52"):
        load_unet(tmp_path / "odd.safetensors", **ON_CPU)


def test_what_cannot_be_as_it_was_asked_for_is_said() -> None:
    heard = Heard()
    told(nodes.WanVaceToVideo, heard, length=8, width=35, strength=1.0, control_video=pixels(5, 32, 32, 3))
    assert heard.said == [
        "width 35 becomes 32: it is no multiple of 8",
        "length 8 becomes 5 frames: expected 1 and a multiple of 4",
        "control_video has 5 frames, the video 8: the others follow nothing",
    ]
    heard = Heard()
    told(nodes.Wan22FunControlToVideo, heard, ref_image=pixels(2, 32, 32, 3))
    assert heard.said == ["ref_image has 2 pictures; the first alone is shown"]
    pictures: Any = SimpleNamespace(frames=0, downscale=8, latent_channels=16)
    with pytest.raises(DiffusionError, match="this VAE is of pictures: Wan needs the VAE of Wan 2.1"):
        told(nodes.WanVaceToVideo, vae=pictures, strength=1.0)
