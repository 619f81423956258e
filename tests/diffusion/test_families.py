"""Families beyond SD1 and SDXL base: how they are fed and what their output means, on small random checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.sd.releases import RELEASES, title_of
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint, load_clip, load_unet

from .ksampling import ksample

CPU = torch.device("cpu")
EVERYTHING: dict[str, Any] = {"device": CPU, "dtype": torch.float32}
Open = Callable[..., Any]


def watch(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Remembers what the network is called with."""
    calls: list[Any] = []
    forward = network.forward

    def remember(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, kwargs))
        return forward(*args, **kwargs)

    monkeypatch.setattr(network, "forward", remember)
    return calls


def sampled(checkpoint: Any, positive: list[Any], negative: list[Any], **changes: Any) -> Tensor:
    request: dict[str, Any] = {
        "seed": 3,
        "steps": 2,
        "cfg": 3.0,
        "sampler": "euler",
        "scheduler": "normal",
        "positive": positive,
        "negative": negative,
    }
    latent = changes.pop("latent", None) or {"samples": torch.zeros(1, 4, 8, 8)}
    return ksample(checkpoint.model, latent, **{**request, **changes})["samples"]


def test_titles() -> None:
    assert [title_of(release.name) for release in RELEASES] == [release.title for release in RELEASES]


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "sdxl_refiner"])
def test_every_family_samples(open_checkpoint: Open, family: str) -> None:
    checkpoint = open_checkpoint(family)
    assert checkpoint.kind.name == family
    cond = checkpoint.clip.encode("a cat")
    assert cond[0][0].shape[-1] == checkpoint.kind.unet["cross_attention_dim"]
    result = sampled(checkpoint, cond, checkpoint.clip.encode(""))
    assert result.shape == (1, 4, 8, 8)
    assert checkpoint.vae.decode(result).shape == (1, 64, 64, 3)


def test_v_prediction_reads_the_output_otherwise(open_checkpoint: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    noise, velocity = open_checkpoint("sd2"), open_checkpoint("sd2", name="sd2_v", stated={"prediction": "v"})
    assert (noise.kind.prediction, velocity.kind.prediction) == ("eps", "v")
    x, sigma = torch.randn(1, 4, 8, 8), torch.tensor(2.0)
    output = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(noise.model.sampling.denoised(x, output, sigma), x - 2 * output)
    torch.testing.assert_close(velocity.model.sampling.denoised(x, output, sigma), x / 5 - 2 * output / 5**0.5)


def test_sd2_is_told_by_its_numbers(make_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule at work on a file; the real key and bound: test_detect."""
    from dataclasses import replace

    from weft.nodes.diffusion.families.sd import releases

    rows = []
    for release in RELEASES:
        sign = release.v_sign and ("output_blocks.5.1.transformer_blocks.0.norm1.bias", release.v_sign[1])
        rows.append(replace(release, v_sign=sign))
    monkeypatch.setattr(releases, "RELEASES", tuple(rows))

    def change(value: float) -> Callable[[dict[str, Tensor]], None]:
        def edit(tensors: dict[str, Tensor]) -> None:
            key = "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.norm1.bias"
            tensors[key] = torch.tensor([value, -value]).repeat(tensors[key].numel() // 2).half()

        return edit

    for value, prediction in ((0.05, "eps"), (0.2, "v")):
        path = make_checkpoint("sd2", name=f"spread_{prediction}", change=change(value))
        assert load_checkpoint(path, **EVERYTHING).kind.prediction == prediction


def test_a_schedule_of_zero_terminal_snr(open_checkpoint: Open) -> None:
    def mark(tensors: dict[str, Tensor]) -> None:
        tensors |= {"v_pred": torch.empty(0), "ztsnr": torch.empty(0)}

    checkpoint = open_checkpoint("sdxl", name="ztsnr", change=mark)
    assert checkpoint.model.sampling.prediction == "v"
    assert checkpoint.model.sampling.sigma_max == pytest.approx(4518.76, rel=1e-4)


# The vector conditioning of the refiner.


def test_the_refiner_is_told_five_numbers(open_checkpoint: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = open_checkpoint("sdxl_refiner")
    calls = watch(checkpoint.model.network.base, monkeypatch)
    positive, negative = (checkpoint.clip.encode(text) for text in ("a cat", "blurry"))
    latent = {"samples": torch.zeros(1, 4, 6, 8)}
    sampled(checkpoint, positive, negative, latent=latent)
    # Uncond first: size, no crop, and the scores that Podell et al. suggest.
    added = calls[0][1]["added_cond_kwargs"]
    assert added["time_ids"].tolist() == [[48, 64, 0, 0, 2.5], [48, 64, 0, 0, 6.0]]
    assert added["text_embeds"].shape == (2, 80)
    positive[0][1] |= {"aesthetic_score": 7.5, "width": 1024, "height": 768, "crop_w": 8, "crop_h": 16}
    negative[0][1] |= {"aesthetic_score": 1.0}
    sampled(checkpoint, positive, negative, latent=latent)
    added = calls[-1][1]["added_cond_kwargs"]
    assert added["time_ids"].tolist() == [[48, 64, 0, 0, 1.0], [768, 1024, 16, 8, 7.5]]


def test_base_and_refiner_share_a_schedule(open_checkpoint: Open) -> None:
    """A hand-over at step 2 of 4: the refiner goes on where the base stopped, in the same latent space."""
    base, refiner = open_checkpoint("sdxl"), open_checkpoint("sdxl_refiner")
    assert base.model.latent_scale == refiner.model.latent_scale
    prompts = [checkpoint.clip.encode("a cat") for checkpoint in (base, refiner)]
    half = sampled(base, prompts[0], prompts[0], steps=4, end=2)
    whole = sampled(refiner, prompts[1], prompts[1], latent={"samples": half}, steps=4, start=2, add_noise=False)
    assert not torch.equal(whole, half)
    with pytest.raises(DiffusionError, match="its width is 144, the model's cross attention takes 80"):
        sampled(refiner, prompts[0], prompts[0])
    with pytest.raises(DiffusionError, match="its width is 80, the model's cross attention takes 144"):
        sampled(base, prompts[1], prompts[1])


# What inpainting and editing UNets read beside the latent.


def concatenated(
    checkpoint: Any, monkeypatch: pytest.MonkeyPatch, latent: dict[str, Any] | None = None, **options: Any
) -> Tensor:
    """The channels behind the latent's in the first call; one condition a side, both alike."""
    calls = watch(checkpoint.model.network.base, monkeypatch)
    prompt = checkpoint.clip.encode("a cat")
    prompt[0][1] |= options
    sampled(checkpoint, prompt, prompt, steps=1, latent=latent)
    (sample, _), _ = calls[0]
    uncond, cond = sample[:, 4:].chunk(2)
    assert torch.equal(uncond, cond)
    return cond


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_an_inpainting_unet_without_mask_paints_over_grey(
    open_checkpoint: Open, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    channels = concatenated(open_checkpoint(family, 9), monkeypatch)
    assert torch.equal(channels[:, :1], torch.ones(1, 1, 8, 8))
    expected = torch.tensor([0.8223, -0.6876, 0.6364, 0.1380])[None, :, None, None].expand(1, 4, 8, 8)
    assert torch.equal(channels[:, 1:], expected)


def test_an_inpainting_unet_reads_the_mask_and_the_masked_image(
    open_checkpoint: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = open_checkpoint("sd1", 9)
    image = torch.randn(1, 4, 8, 8)
    mask = torch.zeros(1, 64, 64)
    mask[:, :32, :20] = 1.0  # 2.5 latent pixels wide: rounded
    channels = concatenated(checkpoint, monkeypatch, concat_mask=mask, concat_latent_image=image)
    assert channels[0, 0, :4, :2].eq(1).all() and channels[0, 0].sum() in (8, 12)
    assert set(channels[0, 0].unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(channels[:, 1:], image * 0.18215)


def test_the_latents_own_mask_and_image_are_what_is_painted(
    open_checkpoint: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, mask = torch.randn(2, 4, 8, 8), torch.zeros(1, 1, 64, 64)
    mask[..., 40:] = 1.0
    latent = {"samples": samples, "noise_mask": mask}
    channels = concatenated(open_checkpoint("sd1", 9), monkeypatch, latent)
    assert torch.equal(channels[:, 0], torch.tensor([0.0] * 5 + [1.0] * 3).expand(2, 8, 8))
    torch.testing.assert_close(channels[:, 1:], samples * 0.18215)
    # A mask in the conditioning counts first.
    channels = concatenated(open_checkpoint("sd1", 9), monkeypatch, latent, concat_mask=torch.ones(64, 64))
    assert torch.equal(channels[:, 0], torch.ones(2, 8, 8))


def test_concatenated_images_of_another_size_and_number(open_checkpoint: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.arange(3.0)[:, None, None, None].expand(3, 4, 16, 32)
    latent = {"samples": torch.zeros(6, 4, 8, 8)}
    channels = concatenated(
        open_checkpoint("sd1", 9), monkeypatch, latent, concat_latent_image=image, concat_mask=torch.ones(1, 9, 5)
    )
    assert channels.shape == (6, 5, 8, 8)
    torch.testing.assert_close(channels[:, 1, 0, 0] / 0.18215, torch.tensor([0.0, 0.0, 1.0, 1.0, 2.0, 2.0]))


def test_instruct_pix2pix_reads_the_image_without_the_scale(
    open_checkpoint: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brooks et al. 2023: the image to edit is not multiplied by the scale of latents (as in diffusers' pipeline)."""
    checkpoint = open_checkpoint("sd1", 8)
    image = torch.randn(1, 4, 8, 8)
    assert torch.equal(concatenated(checkpoint, monkeypatch, concat_latent_image=image), image)
    assert torch.equal(concatenated(checkpoint, monkeypatch), torch.zeros(1, 4, 8, 8))


def test_an_area_is_given_its_part_of_the_image(open_checkpoint: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = open_checkpoint("sd1", 8)
    image = torch.randn(1, 4, 8, 8)
    calls = watch(checkpoint.model.network.base, monkeypatch)
    prompt = checkpoint.clip.encode("a cat")
    inside = [[prompt[0][0], {**prompt[0][1], "area": (4, 4, 2, 3), "concat_latent_image": image}]]
    sampled(checkpoint, inside, prompt, steps=1)
    crops = [args[0][:, 4:] for args, _ in calls if args[0].shape[-1] == 4]
    # The twin of the area on the other side has that side's own image: none.
    assert torch.equal(crops[0], torch.cat([torch.zeros(1, 4, 4, 4), image[..., 2:6, 3:7]]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"concat_latent_image": torch.zeros(1, 3, 8, 8)},
            r"its concat_latent_image is \[1, 3, 8, 8\], expected a latent",
        ),
        ({"concat_latent_image": "x"}, "its concat_latent_image is str, expected a latent"),
        ({"concat_mask": torch.zeros(3)}, r"a mask must be .* got \[3\]"),
    ],
)
def test_what_cannot_be_concatenated(
    open_checkpoint: Open, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str
) -> None:
    options = {"concat_mask": torch.ones(1, 8, 8), **options}
    with pytest.raises(DiffusionError, match=f"conditioning, entry 0: {words}"):
        concatenated(open_checkpoint("sd1", 9), monkeypatch, **options)


# Parts in files of their own.


def test_a_unet_of_its_own(open_checkpoint: Open, make_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    whole = open_checkpoint("sd2")
    prefix = "model.diffusion_model."
    unet = {k.removeprefix(prefix): t for k, t in load_file(make_checkpoint("sd2")).items() if k.startswith(prefix)}
    save_file(unet, tmp_path / "bare.safetensors")
    for path in (tmp_path / "bare.safetensors", make_checkpoint("sd2")):
        model = load_unet(path, **EVERYTHING)
        assert (model.kind.name, model.kind.vae, model.kind.text_encoders) == ("sd2", None, ())
        expected = dict(whole.model.network.base.named_parameters())
        assert all(torch.equal(p, expected[name]) for name, p in model.network.base.named_parameters())
    save_file({**unet, "extra": torch.ones(1)}, tmp_path / "extra.safetensors")
    told: list[str] = []
    load_unet(tmp_path / "extra.safetensors", **EVERYTHING, warn=told.append)
    assert told == ["extra.safetensors: 1 ignored key: 'model.diffusion_model.extra', of no network here"]
    with pytest.raises(CheckpointError, match="not a Stable Diffusion diffusion model, but a ControlNet"):
        save_file({"control_model.x": torch.ones(1)}, tmp_path / "control.safetensors")
        load_unet(tmp_path / "control.safetensors", **EVERYTHING)


def tower_file(path: Path, checkpoint: Path, prefix: str, inner: str = "") -> Path:
    tensors = {
        inner + key.removeprefix(prefix): tensor
        for key, tensor in load_file(checkpoint).items()
        if key.startswith(prefix)
    }
    save_file(tensors, path)
    return path


def test_text_encoders_of_their_own(
    open_checkpoint: Open, make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    prefix = "cond_stage_model.transformer.text_model."
    path = tower_file(tmp_path / "l.safetensors", make_checkpoint("sd1"), prefix, "text_model.")
    clip = load_clip([path], "stable_diffusion", **EVERYTHING)
    expected = open_checkpoint("sd1").clip.encode("a (cat:1.2)")
    assert torch.equal(clip.encode("a (cat:1.2)")[0][0], expected[0][0])
    for family, names in (("sdlx", "did you mean 'sdxl'"), ("mochi", "stable_diffusion, sdxl are")):
        with pytest.raises(CheckpointError, match=f"of type '{family}' are not supported.*{names}"):
            load_clip([path], family, **EVERYTHING)
    with pytest.raises(CheckpointError, match=re.escape("of type 'sdxl' are clip_l + clip_g, got clip_l")):
        load_clip([path, path], "sdxl", **EVERYTHING)
    whole = load_clip([make_checkpoint("sd1")], "stable_diffusion", **EVERYTHING)
    assert torch.equal(whole.encode("a cat")[0][0], clip.encode("a cat")[0][0])


@pytest.mark.parametrize(("layers", "name"), [(12, "clip_l"), (24, "clip_h"), (32, "clip_g")])
def test_towers_are_told_by_their_layers(tmp_path: Path, weights_of: Any, layers: int, name: str) -> None:
    shapes = {
        "token_embedding.weight": (49408, 64),
        "positional_embedding": (77, 64),
        "text_projection": (64, 64),
        "ln_final.weight": (64,),
        "ln_final.bias": (64,),
    }
    for layer in range(layers):
        block = f"transformer.resblocks.{layer}"
        shapes |= {f"{block}.attn.in_proj_weight": (192, 64), f"{block}.attn.in_proj_bias": (192,)}
        for inner, shape in (("attn.out_proj", (64, 64)), ("mlp.c_fc", (64, 64)), ("mlp.c_proj", (64, 64))):
            shapes |= {f"{block}.{inner}.weight": shape, f"{block}.{inner}.bias": shape[:1]}
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"{block}.{norm}.weight": (64,), f"{block}.{norm}.bias": (64,)}
    if name == "clip_l":
        del shapes["text_projection"]
    path = tmp_path / "tower.safetensors"
    save_file(weights_of(shapes), path)
    (encoder,) = load_clip([path], "stable_diffusion", **EVERYTHING).encoders
    assert encoder.name == name
    assert encoder.spec.config["num_hidden_layers"] == layers
