"""Pictures of more bits: what was written is read by others' decoders."""

from __future__ import annotations

import io

import av
import numpy
import pytest
import torch
from PIL import Image

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.picturefile import write_exr, write_png16
from weft.nodes.diffusion.values.svg import SVG, with_metadata


def decoded(stream: io.BytesIO, form: str) -> numpy.ndarray:
    stream.seek(0)
    with av.open(stream) as container:
        return next(container.decode(video=0)).to_ndarray(format=form)


def picture(channels: int) -> torch.Tensor:
    return torch.rand(5, 7, channels, generator=torch.Generator().manual_seed(0)) * 1.2 - 0.1


@pytest.mark.parametrize(("channels", "form"), [(3, "rgb48le"), (4, "rgba64le")])
def test_png_of_16_bits(channels: int, form: str) -> None:
    image, stream = picture(channels), io.BytesIO()
    write_png16(stream, image, {"prompt": '{"a": "M\\u00f6we"}'})
    with Image.open(stream) as opened:
        assert opened.info == {"prompt": '{"a": "M\\u00f6we"}'}
        opened.verify()  # its checksums
    expected = (image.clamp(0, 1) * 65535).to(torch.int32).numpy()
    assert numpy.array_equal(decoded(stream, form), expected)


def test_exr_holds_light() -> None:
    image = torch.tensor([0.0, 0.04, 0.5, 1.0])[:, None, None].expand(4, 3, 3)
    expected = {
        "linear": [0.0, 0.04, 0.5, 1.0],
        "sRGB": [0.0, 0.0030960, 0.2140411, 1.0],
        "HDR": [0.0, 0.0005333, 0.0833333, 1.0],  # BT.2100: E = 1/12 at half, 1 at one
    }
    for space, light in expected.items():
        stream = io.BytesIO()
        write_exr(stream, image, space, {"prompt": "{}"})
        found = decoded(stream, "gbrpf32le")
        assert found[:, 0, 0].tolist() == pytest.approx(light, abs=1e-6), space


def test_channels_of_an_exr() -> None:
    image, stream = picture(4), io.BytesIO()
    write_exr(stream, image, "linear", {})
    found = decoded(stream, "gbrapf32le")
    assert numpy.array_equal(found, image.numpy())


def test_refused() -> None:
    nothing = torch.full((2, 2, 3), float("nan"))
    with pytest.raises(DiffusionError, match="NaN"):
        write_png16(io.BytesIO(), nothing, {})
    with pytest.raises(DiffusionError, match="NaN"):
        write_exr(io.BytesIO(), nothing, "linear", {})
    with pytest.raises(DiffusionError, match="'linea' is no color space; did you mean 'linear'"):
        write_exr(io.BytesIO(), picture(3), "linea", {})


def test_drawings() -> None:
    drawing = b'<?xml?><svg width="1"><g/></svg>'
    made = with_metadata(drawing, {"prompt": '{"a": "]]>"}'})
    assert made == (
        b'<?xml?><svg width="1">\n<metadata><![CDATA[{"prompt": {"a": "]]\\u003e"}}]]></metadata><g/></svg>'
    )
    with pytest.raises(DiffusionError, match="no SVG"):
        with_metadata(b"<html>", {})
    one, two = (SVG([io.BytesIO(each)]) for each in (b"1", b"2"))
    assert [each.getvalue() for each in SVG.combine_all([one.combine(two), one]).data] == [b"1", b"2", b"1"]
