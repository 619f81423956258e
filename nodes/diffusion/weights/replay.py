"""Calls of a network that repeat, recorded once as a CUDA graph and replayed: a step without the cost of its launches.

Only of networks that are allowed to (`allow`). Invariants:

1. A record stands for calls of one network with tensors of the same shapes, formats and names, and with every weight
   where it was: a weight that moved, or was put in place of another, makes a new call of it.
2. A record is believed once it has given, bit for bit, what the call gave that it was made from; else it is dropped.
3. Whatever may change from call to call beside tensors, as hooks on modules do, is never recorded.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import python_warning
from weft.nodes.diffusion.weights.packed import PackedTensor

Outputs = tuple[Tensor, ...]
# Makes a record of a call: what runs it again, and where its outputs then stand.
Record = Callable[[Callable[[], Outputs]], tuple[Callable[[], None], Outputs]]

CALLS_BEFORE = 2
KEPT = 4
"""How many records of a network are kept: each holds the memory that its call takes."""


def on_cuda(call: Callable[[], Outputs]) -> tuple[Callable[[], None], Outputs]:
    """See Record. The call is run once more before it is recorded, on the stream that records."""
    made: Any = torch.cuda.Stream
    stream = made()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        outputs = call()
    return graph.replay, outputs


class Replay:
    """A network's calls, in its place."""

    def __init__(self, network: nn.Module, record: Record) -> None:
        self._network = weakref.ref(network)
        self._weights = [*network.parameters(), *network.buffers()]
        self._record = record
        self._calls: dict[Hashable, int] = {}
        self._records: OrderedDict[Hashable, _Recorded] = OrderedDict()
        self.refused = any(isinstance(weight, PackedTensor) for weight in self._weights)

    def __call__(self, *args: Any, **named: Any) -> Outputs:
        """What the network gives; as keyword arguments it takes tensors, tuples and dicts of them, and constants."""
        network: Any = self._network()
        if self.refused or torch.is_grad_enabled():
            made: Outputs = network(*args, **named)
            return made
        given = args, named
        key = _form(given), tuple(weight.data_ptr() for weight in self._weights)
        record = self._records.get(key)
        if record is not None:
            self._records.move_to_end(key)
            return record(given)
        made = network(*args, **named)
        self._calls[key] = self._calls.get(key, 0) + 1
        if self._calls[key] >= CALLS_BEFORE and not _hooked(network):
            self._keep(key, network, given, made)
        return made

    def forget(self) -> None:
        """Drop all records, and the memory that they hold."""
        self._records.clear()
        self._calls.clear()

    def _keep(self, key: Hashable, network: Any, given: Any, made: Outputs) -> None:
        try:
            record = _Recorded(network, given, self._record)
            again = record(given)
        except (RuntimeError, NotImplementedError) as error:
            self._refuse(f"its steps cannot be recorded: {error}")
            return
        if any(not torch.equal(one, other) for one, other in zip(again, made, strict=True)):
            self._refuse("a recorded step gave other numbers than the step that it was made from")
            return
        # Records of weights that have moved stand for nothing any more.
        for stale in [other for other in self._records if other[1] != key[1]]:  # type: ignore[index]
            del self._records[stale]
        self._calls = {key: 0}
        self._records[key] = record
        while len(self._records) > KEPT:
            self._records.popitem(last=False)

    def _refuse(self, why: str) -> None:
        self.forget()
        self.refused = True
        python_warning(f"CUDA graphs are not used for {type(self._network()).__name__}: {why}")


class _Recorded:
    """One call as it was recorded: inputs are copied to where it reads them, outputs from where it leaves them."""

    def __init__(self, network: Any, given: Any, record: Record) -> None:
        # Plain tensors also under inference_mode: they are written to outside of it, too.
        with torch.inference_mode(False), torch.no_grad():
            self._given = _copied(given)
        args, named = self._given
        self._replay, self._outputs = record(lambda: tuple(network(*args, **named)))

    def __call__(self, given: Any) -> Outputs:
        for into, tensor in zip(_tensors(self._given), _tensors(given), strict=True):
            into.copy_(tensor)
        self._replay()
        return tuple(output.clone() for output in self._outputs)


_ALLOWED: weakref.WeakKeyDictionary[nn.Module, Replay] = weakref.WeakKeyDictionary()


def allow(network: nn.Module, record: Record = on_cuda) -> None:
    """Let repeated calls of a network be replayed, from now on."""
    if network not in _ALLOWED:
        _ALLOWED[network] = Replay(network, record)


def forget(network: nn.Module) -> None:
    """Drop what is recorded of a network, and its memory."""
    if network in _ALLOWED:
        _ALLOWED[network].forget()


def replayed(network: nn.Module) -> Callable[..., Any]:
    """What to call in the place of a network: the network itself, unless its calls may be replayed."""
    return _ALLOWED.get(network, network)


def _hooked(network: nn.Module) -> bool:
    return any(module._forward_pre_hooks or module._forward_hooks for module in network.modules())


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, tuple | list):
        yield value
        return
    for each in value:
        yield from _parts(each)


def _tensors(value: Any) -> Iterator[Tensor]:
    return (part for part in _parts(value) if isinstance(part, Tensor))


def _form(value: Any) -> Hashable:
    """All of the arguments of a call but the numbers in their tensors."""
    if isinstance(value, dict):
        return tuple((name, _form(each)) for name, each in value.items())
    if isinstance(value, tuple | list):
        return tuple(map(_form, value))
    if isinstance(value, Tensor):
        return tuple(value.shape), value.stride(), value.dtype, value.device
    return type(value), value


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return tuple(map(_copied, value))
    return torch.empty_like(value).copy_(value) if isinstance(value, Tensor) else value
