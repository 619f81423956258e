from __future__ import annotations

import io
import math
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from weft.nodes.diffusion.sampling.tally import counting, evaluated
from weft.nodes.diffusion.testing import measures


def test_digest_tells_bits_dtype_and_shape_apart() -> None:
    one = torch.arange(6, dtype=torch.float32)
    values = [one, one.double(), one.half(), one.to(torch.int32), one.reshape(2, 3), one + 1, -one, torch.zeros(6)]
    values += [torch.tensor(1.0), torch.tensor([1.0]), torch.tensor(True), torch.zeros(0), torch.zeros(0, 3)]
    values += [torch.ones(3, dtype=torch.bfloat16), torch.ones(3, dtype=torch.complex64), -torch.zeros(6)]
    assert len({measures.digest(value) for value in values}) == len(values)


def test_digest_does_not_depend_on_strides() -> None:
    value = torch.arange(12.0).reshape(3, 4)
    assert measures.digest(value.T) == measures.digest(value.T.contiguous())
    assert measures.digest(value.T) != measures.digest(value)


def test_facts() -> None:
    found = measures.facts(torch.tensor([[0.0, 1.0], [2.0, 5.0]]))
    assert found["dtype"] == "float32"
    assert found["shape"] == [2, 2]
    assert (found["min"], found["max"], found["mean"]) == (0.0, 5.0, 2.0)
    assert found["std"] == pytest.approx(math.sqrt(3.5))
    assert found["sample"] == [0.0, 1.0, 2.0, 5.0]
    assert "bad" not in found


def test_facts_of_what_is_not_finite() -> None:
    found = measures.facts(torch.tensor([1.0, math.nan, math.inf, 3.0]))
    assert found["bad"] == 2
    assert (found["min"], found["max"], found["mean"]) == (1.0, 3.0, 2.0)
    assert "sample" not in found
    assert measures.facts(torch.tensor([math.nan]))["bad"] == 1


@pytest.mark.parametrize("value", [torch.zeros(0), torch.ones(2, dtype=torch.complex64)])
def test_facts_without_an_order(value: torch.Tensor) -> None:
    assert set(measures.facts(value)) == {"digest", "dtype", "shape"}


def test_facts_of_booleans_and_integers() -> None:
    assert measures.facts(torch.tensor([True, False]))["mean"] == 0.5
    assert measures.facts(torch.tensor([3, 4]))["max"] == 4


def test_what_is_a_tensor() -> None:
    assert measures.tensor(torch.ones(2)) is not None
    assert torch.equal(measures.tensor(numpy.ones(2)), torch.ones(2, dtype=torch.float64))
    for value in (1.0, "x", [1.0], None, numpy.array(["x"]), torch.ones(2, device="meta")):
        assert measures.tensor(value) is None


def test_a_kept_tensor_is_a_copy() -> None:
    value = torch.zeros(3)
    kept = measures.kept(value)
    value += 1
    assert torch.equal(kept, torch.zeros(3))


def test_difference() -> None:
    expected = torch.zeros(1, 8, 10, 3)
    expected[0, 0, 0] = 0.5
    got = expected.clone()
    got[0, 2, 4, 1] = 0.25
    got[0, 6, 7] = 0.125
    found = measures.difference(got, expected, picture=True)
    assert (found["differing"], found["total"]) == (4, 240)
    assert found["max_abs"] == 0.25
    assert found["max_rel"] == 0.5
    assert found["worst"] == [0, 2, 4, 1]
    assert (found["got"], found["expected"]) == (0.25, 0.0)
    assert found["box"] == [4, 2, 7, 6]
    squares = (0.25**2 + 3 * 0.125**2) / 240
    assert found["psnr"] == pytest.approx(-10 * math.log10(squares))
    assert found["rms_rel"] == pytest.approx(math.sqrt(squares) / math.sqrt(3 * 0.25 / 240))
    assert 0 < found["ssim"] < 1


def test_difference_of_equal_pictures() -> None:
    found = measures.difference(torch.ones(2, 9, 9, 3), torch.ones(2, 9, 9, 3), picture=True)
    assert (found["max_abs"], found["psnr"], found["ssim"]) == (0.0, math.inf, 1.0)
    assert "box" not in found


def test_ssim_is_that_of_the_worst_picture() -> None:
    expected = torch.rand(2, 16, 16, 3, generator=torch.Generator().manual_seed(1))
    got = expected.clone()
    got[1] = 1 - got[1]
    assert measures.difference(got, expected, picture=True)["ssim"] < 0.1


def test_difference_of_latents_has_a_box_and_no_psnr() -> None:
    got = torch.zeros(1, 4, 8, 8)
    got[0, 1, 3, 5] = 1
    found = measures.difference(got, torch.zeros(1, 4, 8, 8), picture=False)
    assert found["box"] == [5, 3, 5, 3]
    assert found["max_rel"] == math.inf
    assert "psnr" not in found


def test_difference_of_what_is_not_finite() -> None:
    nan = torch.tensor([math.nan, 1.0])
    assert measures.difference(nan, nan.clone(), picture=False)["differing"] == 0
    assert measures.difference(nan, torch.tensor([0.0, 1.0]), picture=False)["max_abs"] == math.inf
    both = torch.tensor([math.inf, 1.0])
    assert measures.difference(both, both.clone(), picture=False)["max_abs"] == 0


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_comes_back_exactly(channels: int, tmp_path: Path) -> None:
    values = torch.randint(0, 256, (1, 9, 11, channels), generator=torch.Generator().manual_seed(2)).float() / 255
    (tmp_path / "p.png").write_bytes(measures.png(values))
    assert torch.equal(measures.read_picture(tmp_path / "p.png"), values)


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"nothing")
    assert measures.read_picture(tmp_path / "p.png") is None
    assert measures.read_picture(tmp_path / "absent.png") is None


@pytest.mark.parametrize("suffix", ["png", "webp", "gif"])
def test_a_picture_that_moves_is_read_with_all_its_frames(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"moving.{suffix}"
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue", "red")]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 200, 300], lossless=True)
    found = measures.read_picture(path)
    assert found is not None
    assert found[:, 0, 0, :3].tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert measures.frame_durations(path) == [100, 200, 300]


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 6, 8, 3), (8, 6)), ((3, 6, 8, 3), (24, 6)), ((2, 6, 8), (16, 6)), ((1, 4, 6, 8), (64, 48))]
)
def test_pictures_of_every_kind(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    value = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    for content in (measures.png(value), measures.heat_map(value, value + 0.1)):
        with Image.open(io.BytesIO(content)) as picture:
            assert picture.size == size


def test_a_heat_map_is_black_where_nothing_differs() -> None:
    expected = torch.zeros(1, 4, 4, 3)
    got = expected.clone()
    got[0, 1, 2, 0] = 0.01
    with Image.open(io.BytesIO(measures.heat_map(got, expected))) as picture:
        assert picture.getpixel((2, 1)) == (255, 255, 255)
        assert picture.getpixel((0, 0)) == (0, 0, 0)


def test_near_color() -> None:
    value = torch.zeros(1, 2, 2, 3)
    value[0, 0, 0] = torch.tensor([1.0, 0.0, 0.0])
    value[0, 0, 1] = torch.tensor([250 / 255, 0.0, 0.0])
    assert measures.near_color(value, (255, 0, 0), 0) == 1
    assert measures.near_color(value, (255, 0, 0), 5) == 2
    assert measures.near_color(value, (0, 0, 0), 1) == 2


def test_tensors_come_back(tmp_path: Path) -> None:
    (tmp_path / "t.safetensors").write_bytes(measures.tensor_bytes({"b": torch.ones(2, 3).T, "a": torch.zeros(1)}))
    assert torch.equal(measures.read_tensors(tmp_path / "t.safetensors")["b"], torch.ones(3, 2))
    (tmp_path / "t.safetensors").write_bytes(b"12345678{")
    with pytest.raises(ValueError, match=r"t\.safetensors is damaged"):
        measures.read_tensors(tmp_path / "t.safetensors")


def test_environment() -> None:
    found = measures.environment("cpu", "auto")
    assert (found["device"], found["dtype"]) == ("cpu", "float32")
    assert found["packages"]["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads()
    assert found["device_name"]


def test_a_count_counts_what_happens_inside() -> None:
    evaluated()
    with counting() as outer:
        evaluated()
        with counting() as inner:
            evaluated()
        evaluated()
    evaluated()
    assert (outer.calls, inner.calls) == (2, 1)
