"""Repeated calls that are recorded and replayed. A record of the CPU, which calls again, stands for a CUDA graph."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionWarning
from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.weights import replay
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.replay import CALLS_BEFORE, KEPT, Replay, allow, forget, replayed


class Network(nn.Module):
    """Adds what it is given to its weight. It counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((3,), 2.0))
        self.calls = 0

    def forward(self, x: Tensor, *, scale: float = 1.0, more: dict[str, Tensor] | None = None) -> tuple[Tensor]:
        self.calls += 1
        return (x * self.weight * scale + (0.0 if more is None else more["bias"]),)


class Records:
    """Makes records that call again, into the outputs of the first time. wrong: what is added to what they give."""

    def __init__(self, wrong: float = 0.0) -> None:
        self.made = self.played = 0
        self.wrong = wrong

    def __call__(self, call):
        self.made += 1
        outputs = call()

        def play() -> None:
            self.played += 1
            with torch.inference_mode():
                for output, again in zip(outputs, call(), strict=True):
                    output.copy_(again + self.wrong)

        return play, outputs


@pytest.fixture
def network() -> Network:
    return Network()


def given(number: float, count: int = 3) -> Tensor:
    return torch.full((count,), number)


@torch.no_grad()
def test_a_call_is_recorded_after_it_was_made_twice_and_then_replayed(network):
    records = Records()
    called = Replay(network, records)
    for number in range(1, 8):
        more = {"bias": given(float(number))}
        (made,) = called(given(0.5), scale=3.0, more=more)
        assert torch.equal(made, network(given(0.5), scale=3.0, more=more)[0])
    assert records.made == 1
    # Once to see that the record is right, then for each call.
    assert records.played == 1 + 7 - CALLS_BEFORE


@torch.no_grad()
def test_what_one_call_gave_is_not_written_over_by_the_next(network):
    called = Replay(network, Records())
    outputs = [called(given(float(number)))[0] for number in range(6)]
    assert [float(output[0]) for output in outputs] == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_record_serves_plain_and_inference_tensors(network, mode):
    called = Replay(network, Records())
    with mode():
        for number in range(4):
            called(given(float(number)))
    with torch.no_grad():
        assert float(called(given(5.0))[0][0]) == 10.0


@torch.no_grad()
def test_other_shapes_and_constants_are_other_calls(network):
    records = Records()
    called = Replay(network, records)
    for _ in range(4):
        assert called(given(1.0))[0].tolist() == [2.0] * 3
        assert called(given(1.0)[None].expand(2, 3))[0].tolist() == [[2.0] * 3] * 2
        assert called(given(1.0), scale=2.0)[0].tolist() == [4.0] * 3
    assert records.made == 3


@torch.no_grad()
def test_a_weight_that_moved_makes_a_new_call(network):
    records = Records()
    called = Replay(network, records)
    for _ in range(4):
        called(given(1.0))
    network.weight.data = torch.full((3,), 7.0)
    for _ in range(4):
        assert float(called(given(1.0))[0][0]) == 7.0
    assert records.made == 2
    assert len(called._records) == 1


@torch.no_grad()
def test_a_record_that_gives_other_numbers_is_not_used(network):
    records = Records(wrong=1e-6)
    called = Replay(network, records)
    with pytest.warns(DiffusionWarning, match="CUDA graphs are not used for Network: .* gave other numbers") as told:
        for _ in range(5):
            assert float(called(given(1.0))[0][0]) == 2.0
    assert records.made == len(told) == 1


@torch.no_grad()
def test_what_cannot_be_recorded_is_called_as_ever(network):
    def broken(call):
        raise RuntimeError("operation not permitted when stream is capturing")

    called = Replay(network, broken)
    with pytest.warns(DiffusionWarning, match="its steps cannot be recorded: operation not permitted") as told:
        for _ in range(5):
            assert float(called(given(1.0))[0][0]) == 2.0
    assert len(told) == 1


@torch.no_grad()
def test_hooks_are_never_recorded(network):
    records = Records()
    called = Replay(network, records)
    handle = network.register_forward_hook(lambda module, args, output: (output[0] + 1.0,))
    for _ in range(5):
        assert float(called(given(1.0))[0][0]) == 3.0
    assert records.made == 0
    handle.remove()
    called(given(1.0))
    assert records.made == 1


def test_nothing_is_recorded_where_gradients_are_wanted(network):
    records = Records()
    called = Replay(network, records)
    for _ in range(5):
        assert called(given(1.0))[0].requires_grad
    assert records.made == 0


@torch.no_grad()
def test_few_records_are_kept_and_all_are_forgotten_when_told(network):
    called = Replay(network, Records())
    for count in range(1, KEPT + 3):
        for _ in range(CALLS_BEFORE):
            called(torch.ones(count, 3))
    assert len(called._records) == KEPT
    called.forget()
    assert not called._records


@torch.no_grad()
def test_a_network_is_replayed_where_it_is_allowed(network):
    records = Records()
    assert replayed(network) is network
    allow(network, records)
    for _ in range(5):
        replayed(network)(given(1.0))
    assert records.made == 1
    forget(network)
    replayed(network)(given(1.0))
    assert records.made == 1
    assert network.calls == 2 + 1 + 1 + 3 + 1


@torch.no_grad()
def test_a_unets_steps_are_replayed_but_not_with_patches_on_them(monkeypatch):
    class UNet(Network):
        config = SimpleNamespace(in_channels=4, cross_attention_dim=8, addition_embed_type=None)

        def forward(self, sample, timestep, **given):
            assert given["return_dict"] is False
            self.calls += 1
            return (sample * timestep[0],)

    network, records = UNet(), Records()
    allow(network, records)
    denoiser = UNetDenoiser(network, ModelSampling.discrete())
    x, context = torch.ones(1, 4, 2, 2), torch.zeros(1, 3, 8)
    plain = UNetDenoiser(UNet(), ModelSampling.discrete())
    for sigma in (9.0, 7.0, 5.0, 3.0, 1.0):
        sigma = torch.tensor(sigma)
        assert torch.equal(denoiser(x, sigma, context), plain(x, sigma, context))
    assert records.made == 1

    monkeypatch.setattr("weft.nodes.diffusion.families.sd.unet.forward", lambda network, x, *_, **given: x)
    options = {"patches": {"middle_patch": [lambda x, options: x]}}
    played = records.played
    denoiser(x, torch.tensor(2.0), context, None, options)
    assert records.played == played


def test_memory_allows_it_on_a_gpu_alone_and_forgets_what_leaves(monkeypatch, network):
    told: list[str] = []
    monkeypatch.setattr("weft.nodes.diffusion.weights.memory.allow", lambda module: told.append("allowed"))
    monkeypatch.setattr("weft.nodes.diffusion.weights.memory.forget", lambda module: told.append("forgotten"))

    class Pretended(DeviceMemory):
        def _come(self, tensor):
            return torch.empty(0)

        def _leave(self, tensor, home):
            pass

    cuda, cpu = torch.device("cuda", 0), torch.device("cpu")
    DeviceMemory(cpu, 1 << 20, replays=True).bring(network)
    Pretended(cuda, 1 << 20, free=lambda device: 1 << 30).bring(network)
    assert told == []
    other = Network()
    memory = Pretended(cuda, 1 << 20, headroom=0, free=lambda device: 1 << 30, replays=True)
    memory.bring(network)
    memory.bring(other, (1 << 20) - 20)
    assert told == ["allowed", "allowed", "forgotten"]


def test_a_graph_is_recorded_on_a_stream_of_its_own_after_one_more_call(monkeypatch):
    said: list[str] = []

    class Context:
        def __init__(self, name: str) -> None:
            self.name = name

        def __enter__(self) -> None:
            said.append(f"in {self.name}")

        def __exit__(self, *_: object) -> None:
            said.append(f"out {self.name}")

    stream = SimpleNamespace(wait_stream=lambda other: said.append("stream waits"))
    current = SimpleNamespace(wait_stream=lambda other: said.append("current waits"))
    graph = SimpleNamespace(replay=lambda: said.append("replay"))
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: current)
    monkeypatch.setattr(torch.cuda, "stream", lambda which: Context("stream"))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda which, stream: Context("graph"))
    play, outputs = replay.on_cuda(lambda: (said.append("call"), (torch.ones(1),))[1])
    play()
    assert outputs[0].tolist() == [1.0]
    assert said == [
        "stream waits", "in stream", "call", "out stream", "current waits", "in graph", "call", "out graph", "replay",
    ]  # fmt: skip
