"""Devices, number formats, and who leaves the device when memory is short.

No test needs a GPU: torch's meta device stands for one, with a made-up amount of memory.
"""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from weft.nodes.diffusion.errors import DeviceError
from weft.nodes.diffusion.weights.memory import DeviceMemory, resolve_device, resolve_dtype
from weft.nodes.diffusion.weights.patched import PatchedNetwork

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))


def test_devices_without_cuda(no_cuda):
    assert resolve_device() == resolve_device("auto") == resolve_device("cpu") == CPU
    with pytest.raises(
        DeviceError, match=r"device 'cuda': (torch sees no CUDA device|this build of torch has no CUDA)"
    ):
        resolve_device("cuda")


def test_devices_with_cuda(two_gpus):
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 1)
    assert resolve_device("cuda:0") == torch.device("cuda", 0)
    assert resolve_device("cpu") == CPU
    with pytest.raises(DeviceError, match="device 'cuda:2': there are 2, cuda:0 to cuda:1"):
        resolve_device("cuda:2")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("cud", "did you mean 'cuda'"), ("gpu", ""), ("cuda:", ""), ("cuda:x", ""), ("cpu:0", ""), ("", "")],
)
def test_unknown_devices_are_refused(two_gpus, name, hint):
    with pytest.raises(DeviceError, match=f"unknown device '{name}', expected auto, cpu, cuda or cuda:N.*{hint}"):
        resolve_device(name)


def test_number_formats(two_gpus, monkeypatch):
    assert {resolve_dtype("auto", CPU, kind) for kind in ("unet", "text", "vae")} == {torch.float32}
    assert resolve_dtype("auto", CUDA) == resolve_dtype("auto", CUDA, "text") == torch.float16
    assert resolve_dtype("auto", CUDA, "vae") == resolve_dtype("float16", CUDA, "vae") == torch.float32
    assert resolve_dtype("float32", CUDA, "vae") == torch.float32
    with pytest.raises(DeviceError, match="dtype 'bfloat16': cuda:0 does not compute it"):
        resolve_dtype("bfloat16", CUDA)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert resolve_dtype("auto", CUDA, "vae") == resolve_dtype("bfloat16", CUDA) == torch.bfloat16
    # A VAE's activations exceed float16, also where that is asked for by name.
    assert resolve_dtype("float16", CUDA, "vae") == torch.bfloat16
    assert resolve_dtype("float16", CPU, "vae") == torch.float32
    assert resolve_dtype("float16", CPU) == resolve_dtype("float16", CUDA, "text") == torch.float16
    assert resolve_dtype("bfloat16", CPU) == torch.bfloat16
    with pytest.raises(DeviceError, match="unknown dtype 'float61', expected auto.*did you mean 'float16'"):
        resolve_dtype("float61", CPU)
    with pytest.raises(DeviceError, match="unknown kind of network 'clip'"):
        resolve_dtype("auto", CPU, "clip")


class Device:
    """A device of so many bytes, on which the given modules live."""

    def __init__(self, size):
        self.size = size
        self.modules = []

    def net(self, *sizes):
        net = nn.ParameterList(
            [nn.Parameter(torch.zeros(size, dtype=torch.uint8), requires_grad=False) for size in sizes]
        )
        self.modules.append(net)
        return net

    def free(self, device):
        here = {id(p): p.nbytes for net in self.modules for p in net.parameters() if p.device == device}
        return self.size - sum(here.values())


def devices(net):
    return [parameter.device.type for parameter in net.parameters()]


@pytest.fixture
def device():
    return Device(100)


@pytest.fixture
def memory(device, monkeypatch):
    # CPU and CUDA tensors can take each other's data, meta tensors cannot: swapped, which keeps the object as well.
    def move(tensor, target):
        moved = torch.empty_like(tensor, device=target)
        torch.utils.swap_tensors(tensor, nn.Parameter(moved, requires_grad=False))

    monkeypatch.setattr("weft.nodes.diffusion.weights.memory.move", move)
    return DeviceMemory(torch.device("meta"), headroom=10, free=device.free)


def test_on_the_cpu_nothing_moves():
    memory = DeviceMemory(CPU, free=lambda device: pytest.fail("nobody needs to know"))
    net = nn.Linear(2, 2)
    weight = net.weight.data_ptr()
    memory.bring(net)
    with memory.on_device(net):
        assert net.weight.data_ptr() == weight


def test_networks_come_and_stay(device, memory):
    one, two = device.net(30), device.net(30)
    parameter = one[0]
    memory.bring(one)
    memory.bring(two)
    assert devices(one) == devices(two) == ["meta"]
    assert one[0] is parameter, "Parameters stay the same objects: others share them"


def test_the_least_recently_used_leave_first(device, memory):
    one, two, three = device.net(30), device.net(30), device.net(50)
    for net in (one, two, one, three):
        memory.bring(net)
    assert (devices(one), devices(two), devices(three)) == (["meta"], ["cpu"], ["meta"])
    memory.bring(two)
    assert devices(two) == ["meta"]


def test_room_for_what_is_made_on_the_device(device, memory):
    one, two = device.net(30), device.net(30)
    memory.bring(one)
    memory.bring(two)
    memory.make_room(20)
    assert (devices(one), devices(two)) == (["meta"], ["meta"])
    with memory.on_device(one):
        memory.make_room(60)
        assert (devices(one), devices(two)) == (["meta"], ["cpu"])
    DeviceMemory(CPU, free=lambda device: pytest.fail("nobody needs to know")).make_room(60)


def test_only_as_many_leave_as_needed(device, memory):
    nets = [device.net(20) for _ in range(5)]
    for net in nets:
        memory.bring(net)
    assert [devices(net)[0] for net in nets] == ["cpu", "meta", "meta", "meta", "meta"]


def test_what_the_newcomer_shares_stays(device, memory):
    base = device.net(40, 30)
    memory.bring(base)
    twin = device.net(25)
    twin.append(base[0])
    memory.bring(twin)
    assert devices(twin) == ["meta", "meta"]
    assert devices(base) == ["meta", "cpu"]


def test_pinned_networks_stay_together(device, memory):
    one, two, three = device.net(40), device.net(40), device.net(40)
    with memory.on_device(one, two):
        memory.bring(three)
        assert devices(one) == devices(two) == devices(three) == ["meta"]
    memory.bring(device.net(20))
    assert "cpu" in devices(one) + devices(two)


def test_too_large_a_network_still_comes(device, memory):
    one = device.net(30)
    memory.bring(one)
    memory.bring(device.net(200))
    assert devices(one) == ["cpu"]


def test_networks_that_are_gone_are_forgotten(device, memory):
    memory.bring(device.net(30))
    device.modules.clear()
    gc.collect()
    assert len(memory._used) == 0


def test_a_patched_network_asks_for_its_weights_and_its_bases(device, memory):
    class Nothing:
        identity, nbytes = "nothing", 0

        def apply(self, weight, strength):
            assert weight.device.type == "meta", "patched where it computes"
            return weight + 0

    base = PatchedNetwork(nn.Linear(2, 2).requires_grad_(False), memory)
    assert base.base.weight.device.type == "cpu"
    twin = base.with_patches({"weight": Nothing()}, 1.0).module()
    assert {p.device.type for p in twin.parameters()} == {"meta"}
    assert base.module().weight.device.type == "meta"


def test_weights_brought_under_inference_mode_are_plain(device, memory):
    net = device.net(3)
    with torch.inference_mode():
        memory.bring(net)
    assert not net[0].is_inference()
