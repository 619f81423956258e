"""What a sampler shows of its way: by the family's TAESD, or by a linear map of the latent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import weft
from weft.engine import events
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.values.latent_colours import picture
from weft.nodes.diffusion.values.pixels import to_uint8
from weft.nodes.diffusion.values.tiny_vae import KINDS, load_tiny_vae

SD = LatentFormat(4, 8, 0.18215)
FORMATS = {
    "sd": SD,
    "sdxl": LatentFormat(4, 8, 0.13025),
    "playground": LatentFormat(4, 8, 0.5, (1.0,) * 4, (2.0,) * 4),
    "sd3": LatentFormat(16, 8, 1.5305, (0.0609,) * 16, (1.0,) * 16),
    "flux and z-image": LatentFormat(16, 8, 0.3611, (0.1159,) * 16, (1.0,) * 16),
    "qwen-image and wan 2.1": LatentFormat(16, 8, 1.0, (0.1,) * 16, (2.0,) * 16, frames=4),
    "wan 2.2 5b": LatentFormat(48, 16, 1.0, (0.1,) * 48, (2.0,) * 48, frames=4),
    "flux2": LatentFormat(128, 16),
    "pixel_space": LatentFormat(3, 1),
}


class Watch:
    """Somebody who looks on."""

    takes_previews = True

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Preview):
            self.seen.append(event.image)


def written(folder: Path, name: str, channels: int) -> torch.nn.Module:
    """A decoder with random weights, in a file as TAESD is released: its layers one on, behind its clamp."""
    from diffusers import AutoencoderTiny

    torch.manual_seed(1)
    decoder = AutoencoderTiny(latent_channels=channels).eval().requires_grad_(False).decoder
    tensors = {
        re.sub(r"layers\.(\d+)\.", lambda found: f"{int(found[1]) + 1}.", key): tensor
        for key, tensor in decoder.state_dict().items()
    }
    (folder / "vae_approx").mkdir(exist_ok=True)
    save_file(tensors, folder / "vae_approx" / f"{name}_decoder.safetensors")
    found: torch.nn.Module = decoder
    return found


def sampled(models: Path, watch: Watch) -> weft.RunResult:
    sampler = {"seed": 3, "steps": 3, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    links = {"model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0]}
    prompt = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-tiny.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "red apple", "clip": ["1", 1]}},
        "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 48, "batch_size": 2}},
        "4": {"class_type": "KSampler", "inputs": {**sampler, **links}},
    }
    return weft.run(prompt, models=models, targets=["4"], device="cpu", observers=[watch])


@pytest.mark.parametrize("name", FORMATS)
def test_latents_of_each_family_are_pictures(name: str) -> None:
    form = FORMATS[name]
    torch.manual_seed(2)
    latent = torch.randn(2, form.channels, *((3,) if form.frames else ()), 6, 9)
    shown = picture(latent, form)
    assert (shown.mode, shown.size) == ("RGB", (9, 6))
    assert len(shown.getcolors()) > 40
    assert shown.tobytes() != picture(latent.flip(0), form).tobytes(), "the first of the batch is shown"
    flat = picture(torch.zeros_like(latent), form)
    assert len(flat.getcolors()) == 1


def test_without_files_a_step_is_one_pixel_an_element(tmp_path: Path) -> None:
    watch = Watch()
    sampled(tmp_path, watch)
    assert [image.size for image in watch.seen] == [(8, 6)] * 3


def test_a_decoder_alone_draws_pictures_of_the_full_size(tmp_path: Path) -> None:
    watch = Watch()
    decoder = written(tmp_path, "taesd", 4)
    samples = sampled(tmp_path, watch)["4"][0]["samples"]
    assert [image.size for image in watch.seen] == [(64, 48)] * 3
    # The last prediction of euler is what it ends with.
    pixels = (decoder(samples[:1] * SD.scale) * 0.5 + 0.5).clamp(0, 1).movedim(1, -1)
    expected = Image.fromarray(to_uint8(pixels)[0].numpy())
    differs = [abs(a - b) for a, b in zip(watch.seen[-1].tobytes(), expected.tobytes(), strict=True)]
    assert max(differs) <= 1


def test_a_file_that_cannot_be_read_stops_no_run(tmp_path: Path) -> None:
    watch = Watch()
    (tmp_path / "vae_approx").mkdir()
    save_file({"x": torch.ones(1)}, tmp_path / "vae_approx" / "taesd_decoder.safetensors")
    result = sampled(tmp_path, watch)
    assert [image.size for image in watch.seen] == [(8, 6)] * 3
    assert any("no decoder of TAESD" in str(warning) for warning in result.warnings)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_takes_the_latents_of_its_family(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    decoder = written(tmp_path, name, kind.channels)
    file = tmp_path / "vae_approx" / f"{name}_decoder.safetensors"
    vae = load_tiny_vae({"decoder": file}, kind, device=torch.device("cpu"), dtype=torch.float32)
    [form] = [form for form in FORMATS.values() if (form.channels, form.scale) == (kind.channels, kind.scale)]
    latent = torch.randn(1, kind.channels, 4, 5)
    expected = (decoder(latent) * 0.5 + 0.5).clamp(0, 1).movedim(1, -1)
    torch.testing.assert_close(vae.decode(form.from_network(latent)), expected, rtol=1e-4, atol=1e-5)
