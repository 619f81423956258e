"""Image files: modes, orientation, transparency, animations, damage."""

from __future__ import annotations

import contextlib
import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image, ImageOps

from weft.nodes.diffusion.eras import ERAS, numbers_of
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values import imagefile
from weft.nodes.diffusion.values.imagefile import load_image, load_mask

from ..reference.store import goldens


def picture(width: int = 5, height: int = 4, mode: str = "RGB", seed: int = 0) -> Image.Image:
    values = numpy.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=numpy.uint8)
    return Image.fromarray(values).convert(mode)


def values(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(numpy.array(image).astype(numpy.float32) / 255)


def test_an_image_without_alpha(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    image, mask = load_image(tmp_path / "a.png")
    assert torch.equal(image, values(picture())[None]) and image.dtype == torch.float32
    assert torch.equal(mask, torch.zeros(1, 64, 64))


@pytest.mark.parametrize(("mode", "era"), [("RGBA", "0.33"), ("RGBA", "0.3.64"), ("LA", "0.3.64")])
def test_alpha_becomes_a_mask(tmp_path: Path, mode: str, era: str) -> None:
    source = picture(mode=mode)
    source.save(tmp_path / "a.png")
    with numbers_of(era):
        image, mask = load_image(tmp_path / "a.png")
    assert torch.equal(mask, 1 - values(source.getchannel("A"))[None])
    assert torch.equal(image, values(source.convert("RGB"))[None])


def test_transparent_entries_of_a_palette(tmp_path: Path) -> None:
    source = Image.new("P", (2, 1))
    source.putpalette([255, 0, 0, 0, 255, 0])
    source.putpixel((1, 0), 1)
    source.save(tmp_path / "a.png", transparency=1)
    image, mask = load_image(tmp_path / "a.png")
    assert mask.tolist() == [[[0.0, 1.0]]]
    assert image[0, 0, 0].tolist() == [1.0, 0.0, 0.0]


def test_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    picture(mode="RGBA").save(tmp_path / "a.png", exif=exif)
    image, mask = load_image(tmp_path / "a.png")
    assert image.shape == (1, 5, 4, 3) and mask.shape == (1, 5, 4)
    assert torch.equal(image[0], values(picture(mode="RGBA").rotate(-90, expand=True).convert("RGB")))
    assert load_mask(tmp_path / "a.png", "red").shape == (1, 5, 4)


@pytest.mark.parametrize(("name", "kind"), [("a.png", numpy.uint16), ("a.tif", numpy.int32)])
def test_sixteen_bits(tmp_path: Path, name: str, kind: type) -> None:
    Image.fromarray(numpy.array([[0, 1000, 32768, 65535]], dtype=kind)).save(tmp_path / name)
    with numbers_of("0.3.64"):
        image, mask = load_image(tmp_path / name)
        mask_of_green = load_mask(tmp_path / name, "green")
    assert (image[0, 0, :, 0] * 255).round().tolist() == [0, 3, 128, 255]
    assert mask.shape == (1, 64, 64)
    assert (mask_of_green[0, 0] * 255).round().tolist() == [0, 3, 128, 255]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "F"])
def test_other_modes(tmp_path: Path, mode: str, era: str) -> None:
    picture(mode=mode).save(tmp_path / "a.tif")
    with numbers_of(era):
        image, mask = load_image(tmp_path / "a.tif")
    # A palette may hold transparent entries, and libav makes a mask of it whatever it holds.
    assert image.shape == (1, 4, 5, 3) and mask.shape == ((1, 4, 5) if (mode, era) == ("P", "0.33") else (1, 64, 64))
    assert not mask.any()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("era", ERAS)
def test_every_orientation(tmp_path: Path, orientation: int, era: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = picture(mode="RGBA")
    source.save(tmp_path / "a.png", exif=exif)
    with numbers_of(era), Image.open(tmp_path / "a.png") as opened:
        assert torch.equal(load_image(tmp_path / "a.png")[0][0], values(ImageOps.exif_transpose(opened).convert("RGB")))


def test_colours_of_libav(tmp_path: Path) -> None:
    """Grey of 8 bits becomes grey of 16 without its last step; of 16 it is what it is."""
    Image.fromarray(numpy.array([[0, 128, 255]], dtype=numpy.uint8)).save(tmp_path / "a.png")
    grey = load_image(tmp_path / "a.png")[0][0, 0, :, 0] * 65535
    assert (grey / 256 - torch.tensor([0, 128, 255])).abs().max() <= 2 / 256
    Image.fromarray(numpy.array([[0, 1000, 65535]], dtype=numpy.uint16)).save(tmp_path / "b.png")
    assert (load_image(tmp_path / "b.png")[0][0, 0, :, 0] * 65535).round().tolist() == [0, 1000, 65535]


def test_frames_of_the_first_ones_size_are_kept(tmp_path: Path) -> None:
    frames = [picture(seed=0), picture(width=7, seed=1), picture(seed=2)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    image, mask = load_image(tmp_path / "a.tif")
    assert torch.equal(image, torch.stack([values(frames[0]), values(frames[2])]))
    assert torch.equal(mask, torch.zeros(2, 64, 64))


def test_a_frame_without_alpha_beside_one_with_it_is_opaque(tmp_path: Path) -> None:
    frames = [picture(), picture(mode="RGBA", seed=1)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    _, mask = load_image(tmp_path / "a.tif")
    assert mask.shape == (2, 4, 5) and mask[0].sum() == 0
    assert torch.equal(mask[1], 1 - values(frames[1].getchannel("A")))


def test_animations(tmp_path: Path) -> None:
    frames = [picture(seed=seed) for seed in range(3)]
    for name in ("a.gif", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert load_image(tmp_path / name)[0].shape == (3, 4, 5, 3)


def test_of_a_stereo_photograph_only_the_first_counts(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.mpo", save_all=True, append_images=[picture(seed=1)])
    assert load_image(tmp_path / "a.mpo")[0].shape == (1, 4, 5, 3)


# Masks


def test_channels(tmp_path: Path) -> None:
    source = picture(mode="RGBA")
    source.save(tmp_path / "a.png")
    for channel, band in {"red": "R", "green": "G", "blue": "B"}.items():
        assert torch.equal(load_mask(tmp_path / "a.png", channel), values(source.getchannel(band))[None])
    assert torch.equal(load_mask(tmp_path / "a.png", "alpha"), 1 - values(source.getchannel("A"))[None])


@pytest.mark.parametrize(("era", "size"), [("0.3.64", (4, 5)), ("0.33", (64, 64))])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_without_alpha_all_is_opaque(tmp_path: Path, mode: str, era: str, size: tuple[int, int]) -> None:
    picture(mode=mode).save(tmp_path / "a.png")
    with numbers_of(era):
        assert torch.equal(load_mask(tmp_path / "a.png", "alpha"), torch.zeros(1, *size))
        blue = load_mask(tmp_path / "a.png", "blue")
        assert torch.equal(blue, load_image(tmp_path / "a.png")[0][..., 2])
    if mode == "RGB" or era == "0.3.64":
        assert torch.equal(blue, values(picture(mode=mode).convert("RGB").getchannel("B"))[None])


def test_unknown_channel(tmp_path: Path) -> None:
    with pytest.raises(DiffusionError, match="unknown channel 'gren'; did you mean 'green'"):
        load_mask(tmp_path / "a.png", "gren")


# Damage

READERS = [load_image, lambda path: load_mask(path, "alpha")]


@pytest.mark.parametrize("read", READERS)
def test_no_file(tmp_path: Path, read) -> None:
    with pytest.raises(DiffusionError, match=r"no such image file: .*a\.png"):
        read(tmp_path / "a.png")
    with pytest.raises(DiffusionError, match="no such image file"):
        read(tmp_path)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("content", "message"), [(b"", "but an empty file"), (b"<html>", "6 bytes that start with b'<html>'")]
)
def test_no_image(tmp_path: Path, read, content: bytes, message: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DiffusionError, match=f"a.png is no image, {message}|a.png is no image, but {message}"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_cut_short(tmp_path: Path, read, name: str) -> None:
    path = tmp_path / name
    picture(50, 50).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DiffusionError, match=f"{name} is "):
        read(path)


@pytest.mark.parametrize("read", READERS)
def test_more_pixels_than_pillow_opens(tmp_path: Path, read) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")))
    with pytest.raises(DiffusionError, match=r"a\.png has more pixels"):
        read(tmp_path / "a.png")


ANIMATED = ["a.gif", "a.webp", "a.png", "a.tif"]


@pytest.mark.parametrize("name", ANIMATED)
def test_the_pixels_of_all_frames_count_before_one_is_decoded(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [picture(80, 70, seed=seed) for seed in range(5)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    assert load_image(tmp_path / name, 5 * 80 * 70)[0].shape == (5, 70, 80, 3)
    monkeypatch.setattr(imagefile, "_upright", lambda frame: pytest.fail("it was decoded"))
    with pytest.raises(DiffusionError, match=rf"{name} has 28,000 pixels in all its frames, more than the 27,999"):
        load_image(tmp_path / name, 5 * 80 * 70 - 1)


@pytest.mark.parametrize("name", ANIMATED)
def test_of_a_mask_one_frame_counted(tmp_path: Path, name: str) -> None:
    frames = [picture(80, 70, seed=seed) for seed in range(5)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with numbers_of("0.3.64"):
        assert load_mask(tmp_path / name, "red", 80 * 70).shape == (1, 70, 80)
        with pytest.raises(DiffusionError, match="has 5,600 pixels"):
            load_mask(tmp_path / name, "red", 80 * 70 - 1)
    assert load_mask(tmp_path / name, "red").shape == (5, 70, 80)


def test_small_frames_count_for_their_number(tmp_path: Path) -> None:
    frames = [picture(2, 2, seed=seed) for seed in range(5)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DiffusionError, match="has 20,480 pixels"):
        load_image(tmp_path / "a.gif", 20_000)


def test_pages_of_other_sizes_count_as_what_they_are(tmp_path: Path) -> None:
    """A large photograph with a small preview is no two large ones; a small one may hide a large one."""
    for sizes in ([(100, 100), (70, 70)], [(70, 70), (100, 100)]):
        pages = [picture(*size) for size in sizes]
        pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
        assert load_image(tmp_path / "a.tif", 14_900)[0].shape == (1, sizes[0][1], sizes[0][0], 3)
        with pytest.raises(DiffusionError, match="has 14,900 pixels"):
            load_image(tmp_path / "a.tif", 14_899)


def test_a_photograph_of_100_megapixels_is_read_and_156_are_not() -> None:
    assert 12_000 * 9_000 <= imagefile.MAX_PIXELS < 12_500 * 12_500


@pytest.mark.parametrize("read", READERS)
def test_formats_that_run_programs_are_none(tmp_path: Path, read) -> None:
    picture().save(tmp_path / "a.png", format="EPS")
    with pytest.raises(DiffusionError, match=r"a\.png is EPS: expected one of AVIF, BMP"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_texts_that_inflate_are_refused(tmp_path: Path, read, kind: bytes) -> None:
    bomb = zlib.compress(b" " * (80 << 20))
    picture().save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    body = {b"iTXt": b"a\0\1\0\0\0"}.get(kind, b"a\0\0") + bomb
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    (tmp_path / "a.png").write_bytes(whole[:33] + chunk + whole[33:])
    try:
        read(tmp_path / "a.png")  # a profile that is too large is left out
    except DiffusionError as error:
        assert "a.png is damaged or cut short: Decompressed data too large" in str(error)


def test_any_damage_is_one_error(tmp_path: Path) -> None:
    numbers = random.Random(0)
    for name in ("a.png", "a.gif", "a.jpg", "a.webp", "a.tif", "a.bmp"):
        path = tmp_path / name
        picture().save(path)
        sound = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(sound)
            for _ in range(numbers.choice([1, 3, 20])):
                damaged[numbers.randrange(len(damaged))] = numbers.randrange(256)
            path.write_bytes(damaged)
            try:
                image, mask = load_image(path)
            except DiffusionError as error:
                assert name in str(error)
            else:
                assert image.shape[0] == mask.shape[0] > 0


# Goldens


def test_goldens_of_comfyui(parity: Path) -> None:
    count = 0
    for name, golden in goldens("comfyui").items():
        if not name.startswith(("img_load_", "mask_load_")):
            continue
        [target] = golden.targets
        inputs = golden.prompt[target]["inputs"]
        path = parity / "input" / inputs["image"]
        with numbers_of("0.3.64"):
            whole = golden.prompt[target]["class_type"] == "LoadImage"
            got = load_image(path) if whole else [load_mask(path, inputs["channel"])]
        count += 1
        for slot, value in enumerate(got):
            assert golden.tensors[f"{target}.{slot}"].difference(value) == 0, name
    assert count >= 2


def test_a_chunk_that_claims_4_gb_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("RGB", (64, 64)).save(path)
    content = path.read_bytes()
    place = content.index(b"IDAT") - 4
    path.write_bytes(content[:place] + b"\xff\xff\xff\xff" + content[place + 4 :])
    tracemalloc.start()
    try:
        with contextlib.suppress(DiffusionError):
            load_image(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
