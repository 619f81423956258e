"""Devices, number formats, and who leaves the device when memory is short.

No test needs a GPU: a budget on the CPU stands for one, and what is not in it has no numbers.
"""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.weak import WeakTensorKeyDictionary

from weft.nodes.diffusion.errors import DeviceError
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.guiders import DualCFG
from weft.nodes.diffusion.sampling.sample import _working
from weft.nodes.diffusion.values.vae import Vae
from weft.nodes.diffusion.weights.memory import DeviceMemory, resolve_device, resolve_dtype, tensors_of
from weft.nodes.diffusion.weights.packed import AsStored, PackedTensor
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


class Accounting(DeviceMemory):
    """A device of so many bytes on the CPU: the weights that are not on it are NaN. `told` is who came and left."""

    def __init__(self, budget: int, headroom: int = 0) -> None:
        super().__init__(CPU, budget, headroom)
        self.told: list[str] = []
        self.peak = 0
        self._names: dict[int, str] = {}
        self._stored = WeakTensorKeyDictionary()

    def put(self, name: str, module: nn.Module) -> Any:
        """The network, away from the device."""
        for tensor in tensors_of(module):
            if tensor not in self._stored:
                self._names[id(tensor)] = name
                self._leave(tensor, tensor.data)
        self.told.clear()
        return module

    def net(self, *sizes: int) -> Any:
        tensors = [nn.Parameter(torch.zeros(size // 4), requires_grad=False) for size in sizes]
        return self.put(str(sizes), nn.ParameterList(tensors))

    def here(self, module: nn.Module) -> list[bool]:
        return [self._is_here(tensor) for tensor in tensors_of(module)]

    def _come(self, tensor: torch.Tensor) -> torch.Tensor:
        tensor.data = home = self._stored.pop(tensor, tensor.data)
        self.peak = max(self.peak, self.taken + tensor.nbytes)
        self._tell("+", tensor)
        return home

    def _leave(self, tensor: torch.Tensor, home: torch.Tensor | None) -> None:
        assert home is not None
        self._stored[tensor] = home
        tensor.data = torch.full_like(home, float("nan")) if home.is_floating_point() else home + 1000
        self._tell("-", tensor)

    def _tell(self, sign: str, tensor: torch.Tensor) -> None:
        said = sign + self._names.get(id(tensor), "?")
        if not self.told or self.told[-1] != said:
            self.told.append(said)


@pytest.fixture
def memory():
    return Accounting(400, headroom=40)


def test_on_the_cpu_nothing_moves():
    memory = DeviceMemory(CPU, free=lambda device: pytest.fail("nobody needs to know"))
    net = nn.Linear(2, 2)
    weight = net.weight.data_ptr()
    memory.bring(net)
    with memory.on_device(net):
        assert net.weight.data_ptr() == weight
    assert memory.make_room(1 << 60)


def test_networks_come_and_stay(memory):
    one, two = memory.net(120), memory.net(120)
    parameter = one[0]
    memory.bring(one)
    memory.bring(two)
    assert memory.here(one) == memory.here(two) == [True]
    assert memory.taken == 240
    assert one[0] is parameter, "Parameters stay the same objects: others share them"


def test_the_least_recently_used_leave_first(memory):
    one, two, three = memory.net(120), memory.net(120), memory.net(200)
    for net in (one, two, one, three):
        memory.bring(net)
    assert (memory.here(one), memory.here(two), memory.here(three)) == ([True], [False], [True])
    memory.bring(two)
    assert memory.here(two) == [True]
    assert memory.peak <= 360


def test_room_for_what_is_made_on_the_device(memory):
    one, two = memory.net(120), memory.net(120)
    memory.bring(one)
    memory.bring(two)
    assert memory.make_room(80)
    assert memory.here(one) == memory.here(two) == [True]
    with memory.on_device(one):
        assert memory.make_room(240)
        assert (memory.here(one), memory.here(two)) == ([True], [False])
        assert not memory.make_room(300)


def test_only_as_many_leave_as_needed(memory):
    nets = [memory.net(80) for _ in range(5)]
    for net in nets:
        memory.bring(net)
    assert [memory.here(net)[0] for net in nets] == [False, True, True, True, True]


def test_what_the_newcomer_shares_stays(memory):
    base = memory.net(160, 120)
    memory.bring(base)
    twin = memory.net(100)
    twin.append(base[0])
    memory.bring(twin)
    assert memory.here(twin) == [True, True]
    assert memory.here(base) == [True, False]


def test_pinned_networks_stay_together(memory):
    one, two, three = memory.net(160), memory.net(160), memory.net(160)
    with memory.on_device(one, two):
        with pytest.raises(DeviceError, match="needs 160 bytes on the device"):
            memory.bring(three)
        assert memory.here(one) == memory.here(two) == [True]
    memory.bring(three)
    assert [False] in (memory.here(one), memory.here(two))


def test_networks_that_are_gone_are_forgotten(memory):
    memory.bring(memory.net(120))
    gc.collect()
    assert len(memory._used) == memory.taken == 0


def test_what_computing_takes_is_kept_free(memory):
    one, two = memory.net(120), memory.net(120)
    memory.bring(one)
    memory.bring(two, working=100)
    assert memory.here(one) == [True]
    memory.bring(two, working=200)
    assert (memory.here(one), memory.here(two)) == ([False], [True])


class Add:
    nbytes, networks = 0, ()

    def __init__(self, number):
        self.identity = self.number = number

    def apply(self, weight, strength):
        return weight + self.number * strength


def test_a_patched_network_asks_for_its_own_weights():
    memory = Accounting(60)
    base = PatchedNetwork(memory.put("base", nn.Linear(2, 2).requires_grad_(False)), memory)
    twin = base.with_patches({"weight": Add(1.0)}, 1.0).module()
    assert memory.here(twin) == [True, True]
    # What no patch changes is shared; the base's own weight need not be on the device.
    assert memory.here(base.base) == [False, True]
    assert memory.here(base.module()) == [True, True]


def test_weights_brought_under_inference_mode_are_plain(memory):
    net = memory.net(12)
    with torch.inference_mode():
        memory.bring(net)
    assert not net[0].is_inference()


class Layer(nn.Module):
    """A block with blocks inside, as those of a UNet are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.ModuleList([nn.Linear(width, width), nn.Linear(width, width)])

    def forward(self, x):
        for layer in self.inner:
            x = layer(self.norm(x)).relu()
        return x


class Tower(nn.Module):
    def __init__(self, blocks: int = 4, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.blocks = nn.ModuleList([Layer(width) for _ in range(blocks)])

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return x


LINEAR, NORM = 4 * (8 * 8 + 8), 4 * 16
LEAST = LINEAR + NORM + LINEAR


def tower(seed: int = 0) -> Tower:
    torch.manual_seed(seed)
    return Tower().requires_grad_(False).eval()


@pytest.mark.parametrize("budget", [LEAST, LEAST + 3 * LINEAR, 9 * LINEAR + 3 * NORM])
def test_a_network_larger_than_the_budget_computes_in_parts(budget):
    net, x = tower(), torch.randn(3, 8)
    expected = net(x)
    memory = Accounting(budget)
    memory.put("net", net)
    memory.bring(net)
    for _ in range(2):
        assert torch.equal(net(x), expected)
    assert memory.peak <= budget
    assert memory.peak > budget - LINEAR - NORM, "what has room stays"
    # With more room it is there as a whole, and its blocks come no more.
    memory.budget = 1 << 20
    memory.bring(net)
    assert all(memory.here(net))
    memory.told.clear()
    assert torch.equal(net(x), expected)
    assert memory.told == []


def test_a_network_whose_largest_block_does_not_fit_is_an_error():
    memory = Accounting(LEAST - 1)
    with pytest.raises(DeviceError, match=r"Tower needs 640 bytes on the device .* \(2.8 KiB as a whole\), and 639"):
        memory.bring(memory.put("net", tower()))


def test_a_call_that_fails_leaves_no_block_behind():
    memory = Accounting(LEAST)
    net = memory.put("net", tower())
    memory.bring(net)
    with pytest.raises(RuntimeError):
        net(torch.randn(3, 8)[:, :7])
    taken = memory.taken
    with pytest.raises(TypeError):
        net.blocks[1].inner[0](None)
    assert memory.taken == taken == LINEAR


def test_a_patched_network_in_parts():
    net, x = tower(), torch.randn(3, 8)
    plain, memory = net(x), Accounting(LEAST + NORM)
    base = PatchedNetwork(memory.put("net", net), memory)
    assert torch.equal(base.module()(x), plain)
    patched = base.with_patches({"blocks.2.inner.0.bias": Add(1.0)}, 0.5)
    assert not torch.equal(patched.module()(x), plain)
    assert torch.equal(base.module()(x), plain)
    assert memory.peak <= LEAST + NORM


def test_a_pair_of_models_that_do_not_both_fit():
    x = torch.randn(3, 8)
    high, low = tower(1), tower(2)
    expected = low(high(x))
    whole = sum(tensor.nbytes for tensor in tensors_of(high))
    text = nn.Linear(8, 8).requires_grad_(False)
    memory = Accounting(whole + LINEAR)
    for name, net in (("text", text), ("high", high), ("low", low)):
        memory.put(name, net)
    memory.bring(text)
    with memory.on_device(high):
        x = high(x)
    with memory.on_device(low):
        x = low(x)
    assert torch.equal(x, expected)
    assert memory.told == ["+text", "+high", "-text", "-high", "+low"]
    assert memory.peak <= whole + LINEAR


def test_packed_weights_come_and_leave_as_they_are() -> None:
    kept = torch.randn(8, 8).to(torch.float8_e4m3fn)
    net = nn.Linear(8, 8, bias=False).requires_grad_(False)
    net.weight = nn.Parameter(PackedTensor(AsStored(), kept, None, (8, 8), torch.float32), requires_grad=False)
    weight, x = net.weight, torch.randn(2, 8)
    expected, memory = net(x), DeviceMemory(CPU, 64, 0)
    memory.bring(net)
    assert memory.taken == 64
    assert torch.equal(net(x), expected)
    other = nn.Linear(4, 4, bias=False).requires_grad_(False)
    memory.bring(other)
    assert memory.taken == 64
    assert net.weight is weight
    assert net.weight.packed.data_ptr() == kept.data_ptr(), "it is what it was before"
    assert torch.equal(net(x), expected)


def test_a_vae_has_others_leave_for_what_decoding_takes() -> None:
    class Plain(Vae):
        numbers_of_pixel = 2

        def _encoder(self) -> Any:
            return lambda images: images[:, :1]

        def _decoder(self) -> Any:
            self.network.module()
            return lambda latents: latents.expand(-1, 3, -1, -1)

    memory = Accounting(2000)
    other = memory.net(800)
    vae = Plain(
        PatchedNetwork(memory.put("vae", nn.Linear(4, 4).requires_grad_(False)), memory), latent_channels=1, downscale=1
    )
    memory.bring(other)
    vae.decode(torch.zeros(1, 1, 8, 8))
    assert memory.here(other) == [True]
    vae.decode(torch.zeros(1, 1, 16, 16))
    assert memory.here(other) == [False]
    memory.bring(other)
    vae.encode(torch.zeros(1, 16, 16, 3))
    assert memory.here(other) == [False]


def test_what_a_step_is_reckoned_to_take() -> None:
    def reserved(first: nn.Module, rule: working.WorkingRule, shape: tuple[int, ...], guidance: Any) -> int:
        model: Any = SimpleNamespace(network=SimpleNamespace(base=first.half()), kind=SimpleNamespace(computing=rule))
        stage: Any = SimpleNamespace(guidance=guidance, sampler=SimpleNamespace(name="euler"))
        return _working(model, stage, shape) - working.RESERVE

    short, long = ([[torch.zeros(1, rows, 8), {}]] for rows in (5, 7))
    element, patch = 320 * 2 * 26, 3072 * 2 * 22
    assert reserved(nn.Conv2d(4, 320, 3), working.SD, (2, 4, 64, 64), CFG(short, long, 7.0)) == 4 * 64 * 64 * element
    assert reserved(nn.Conv2d(4, 320, 3), working.SD, (2, 4, 64, 64), CFG(short, long, 1.0)) == 2 * 64 * 64 * element
    linear, shape = nn.Linear(256, 3072), (1, 16, 3, 64, 64)
    assert reserved(linear, working.FLUX, shape, CFG(short, long, 3.0)) == 2 * 3 * 32 * 32 * patch
    # Rows that are as many as the tokens: prompts of two lengths have a call each.
    rule = working.FLUX._replace(as_long=True)
    assert reserved(linear, rule, shape, CFG(short, long, 3.0)) == 3 * 32 * 32 * patch
    assert reserved(linear, rule, shape, CFG(short, short, 3.0)) == 2 * 3 * 32 * 32 * patch
    assert reserved(linear, rule, shape, DualCFG(short, long, short, 3.0, 2.0)) == 2 * 3 * 32 * 32 * patch


@pytest.mark.parametrize(
    ("dtype", "shape", "expected"),
    [
        (torch.float16, (8, 8, 3, 3), True),
        (torch.bfloat16, (8, 8, 3, 3), True),
        (torch.float32, (8, 8, 3, 3), False),
        (torch.float16, (8, 8, 1, 3, 3), False),
    ],
)
def test_convolutions_in_half_precision_have_their_channels_side_by_side_on_a_device(dtype, shape, expected):
    weight = nn.Parameter(torch.empty(shape, dtype=dtype, device="meta"))
    home = DeviceMemory(torch.device("meta"))._come(weight)
    assert home.is_contiguous()
    assert weight.is_contiguous() is not expected
    assert weight.shape == shape
