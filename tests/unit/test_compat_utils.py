"""comfy.utils and comfy.comfy_types, as packs use them: numbers of Weft's own nodes, progress of the run."""

from __future__ import annotations

import asyncio
import operator
import threading
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from weft.engine.cancel import CancelToken
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted
from weft.engine.events import Event, NodeFinished, NodeStarted, Preview, Progress
from weft.nodes.compat.modules.comfy import utils
from weft.nodes.compat.modules.comfy.comfy_types import IO
from weft.nodes.compat.modules.comfy_api.latest import ComfyAPI, ComfyAPISync
from weft.nodes.compat.modules.comfy_execution.progress import ProgressHandler, add_progress_handler, get_progress_state
from weft.nodes.compat.modules.comfy_execution.utils import get_executing_context
from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.values import pixels
from weft.nodes.diffusion.values.tiling import mean_over_tilings

MakeContext = Callable[..., RunContext]


def random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos", "bislerp"])
@pytest.mark.parametrize("crop", ["disabled", "center"])
def test_sizes_are_changed_as_by_our_own_nodes(method: str, crop: str) -> None:
    picture = random(1, 3, 6, 10)
    assert torch.equal(utils.common_upscale(picture, 4, 4, method, crop), pixels.resize(picture, 4, 4, method, crop))


def test_a_method_that_only_torch_has() -> None:
    picture = random(1, 3, 4, 8)
    found = utils.common_upscale(picture, 2, 2, "nearest", "center")
    assert torch.equal(found, picture[:, :, ::2, 2:6:2])


@pytest.mark.parametrize(("scale", "downscale"), [(2, False), (2, True)])
def test_tiles_are_those_of_our_own_nodes(scale: int, downscale: bool) -> None:
    picture = random(2, 3, 40, 52)

    def network(part: torch.Tensor) -> torch.Tensor:
        grown = part[:, :, ::2, ::2] if downscale else part.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return grown + part.mean()

    factor = Fraction(1, scale) if downscale else Fraction(scale)
    expected = mean_over_tilings(picture, network, [(16, 20)], 4, factor)
    steps = utils.get_tiled_scale_steps(52, 40, 20, 16, 4)
    bar = utils.ProgressBar(2 * steps)
    found = utils.tiled_scale_multidim(picture, network, (16, 20), 4, scale, downscale=downscale, pbar=bar)
    assert torch.allclose(found, expected, atol=1e-6)
    assert bar.current == 2 * steps


def test_tiles_along_one_axis_and_three() -> None:
    for shape, tile in (((1, 2, 30), (8,)), ((1, 2, 5, 9, 9), (3, 4, 4))):
        sound = random(*shape)
        found = utils.tiled_scale_multidim(sound, lambda part: part * 2, tile, 2, 1, out_channels=2)
        assert torch.allclose(found, sound * 2)


def test_batches_are_filled_and_cut() -> None:
    batch = torch.arange(3.0)[:, None]
    assert utils.repeat_to_batch_size(batch, 5).flatten().tolist() == [0, 1, 2, 0, 1]
    assert utils.repeat_to_batch_size(batch, 2).flatten().tolist() == [0, 1]
    assert utils.resize_to_batch_size(batch, 5).flatten().tolist() == [0, 0, 1, 2, 2]
    assert utils.resize_to_batch_size(batch, 2).flatten().tolist() == [0, 2]
    assert utils.reshape_mask(random(4, 6), (2, 3, 8, 8)).shape == (2, 3, 8, 8)


def test_files_of_weights(tmp_path: Path) -> None:
    tensors = {"a.weight": random(2, 3), "b": random(4).half()}
    utils.save_torch_file(tensors, str(tmp_path / "w.safetensors"), {"made": "here"})
    found, metadata = utils.load_torch_file(str(tmp_path / "w.safetensors"), return_metadata=True, device="cpu")
    assert metadata == {"made": "here"} and all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert utils.calculate_parameters(tensors, "a.") == 6
    assert utils.weight_dtype(tensors) is torch.float32 and utils.weight_dtype({}) is None
    torch.save({"ip_adapter": {"1.to_k": random(2)}, "proj": {}}, tmp_path / "nested.bin")
    assert list(utils.load_torch_file(tmp_path / "nested.bin")["ip_adapter"]) == ["1.to_k"]
    torch.save({"state_dict": {"x": random(2)}, "epoch": 3}, tmp_path / "outer.ckpt")
    assert list(utils.load_torch_file(tmp_path / "outer.ckpt", safe_load=True)) == ["x"]
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(CheckpointError, match=r"text\.pt"):
        utils.load_torch_file(tmp_path / "text.pt")


def test_small_things() -> None:
    weights = {"old.a": 1, "old.b": 2, "c": 3}
    assert utils.state_dict_prefix_replace(dict(weights), {"old.": "new."}) == {"c": 3, "new.a": 1, "new.b": 2}
    assert utils.state_dict_prefix_replace(dict(weights), {"old.": ""}, filter_keys=True) == {"a": 1, "b": 2}
    assert utils.state_dict_key_replace(dict(weights), {"c": "d"}) == {"old.a": 1, "old.b": 2, "d": 3}
    linear = torch.nn.Sequential(torch.nn.Linear(2, 2))
    assert utils.set_attr(linear, "0.in_features", 3) == 2 and linear[0].in_features == 3
    utils.set_attr_param(linear, "0.bias", torch.ones(2))
    assert utils.get_attr(linear, "0.bias").tolist() == [1, 1]
    assert utils.string_to_seed("weft") == utils.string_to_seed(b"weft") == zlib.crc32(b"weft")
    packed, shapes = utils.pack_latents([random(1, 4, 2, 2), random(1, 8, 3)])
    assert packed.shape == (1, 1, 40) and [each.shape for each in utils.unpack_latents(packed, shapes)] == shapes


def test_names_of_types_that_stand_for_several() -> None:
    fitting = [(IO.ANY, "MODEL"), (IO.IMAGE, "*"), (IO.NUMBER, "INT"), (IO.INT, "FLOAT,INT")]
    assert not any(operator.ne(*pair) for pair in fitting)
    assert all(operator.ne(*pair) for pair in [(IO.IMAGE, "MASK"), (IO.NUMBER, "INT,STRING"), (IO.IMAGE, 1)])
    assert f"{IO.NUMBER}" == "FLOAT,INT" and {IO.IMAGE: 1}["IMAGE"] == 1


@pytest.fixture
def told(make_context: MakeContext) -> Any:
    """The context of a node, and what its observers were told."""
    events: list[Event] = []
    return make_context(observers=[events.append]).for_node("7"), events


def steps(events: list[Event]) -> list[tuple[str, int, int]]:
    return [(each.node_id, each.value, each.total) for each in events if isinstance(each, Progress)]


def test_a_bar_tells_the_run(told: Any) -> None:
    context, events = told
    with context.entered():
        bar = utils.ProgressBar(4)
        bar.update(1)
        bar.update_absolute(9, 5, ("JPEG", Image.new("RGB", (2, 2)), 512))
        assert get_executing_context() == ("", "7", 0)
    utils.ProgressBar(4).update(1)  # outside of a node nobody is told
    assert get_executing_context() is None
    assert steps(events) == [("7", 1, 4), ("7", 5, 5)]
    assert [each.image.size for each in events if isinstance(each, Preview)] == [(2, 2)]


def test_the_api_tells_the_run(told: Any) -> None:
    context, events = told
    with context.entered():
        ComfyAPISync().execution.set_progress(value=0.25, max_value=1.0, preview_image=torch.ones(2, 2, 3))
        asyncio.run(ComfyAPI().execution.set_progress(2, 3))
    assert steps(events) == [("7", 250, 1000), ("7", 2, 3)]
    assert [each.image.getpixel((0, 0)) for each in events if isinstance(each, Preview)] == [(255, 255, 255)]


def test_the_registry_tells_the_run_and_the_handlers(told: Any) -> None:
    context, events = told
    seen: list[Any] = []

    class Mine(ProgressHandler):
        def update_handler(self, node_id: str, value: float, max_value: float, *rest: Any, **named: Any) -> None:
            seen.append((node_id, value, max_value))

    with context.entered():
        add_progress_handler(Mine("mine"))
        get_progress_state().start_progress("7")
        get_progress_state().update_progress("7", 1, 2)
        get_progress_state().finish_progress("7")
    assert (steps(events), seen) == ([("7", 1, 2)], [("7", 1, 2)])
    assert not get_progress_state().handlers


def test_a_handler_hears_of_every_node_of_the_run(told: Any) -> None:
    context, _ = told
    seen: list[Any] = []

    class Mine(ProgressHandler):
        def start_handler(self, node_id: str, *rest: Any) -> None:
            seen.append(("start", node_id))

        def update_handler(
            self, node_id: str, value: float, most: float, state: Any, prompt_id: str, image: Any
        ) -> None:
            seen.append((node_id, value, most, image[1].size if image else None))

        def finish_handler(self, node_id: str, *rest: Any) -> None:
            seen.append(("finish", node_id))

    with context.entered():
        add_progress_handler(Mine("mine"))
    context.emit(NodeStarted("8", "Other", "Other", "asked for"))
    with context.for_node("8").entered():
        utils.ProgressBar(2).update_absolute(1, preview=("JPEG", Image.new("RGB", (2, 2)), 512))
        get_progress_state().update_progress("8", 2, 2)
        get_progress_state().update_progress("9", 1, 3)
    context.emit(NodeFinished("8", "Other", "Other", 0.1, ()))
    assert seen == [("start", "8"), ("8", 1, 2, (2, 2)), ("8", 2, 2, None), ("9", 1, 3, None), ("finish", "8")]


def test_a_bar_of_the_node_tells_the_run_from_another_thread(told: Any) -> None:
    context, events = told
    with context.entered():
        bar = utils.ProgressBar(2)
    _in_a_thread(lambda: bar.update(1))
    _in_a_thread(lambda: utils.ProgressBar(2).update(1))  # of one that is made there nothing says whose it is
    assert steps(events) == [("7", 1, 2)]


def _in_a_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_an_update_stops_the_node_when_the_run_is_to_stop(make_context: MakeContext) -> None:
    token = CancelToken()
    context = make_context(token=token).for_node("7")
    token.cancel("enough")
    with context.entered(), pytest.raises(Interrupted):
        utils.ProgressBar(2).update(1)


def test_a_hook_of_a_pack_takes_the_place_of_the_run(told: Any) -> None:
    context, events = told
    seen: list[Any] = []
    before = utils.PROGRESS_BAR_HOOK
    utils.set_progress_bar_global_hook(lambda value, total, preview, node_id=None: seen.append((value, total)))
    try:
        with context.entered():
            utils.ProgressBar(2).update(1)
    finally:
        utils.set_progress_bar_global_hook(before)
    assert (events, seen) == ([], [(1, 2)])
