"""Model patches that see pictures: what a model gives with one is what the published arithmetic gives.

The references here are written down anew from what DiffSynth-Studio and VideoX-Fun do (both Apache 2.0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import small_file
from weft.nodes.diffusion.families.glances import patch_glance
from weft.nodes.diffusion.families.patches import packed
from weft.nodes.diffusion.families.qwen.kind import QwenImageKind
from weft.nodes.diffusion.families.qwen.tiny import sizes
from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.families.zimage.keymap import landings
from weft.nodes.diffusion.families.zimage.kind import ZImageKind
from weft.nodes.diffusion.families.zimage.tiny import sizes as zimage_sizes
from weft.nodes.diffusion.sampling.model_options import model_patches
from weft.nodes.diffusion.sampling.model_patch import ModelPatch, load_model_patch, with_sight
from weft.nodes.diffusion.weights.checkpoint import load_unet
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample
from .test_transformer_control import Eye, VideoEye, random

PLACE: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
HINT = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(0))
MASK = torch.zeros(1, 32, 48)
MASK[:, 8:, :20] = 1.0
HEAD = 128


class SeeingVae(Eye):
    """As Eye, with what a run asks of a VAE."""

    class network:
        memory_parts = ()


class VideoVae(VideoEye, SeeingVae):
    pass


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def written(tensors: Mapping[str, Tensor], path: Path) -> Path:
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)
    return path


def small(kind: str, release: str, folder: Path, name: str = "x") -> Path:
    tensors = small_file(kind, name, release, Path())
    assert tensors is not None
    return written(tensors, folder / f"{release}_{kind}_{name}.safetensors")


def qwen_model(folder: Path, blocks: int) -> ModelPatcher:
    part = QwenImageKind({**sizes(), "num_layers": blocks}).model_part()
    return load_unet(written(random_weights(shapes_of(part, "")), folder / f"qwen{blocks}.safetensors"), **PLACE)


def evaluated(model: ModelPatcher, latent: Tensor, width: int = 8, batch: int = 1) -> Tensor:
    """One step of Euler's from noise at full strength, both sides of the prompt in one call."""
    positive, negative = ([[numbers(1, 5, width, seed=seed), {}]] for seed in (3, 4))
    settings = {"seed": 1, "cfg": 2.0, "steps": 1, "sampler": "euler", "scheduler": "simple"}
    made: Tensor = ksample(
        model, {"samples": latent.expand(batch, *latent.shape[1:])}, positive=positive, negative=negative, **settings
    )["samples"]
    return made


class Reference(nn.Module):
    """BlockWiseControlNet's arithmetic, over the tensors of its file."""

    def __init__(self, tensors: Mapping[str, Tensor], conditioning: Tensor) -> None:
        super().__init__()
        self.tensors = {key: tensor.float() for key, tensor in tensors.items()}
        self.seen = self.linear("img_in", conditioning)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    def normed(self, name: str, x: Tensor) -> Tensor:
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * self.tensors[f"{name}.weight"]

    def forward(self, block: int, x: Tensor) -> Tensor:
        at = f"controlnet_blocks.{block}"
        inner = self.linear(f"{at}.input_proj", self.normed(f"{at}.x_rms", x) + self.normed(f"{at}.y_rms", self.seen))
        return self.linear(f"{at}.output_proj", 0.5 * inner * (1 + torch.erf(inner / 2**0.5)))


def blockwise(width: int, blocks: int, patched: int) -> dict[str, Tensor]:
    square = {f"{name}_proj.weight": (width, width) for name in ("input", "output")}
    long = {f"{name}.weight": (width,) for name in ("x_rms", "y_rms")}
    shapes = {**square, **long, **{f"{name}_proj.bias": (width,) for name in ("input", "output")}}
    of_blocks = {f"controlnet_blocks.{i}.{name}": shape for i in range(blocks) for name, shape in shapes.items()}
    return random_weights({"img_in.weight": (width, patched), "img_in.bias": (width,), **of_blocks}, seed=5)


def latent_of(picture: Tensor) -> Tensor:
    """As Qwen-Image's network takes it."""
    return QwenImageKind({}).latent_format.to_network(VideoEye().encode(picture))[:, :, 0]


@pytest.mark.parametrize("masked", [False, True])
def test_a_diffsynth_controlnet(tmp_path: Path, masked: bool) -> None:
    model = qwen_model(tmp_path, 2)
    tensors = blockwise(HEAD, 2, 68 if masked else 64)
    patch = load_model_patch(written(tensors, tmp_path / "p.safetensors"), **PLACE)
    vae: Any = VideoVae()
    put = with_sight(model, patch, vae, 0.7, picture=HINT, mask=MASK if masked else None)
    latent = numbers(1, 16, 1, 4, 6, seed=2)
    got = evaluated(put, latent, batch=2)
    seen = latent_of(HINT)
    if masked:
        seen = torch.cat([latent_of(HINT * (1 - MASK)[..., None]), 1 - MASK[:, None, ::8, ::8]], dim=1)
    reference = Reference(tensors, packed(seen))
    network: Any = model.network.module()

    def behind(number: int) -> Callable[..., Any]:
        return lambda _, __, made: (made[0], made[1] + 0.7 * reference(number, made[1]))

    hooks = [block.register_forward_hook(behind(i)) for i, block in enumerate(network.transformer_blocks)]
    expected = evaluated(model, latent, batch=2)
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    plain = evaluated(model, latent, batch=2)
    assert not torch.equal(got, plain)
    assert with_sight(model, patch, vae, 0.0, picture=HINT, mask=MASK if masked else None) is model


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelPatcher, ModelPatch]:
    folder = tmp_path_factory.mktemp("patches")
    model = load_unet(small("diffusion_models", "qwen_image", folder), **PLACE)
    return model, load_model_patch(small("model_patches", "qwen_image", folder), **PLACE)


VAE: Any = VideoVae()


@pytest.mark.parametrize("release", ["qwen_image", "z_image"])
def test_in_eight_bits(release: str, tmp_path: Path) -> None:
    """Its matrices stay as the file has them, and give what they would give widened."""
    tensors = small_file("model_patches", "union-2.1", release, Path())
    assert tensors is not None
    small_ones = {key: value.to(torch.float8_e4m3fn) for key, value in tensors.items()}
    model = load_unet(small("diffusion_models", release, tmp_path), **PLACE)
    vae: Any = VideoVae() if release == "qwen_image" else SeeingVae()
    latent = numbers(1, *((16, 1) if release == "qwen_image" else (16,)), 4, 6, seed=2)
    made = []
    for given in (small_ones, {key: value.float() for key, value in small_ones.items()}):
        patch = load_model_patch(written(given, tmp_path / "p.safetensors"), **PLACE)
        made.append(evaluated(with_sight(model, patch, vae, 1.0, picture=HINT), latent))
    torch.testing.assert_close(*made, rtol=1e-5, atol=1e-5)


def test_a_patch_and_a_lora(qwen: tuple[ModelPatcher, ModelPatch], tmp_path: Path) -> None:
    """Put on in either order they are the same model; and neither changes the model that it was put on."""
    model, patch = qwen
    lora = load_lora(small("loras", "qwen_image", tmp_path))
    latent = numbers(1, 16, 1, 4, 6, seed=2)
    plain = evaluated(model, latent)

    def with_lora(base: ModelPatcher) -> ModelPatcher:
        changed = apply_lora(base, None, lora, 1.0, 0.0)[0]
        assert changed is not None
        return changed

    first = evaluated(with_sight(with_lora(model), patch, VAE, 1.0, picture=HINT), latent)
    then = evaluated(with_lora(with_sight(model, patch, VAE, 1.0, picture=HINT)), latent)
    assert torch.equal(first, then)
    alone = evaluated(with_sight(model, patch, VAE, 1.0, picture=HINT), latent)
    assert not torch.equal(first, alone) and torch.equal(evaluated(model, latent), plain)


def test_its_memory_counts(qwen: tuple[ModelPatcher, ModelPatch]) -> None:
    model, patch = qwen
    parts = dict(with_sight(model, patch, VAE, 1.0, picture=HINT).memory_parts)
    assert {**dict(model.memory_parts), **dict(patch.memory_parts)}.items() <= parts.items()


def test_beside_pictures_to_edit(qwen: tuple[ModelPatcher, ModelPatch]) -> None:
    """The rows of a picture to edit, behind those that are steered, are left alone, in each way that they are read."""
    model, patch = qwen
    put = with_sight(model, patch, VAE, 1.0, picture=HINT)
    latent, settings = {"samples": numbers(1, 16, 1, 4, 6, seed=2)}, {"seed": 1, "cfg": 1.0, "steps": 1}
    seen = []
    for method in ("index", "index_timestep_zero"):
        options = {"reference_latents": [numbers(1, 16, 4, 4, seed=7)], "reference_latents_method": method}
        prompt = [[numbers(1, 5, 8, seed=3), options]]
        sides = {"positive": prompt, "negative": prompt, "sampler": "euler", "scheduler": "simple"}
        seen += [ksample(each, latent, **settings, **sides)["samples"] for each in (model, put)]
    assert all(each.isfinite().all() for each in seen) and len({float(each.sum()) for each in seen}) == 4


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ({"mask": MASK, "picture": HINT}, "DiffSynth ControlNet for Qwen-Image that reads no mask"),
        ({}, "needs a picture to see: connect an image"),
        ({"picture": HINT, "painted": HINT}, "sees one picture: connect it as image"),
        ({"picture": HINT[0]}, "an image is .32, 48, 3., expected"),
    ],
)
def test_what_it_cannot_see(qwen: tuple[ModelPatcher, ModelPatch], shown: dict[str, Tensor], message: str) -> None:
    model, patch = qwen
    with pytest.raises(DiffusionError, match=message):
        with_sight(model, patch, VAE, 1.0, **shown)


def test_what_does_not_fit(qwen: tuple[ModelPatcher, ModelPatch], tmp_path: Path) -> None:
    model, patch = qwen
    other = load_unet(small("diffusion_models", "flux", tmp_path), **PLACE)
    with pytest.raises(DiffusionError, match="is a DiffSynth ControlNet for Qwen-Image; the model is FLUX.1"):
        with_sight(other, patch, VAE, 1.0, picture=HINT)
    with pytest.raises(DiffusionError, match="of 1 blocks, 128 wide; this model has 2, 128 wide"):
        with_sight(qwen_model(tmp_path, 2), patch, VAE, 1.0, picture=HINT)
    painting = load_model_patch(small("model_patches", "qwen_image", tmp_path, "qwen_inpaint"), **PLACE)
    with pytest.raises(DiffusionError, match="for inpainting: connect the mask of what to paint"):
        with_sight(model, painting, VAE, 1.0, picture=HINT)
    four: Any = SeeingVae()
    four.encode = lambda pixels: Eye.encode(four, pixels)[:, :4]
    with pytest.raises(DiffusionError, match="gives latents of 4 channels, .* sees 16: connect the VAE of the model"):
        evaluated(with_sight(model, patch, four, 1.0, picture=HINT), numbers(1, 16, 1, 4, 6, seed=2))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("feature_embedder.mid_layer_norm.bias",), "but the projector of USO for FLUX"),
        (("audio_proj.proj1.weight", "blocks.0.audio_cross_attn.proj.weight"), "but InfiniteTalk's or MultiTalk's"),
        (("lllite_dit_blocks_0.down.weight",), "but a ControlNet-LLLite for Anima"),
        (("double_blocks.0.x.weight",), "not a model patch that Weft runs, but a FLUX model"),
    ],
)
def test_what_is_no_patch_is_named(keys: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_model_patch(written({key: torch.zeros(2) for key in keys}, tmp_path / "p.safetensors"), **PLACE)


def test_one_that_sees_something_else(tmp_path: Path) -> None:
    path = written(blockwise(HEAD, 1, 72), tmp_path / "p.safetensors")
    with pytest.raises(CheckpointError, match="sees 72 numbers a patch: expected 64, or 68 with a mask"):
        load_model_patch(path, **PLACE)


def test_its_header_says_what_it_is(tmp_path: Path) -> None:
    plain, masked = (small("model_patches", "qwen_image", tmp_path, name) for name in ("x", "qwen_inpaint"))
    assert patch_glance(plain) == ("a DiffSynth ControlNet", "Qwen-Image", False)
    assert patch_glance(masked) == ("a DiffSynth ControlNet", "Qwen-Image", True)
    assert patch_glance(small("diffusion_models", "qwen_image", tmp_path)) is None


ZIMAGE = {**zimage_sizes(), "dim": HEAD, "n_heads": 1, "n_kv_heads": 1, "n_layers": 4, "n_refiner_layers": 2}
WIDTH = ZIMAGE["dim"]


def fun_net(form: str) -> Any:
    """diffusers' class, which holds the weights; form: "1.0", "2.0" or "2.1"."""
    from diffusers import ZImageControlNetModel

    make: Any = ZImageControlNetModel
    blocks = 15 if form == "2.0" else 2
    net = make(
        control_layers_places=list(range(blocks)), control_refiner_layers_places=[0, 1], n_refiner_layers=2,
        control_in_dim=16 if form == "1.0" else 33, dim=WIDTH, n_heads=WIDTH // HEAD, n_kv_heads=WIDTH // HEAD,
        add_control_noise_refiner={"1.0": None, "2.0": "control_layers", "2.1": "control_noise_refiner"}[form],
    )  # fmt: skip
    return random(net)


class FunRun:
    """Z-Image of some blocks, and one evaluation of it."""

    def __init__(self, folder: Path, layers: int) -> None:
        part = ZImageKind({**ZIMAGE, "n_layers": layers}).model_part()
        self.model = load_unet(written(random_weights(shapes_of(part, "")), folder / "z.safetensors"), **PLACE)
        self.network: Any = self.model.network.module()
        self.x = numbers(2, 16, 4, 6, seed=2)
        self.context, self.times = numbers(2, 5, 8, seed=3), torch.full((2,), 0.4)

    def __call__(self, model: ModelPatcher) -> Tensor:
        denoiser = model.kind.denoiser(self.network, model.sampling, model.latent_format)
        options = {**model.model_options["transformer_options"], "cond_or_uncond": [0, 1]}
        with torch.inference_mode():
            return denoiser(self.x, torch.tensor(0.6), self.context, None, options)

    def called(self, **more: Any) -> Tensor:
        """The same, by its class alone."""
        with torch.inference_mode():
            found = self.network(list(self.x[:, :, None]), self.times, list(self.context), return_dict=False, **more)
        return self.x + 0.6 * torch.stack(found[0])[:, :, 0]


def zimage_latent(picture: Tensor) -> Tensor:
    return (Eye().encode(picture) - 0.1159) * 0.3611


@pytest.mark.parametrize("fused", [False, True])
def test_a_fun_controlnet(tmp_path: Path, fused: bool) -> None:
    """1.0: what diffusers gives, whose names its file has; or the model's files' own."""
    run, net = FunRun(tmp_path, 4), fun_net("1.0")
    tensors = net.state_dict()
    if fused:
        stored = landings(tensors, WIDTH)
        tensors = {key: torch.cat([net.state_dict()[to.target] for to in each]) for key, each in stored.items()}
    patch = load_model_patch(written(tensors, tmp_path / "p.safetensors"), **PLACE)
    put = with_sight(run.model, patch, SeeingVae(), 0.7, picture=HINT)  # type: ignore[arg-type]
    net.control_layers_places = [0, 2]
    net.from_transformer(net, run.network)
    with torch.inference_mode():
        hints = net(
            list(run.x[:, :, None]), run.times, list(run.context), [zimage_latent(HINT)[0][:, None]] * 2, 0.7
        )  # fmt: skip
    expected = run.called(controlnet_block_samples=hints)
    torch.testing.assert_close(run(put), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(expected, run(run.model), atol=1e-3)


class FunReference:
    """VideoX-Fun's walk of versions 2, as hooks on the model's network: all hints are made before the first block."""

    def __init__(self, net: Any, form: str, control: Tensor, network: Any, strength: float) -> None:
        self.net, self.network, self.strength = net, network, strength
        self.refiners = net.control_layers if form == "2.0" else net.control_noise_refiner
        cut = control.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
        self.state = net.control_all_x_embedder["2-1"](cut).expand(2, -1, -1)
        self.hooks: list[Any] = []

    def walked(self, blocks: Any, state: Tensor, rows: Tensor, told: Any) -> list[Tensor]:
        for block in blocks:
            state = block(state, rows, *told[:3])
        return list(state)

    def refine(self, _: Any, given: Any) -> None:
        rows, *told = given
        padding = self.network.x_pad_token.expand(2, rows.shape[1] - self.state.shape[1], -1)
        *self.behind, self.state = self.walked(self.refiners, torch.cat([self.state, padding], 1), rows, told)

    def unify(self, _: Any, given: Any) -> None:
        rows, *told = given
        state = torch.cat([self.state, rows[:, self.state.shape[1] :]], dim=1)
        *self.hints, _ = self.walked(self.net.control_layers, state, rows, told)

    def __enter__(self) -> None:
        network, count = self.network, len(self.net.control_layers)
        self.hooks = [network.noise_refiner[0].register_forward_pre_hook(self.refine)]
        self.hooks += [network.layers[0].register_forward_pre_hook(self.unify)]
        step = len(network.layers) // count
        for i, block in enumerate(network.noise_refiner):
            self.hooks += [block.register_forward_hook(lambda _, __, made, i=i: made + self.strength * self.behind[i])]
        for i in range(count):
            add = lambda _, __, made, i=i: made + self.strength * self.hints[i]  # noqa: E731
            self.hooks += [network.layers[i * step].register_forward_hook(add)]

    def __exit__(self, *_: Any) -> None:
        for hook in self.hooks:
            hook.remove()


@pytest.mark.parametrize("form", ["2.0", "2.0 with refiners", "2.1", "2.1 painting"])
def test_a_fun_controlnet_of_version_2(tmp_path: Path, form: str) -> None:
    number, _, more = form.partition(" ")
    run, net = FunRun(tmp_path, 15 if number == "2.0" else 4), fun_net(number)
    tensors = net.state_dict()
    if more == "with refiners":
        untrained = {key: value for key, value in fun_net("2.1").state_dict().items() if "noise_refiner" in key}
        zero = "control_noise_refiner.0.before_proj.weight"
        tensors = {**tensors, **untrained, zero: torch.zeros(WIDTH, WIDTH)}
    told: list[str] = []
    patch = load_model_patch(written(tensors, tmp_path / "p.safetensors"), **PLACE, warn=told.append)
    shown: dict[str, Any] = {"picture": HINT}
    control = torch.cat([zimage_latent(HINT), torch.zeros(1, 17, 4, 6)], dim=1)
    if more == "painting":
        shown = {"mask": MASK, "painted": HINT}
        grey = torch.where(MASK[..., None] < 0.5, HINT, 0.5)
        control = torch.cat([torch.zeros(1, 16, 4, 6), 1 - MASK[:, None, ::8, ::8], zimage_latent(grey)], dim=1)
    vae: Any = SeeingVae()
    put = with_sight(run.model, patch, vae, 0.7, **shown)
    with torch.inference_mode(), FunReference(net, number, control, run.network, 0.7):
        expected = run.called()
    torch.testing.assert_close(run(put), expected, rtol=1e-4, atol=1e-5)
    assert told == [] and not torch.allclose(expected, run(run.model), atol=1e-3)


def test_what_a_fun_controlnet_cannot_see(tmp_path: Path) -> None:
    model = load_unet(small("diffusion_models", "z_image", tmp_path), **PLACE)
    old, new = (
        load_model_patch(small("model_patches", "z_image", tmp_path, name), **PLACE) for name in ("union", "union-2.1")
    )
    vae: Any = SeeingVae()
    with pytest.raises(DiffusionError, match="a Fun ControlNet for Z-Image .1.0. that reads no mask"):
        with_sight(model, old, vae, 1.0, picture=HINT, mask=MASK)
    with pytest.raises(DiffusionError, match="a picture to paint in is read with a mask"):
        with_sight(model, new, vae, 1.0, painted=HINT)
    with pytest.raises(DiffusionError, match="needs a picture to see: connect an image"):
        with_sight(model, new, vae, 1.0, mask=MASK)
    assert with_sight(model, new, vae, 0.0, picture=HINT, mask=MASK) is model
    with pytest.raises(DiffusionError, match="2 and 1 and 3 pictures and masks go together: expected one, or as many"):
        with_sight(model, new, vae, 1.0, picture=HINT.repeat(2, 1, 1, 1), painted=HINT, mask=MASK.repeat(3, 1, 1))
    with pytest.raises(DiffusionError, match="128 wide, of 15 blocks; this model is 256 wide, of 1"):
        large = load_model_patch(written(fun_net("2.0").state_dict(), tmp_path / "p.safetensors"), **PLACE)
        with_sight(model, large, vae, 1.0, picture=HINT)
    assert patch_glance(tmp_path / "z_image_model_patches_union.safetensors") == ("a Fun ControlNet", "Z-Image", False)
    assert patch_glance(tmp_path / "z_image_model_patches_union-2.1.safetensors") == (
        "a Fun ControlNet", "Z-Image", None
    )  # fmt: skip


def test_what_it_sees_is_where_the_run_is(tmp_path: Path) -> None:
    """Though blocks of it are elsewhere, and come for their own calls alone."""
    run = FunRun(tmp_path, 4)
    patch = load_model_patch(written(fun_net("1.0").state_dict(), tmp_path / "p.safetensors"), **PLACE)
    put = with_sight(run.model, patch, SeeingVae(), 1.0, picture=HINT)  # type: ignore[arg-type]
    first, _ = next(patch.network.base.named_parameters())
    assert first.startswith("control_layers.0.")
    path, _, leaf = first.rpartition(".")
    owner, away = patch.network.base.get_submodule(path), nn.Parameter(torch.empty(HEAD, device="meta"))
    here, owner._parameters[leaf] = owner._parameters[leaf], away
    held: Any = SimpleNamespace(shape=run.x.shape, device=run.x.device, held=ExitStack())
    model_patches(put.model_options)[0].hold(held)
    owner._parameters[leaf] = here
    assert torch.isfinite(run(put)).all()
    assert [seen.device for seen in model_patches(put.model_options)[0]._seen.values()] == [run.x.device]


def test_two_patches_add_up(tmp_path: Path) -> None:
    """All that they give is made of the rows before the model's first block."""
    run = FunRun(tmp_path, 4)
    patch = load_model_patch(written(fun_net("1.0").state_dict(), tmp_path / "p.safetensors"), **PLACE)
    vae: Any = SeeingVae()
    whole = with_sight(run.model, patch, vae, 0.6, picture=HINT)
    twice = with_sight(with_sight(run.model, patch, vae, 0.2, picture=HINT), patch, vae, 0.4, picture=HINT)
    torch.testing.assert_close(run(twice), run(whole), rtol=1e-4, atol=1e-5)
