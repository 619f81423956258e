"""Weights that go to a device through pinned memory: what arrives, and who waits for what. No test needs a GPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.weights import memory, transfers
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.packed import AsStored, PackedTensor
from weft.nodes.diffusion.weights.transfers import Transfers

CPU = torch.device("cpu")


class Device:
    """Tells its marks apart: which were made, and which somebody waited for."""

    def __init__(self) -> None:
        self.marks = 0
        self.waited: list[int] = []

    def pinned(self, size: int) -> Tensor:
        return torch.zeros(size, dtype=torch.uint8)

    def mark(self, device: torch.device) -> Any:
        number, self.marks = self.marks, self.marks + 1
        return type("Mark", (), {"synchronize": lambda _: self.waited.append(number)})()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers of a few bytes, three of them, for tensors of any size."""
    for name, value in (("SIZE", 64), ("COUNT", 3), ("_LEAST", 1)):
        monkeypatch.setattr(transfers, name, value)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.int8, torch.uint8])
@pytest.mark.parametrize("shape", [(), (1,), (64,), (65,), (5, 7, 3)])
def test_what_arrives_is_what_was_sent(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    device = Device()
    sends = Transfers(CPU, device.pinned, device.mark)
    sent = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 9).to(dtype)
    for _ in range(2):
        got = sends.sent(sent)
        assert got.dtype == dtype
        assert got.data_ptr() != sent.data_ptr()
        assert got.shape == sent.shape
        assert torch.equal(got.reshape(-1).view(torch.uint8), sent.reshape(-1).view(torch.uint8))


@pytest.mark.usefixtures("small")
def test_a_buffer_is_written_into_when_its_last_copy_is_done_and_not_before() -> None:
    device = Device()
    sends = Transfers(CPU, device.pinned, device.mark)
    sends.sent(torch.zeros(64 * 3, dtype=torch.uint8))
    assert device.waited == []
    sends.sent(torch.zeros(64 * 4, dtype=torch.uint8))
    assert (device.marks, device.waited) == (7, [0, 1, 2, 3])


@pytest.mark.usefixtures("small")
def test_what_goes_as_it_is() -> None:
    def refused(size: int) -> Tensor:
        raise RuntimeError("no more memory can be pinned")

    turned, plain = torch.rand(4, 6).t(), torch.rand(4, 6)
    device = Device()
    assert Transfers(CPU, device.pinned, device.mark).sent(turned) is turned
    without = Transfers(CPU, refused, device.mark)
    assert without.sent(plain) is plain
    assert without.sent(plain) is plain
    assert Transfers(CPU).sent(plain) is plain
    assert device.marks == 0


@pytest.mark.usefixtures("small")
def test_weights_come_through_it_and_leave_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    monkeypatch.setattr(memory, "Transfers", lambda where: Transfers(where, device.pinned, device.mark))
    module = nn.Linear(16, 8)
    few = torch.rand(8, 16).to(torch.bfloat16)
    packed: Any = PackedTensor(AsStored(), few, None, (8, 16), torch.float32)
    module.weight = nn.Parameter(packed, requires_grad=False)
    bias = module.bias.data.clone()
    held = DeviceMemory(CPU, budget=1 << 20)
    held.bring(module)
    weight: Any = module.weight
    assert torch.equal(weight.packed, few) and weight.packed.data_ptr() != few.data_ptr()
    assert torch.equal(module.bias, bias)
    assert device.marks == 4 + 1
    held.leave([module.weight])
    home: Any = module.weight
    assert home.packed.data_ptr() == few.data_ptr()
