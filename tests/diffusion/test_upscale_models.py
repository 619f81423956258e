"""Upscale models: every layout of a file opens, and what is none says so. Numbers: goldens hires_pixel, hires_both."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.values import upscale_models
from weft.nodes.diffusion.values.upscale_models import UpscaleModel, load_upscale_model, plan_upscale_model
from weft.nodes.diffusion.values.upscale_networks import CompactNet, RRDBNet

CPU = torch.device("cpu")
IMAGE = torch.rand(2, 9, 7, 3, generator=torch.Generator().manual_seed(3))


def rrdb(doublings: int = 2, unshuffle: int = 1, channels: int = 3) -> RRDBNet:
    torch.manual_seed(0)
    return RRDBNet(
        channels=channels, features=6, growth=4, blocks=2, doublings=doublings, unshuffle=unshuffle
    ).requires_grad_(False)


def real_names(net: RRDBNet) -> dict[str, Tensor]:
    """Real-ESRGAN's: conv_up1 for up.0."""
    return {
        f"conv_up{int(name[3]) + 1}{name[4:]}" if name.startswith("up.") else name: tensor
        for name, tensor in net.state_dict().items()
    }


def new_names(net: RRDBNet) -> dict[str, Tensor]:
    renamed = {
        "conv_body": "trunk_conv",
        "conv_hr": "HRconv",
        "body.": "RRDB_trunk.",
        "rdb": "RDB",
        "conv_up": "upconv",
    }
    tensors = {}
    for name, tensor in real_names(net).items():
        for old, new in renamed.items():
            name = name.replace(old, new)
        tensors[name] = tensor
    return tensors


def old_names(net: RRDBNet) -> dict[str, Tensor]:
    ups = len(net.up)
    first_up = 3 if ups else 2
    places = {"conv_first": "model.0", "conv_body": "model.1.sub.2"}
    places |= {f"up.{i}": f"model.{3 + 3 * i}" for i in range(ups)}
    hr = first_up + 3 * ups - 1 if ups else 2
    places |= {"conv_hr": f"model.{hr}", "conv_last": f"model.{hr + 2}"}
    tensors = {}
    for name, tensor in net.state_dict().items():
        layer, _, leaf = name.rpartition(".")
        if layer.startswith("body."):
            _, block, dense, conv = layer.split(".")
            place = f"model.1.sub.{block}.{dense.upper()}.{conv}.0"
        else:
            place = places[layer]
        tensors[f"{place}.{leaf}"] = tensor
    return tensors


def opened(tensors: dict[str, Tensor], folder: Path, name: str = "net.safetensors") -> UpscaleModel:
    path = folder / name
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)
    return load_upscale_model(path, device=CPU)


def expected(net: nn.Module) -> Tensor:
    with torch.no_grad():
        return net(IMAGE.movedim(-1, 1)).clamp(0, 1).movedim(1, -1)


LAYOUTS = {"real": real_names, "new": new_names, "old": old_names}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_esrgan_in_every_layout(layout: str, tmp_path: Path) -> None:
    net = rrdb()
    model = opened(LAYOUTS[layout](net), tmp_path)
    assert (model.scale, model.channels) == (4, 3)
    result = model.upscale(IMAGE)
    assert result.shape == (2, 36, 28, 3)
    assert torch.allclose(result, expected(net), atol=1e-6)
    result += 1.0  # a plain tensor: nodes may write into it


@pytest.mark.parametrize(("layout", "doublings", "unshuffle", "scale"), [
    ("real", 2, 2, 2), ("real", 2, 4, 1), ("old", 1, 1, 2), ("old", 0, 1, 1), ("old", 3, 1, 8), ("new", 2, 2, 2),
])  # fmt: skip
def test_factors(layout: str, doublings: int, unshuffle: int, scale: int, tmp_path: Path) -> None:
    net = rrdb(doublings, unshuffle)
    model = opened(LAYOUTS[layout](net), tmp_path)
    assert model.scale == scale
    result = model.upscale(IMAGE)
    assert result.shape == (2, 9 * scale, 7 * scale, 3)
    assert torch.allclose(result, expected(net), atol=1e-6)


@pytest.mark.parametrize(("doublings", "unshuffle"), [(2, 2), (2, 4)])
def test_unshuffled_input_is_padded_by_reflection_to_multiples_of_four(doublings: int, unshuffle: int) -> None:
    """As spandrel 0.4.2 does for both factors; the numbers were compared with it."""
    net = rrdb(doublings, unshuffle)
    image = IMAGE.movedim(-1, 1)
    padded = torch.nn.functional.pad(image, (0, 1, 0, 3), mode="reflect")
    height, width = 9 * net.scale, 7 * net.scale
    assert torch.equal(net(image), net(padded)[..., :height, :width])


def test_an_image_too_small_to_be_mirrored() -> None:
    assert rrdb(2, 2)(torch.rand(1, 3, 1, 2)).shape == (1, 3, 2, 4)


def test_compact(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = CompactNet(channels=3, features=5, layers=3, scale=2).requires_grad_(False)
    model = opened(dict(net.state_dict()), tmp_path)
    assert (model.scale, model.channels) == (2, 3)
    assert torch.allclose(model.upscale(IMAGE), expected(net), atol=1e-6)


def test_sizes_of_released_networks() -> None:
    """Parameters of RealESRGAN_x4plus, RealESRGAN_x2plus, realesr-animevideov3 and realesr-general-x4v3."""
    with torch.device("meta"):
        nets = [
            RRDBNet(channels=3, features=64, growth=32, blocks=23, doublings=2),
            RRDBNet(channels=3, features=64, growth=32, blocks=23, doublings=2, unshuffle=2),
            CompactNet(channels=3, features=64, layers=16, scale=4),
            CompactNet(channels=3, features=64, layers=32, scale=4),
        ]
    assert [sum(p.numel() for p in net.parameters()) for net in nets] == [16_697_987, 16_703_171, 621_424, 1_213_296]


@pytest.mark.parametrize("wrapper", ["params", "params_ema", "module"])
def test_torch_files_with_what_trainers_wrap_around(wrapper: str, tmp_path: Path) -> None:
    net = rrdb()
    path = tmp_path / "net.pth"
    torch.save({wrapper: real_names(net)}, path)
    assert torch.allclose(load_upscale_model(path, device=CPU).upscale(IMAGE), expected(net), atol=1e-6)


def test_the_running_average_is_taken(tmp_path: Path) -> None:
    net = rrdb()
    other = {name: tensor * 0 for name, tensor in real_names(net).items()}
    path = tmp_path / "net.pth"
    torch.save({"params": other, "params_ema": real_names(net)}, path)
    assert torch.allclose(load_upscale_model(path, device=CPU).upscale(IMAGE), expected(net), atol=1e-6)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("exploded"),))


def test_a_pth_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"params": Bomb()}, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=r"net\.pth holds more than tensors and was not loaded"):
        load_upscale_model(tmp_path / "net.pth", device=CPU)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="a Python pickle, which could run anything"):
        load_upscale_model(tmp_path / "plain.pth", device=CPU)
    assert not (tmp_path / "exploded").exists()


def test_what_is_no_upscaler(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"net.safetensors: no upscaler of a known kind, but a VAE \(put it in vae/"
    ):
        opened({"decoder.up.0.weight": torch.zeros(1)}, tmp_path)
    swin = {"layers.0.residual_group.blocks.0.attn.qkv.weight": torch.zeros(1), "upsample.0.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match="known are ESRGAN and Real-ESRGAN"):
        opened(swin, tmp_path)


@pytest.mark.parametrize(("change", "message"), [
    (lambda t: t.pop("conv_hr.weight"), "1 missing key: 'conv_hr.weight'"),
    (lambda t: t.pop("conv_last.weight"), "missing key 'conv_last.weight'"),
    (lambda t: t.update({"body.0.rdb1.conv1x1.weight": torch.zeros(4, 6, 1, 1)}), "1 unexpected key"),
    (lambda t: t.update({"body.1.rdb2.conv3.weight": torch.zeros(4, 6, 3, 3)}), "does not fit"),
    (lambda t: t.update({"conv_first.weight": torch.zeros(6, 7, 3, 3)}), "no square number of times"),
    (lambda t: t.update({"conv_first.weight": torch.zeros(6, 192, 3, 3)}), "shrinks images 8 times and doubles them 2"),
])  # fmt: skip
def test_damaged_files(change: object, message: str, tmp_path: Path) -> None:
    tensors = real_names(rrdb())
    change(tensors)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=message):
        opened(tensors, tmp_path)


def test_a_compact_network_without_its_relus(tmp_path: Path) -> None:
    shapes = {"body.0.weight": (5, 3, 3, 3), "body.0.bias": (5,), "body.2.weight": (12, 5, 3, 3), "body.2.bias": (12,)}
    with pytest.raises(CheckpointError, match="expected PReLUs"):
        plan_upscale_model(shapes)


def test_other_images_are_refused(tmp_path: Path) -> None:
    model = opened(real_names(rrdb()), tmp_path)
    with pytest.raises(DiffusionError, match=r"takes \[batch, height, width, 3\] float, got \[1, 4, 4, 4\]"):
        model.upscale(torch.zeros(1, 4, 4, 4))


def test_tiles_and_less_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the device runs out of memory, smaller tiles are tried; the smallest that fails is an error."""
    monkeypatch.setattr(upscale_models, "TILE", 16)
    monkeypatch.setattr(upscale_models, "OVERLAP", 4)
    monkeypatch.setattr(upscale_models, "SMALLEST_TILE", 8)
    torch.manual_seed(0)
    net = CompactNet(channels=3, features=5, layers=0, scale=2).requires_grad_(False)
    model = UpscaleModel(opened(real_names(rrdb()), tmp_path).network.__class__(net), 2, 3)
    image = torch.rand(1, 20, 30, 3)
    sizes: list[tuple[int, ...]] = []
    limit = 8

    def forward(part: Tensor) -> Tensor:
        sizes.append(tuple(part.shape[2:]))
        if max(part.shape[2:]) > limit:
            raise torch.OutOfMemoryError("no memory")
        return CompactNet.forward(net, part)

    monkeypatch.setattr(net, "forward", forward)
    told: list[tuple[int, int]] = []
    result = model.upscale(image, lambda done, total: told.append((done, total)))
    assert sizes[0] == (16, 16)
    assert set(map(max, sizes[1:])) == {8}
    assert told[-1][0] == told[-1][1] == len(sizes) - 1
    assert result.shape == (1, 40, 60, 3)
    limit = 4
    with pytest.raises(torch.OutOfMemoryError):
        model.upscale(image)
