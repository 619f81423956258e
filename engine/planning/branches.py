"""Which nodes of one run would go to which of several devices, and what that would gain: a reckoning, nothing is run.

A list schedule: of what is left, the node with the longest way to the end is placed next, on the device where it ends
first; one that takes next to nothing goes where what it takes is. A device does one thing at a time; what is taken on
another device than the one that made it goes over once. What goes over is reckoned by the files that it comes from: a
model has the size of its files and of the patches on it, anything else none, since latents, prompts and pictures are a
thousandth of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from weft.engine.links import Link
from weft.engine.planning.plan import Known, Plan, Step

BANDWIDTH = 12e9
"""Bytes a second from device to device, over the bus: PCIe 4 as far as it is reached."""
LIGHT = 0.01
"""The share of the time below which a node is not worth a device of its own."""
WORTH = 0.05
"""The share of the time that has to be gained for a second device to be worth it."""


class Placed(NamedTuple):
    """A node on a device, counted from 1, from `start` to `end` seconds."""

    node_id: str
    title: str
    device: int
    start: float
    end: float


class Transfer(NamedTuple):
    """What a node gives, on its way to another device."""

    node_id: str
    title: str
    device: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Branches:
    """Where nodes would go. `alone` is what one device takes, `longest` the longest path: more devices do not help.

    Seconds, or whatever unit costs are in; transfers count only where these are seconds.
    """

    devices: int
    placed: tuple[Placed, ...]
    transfers: tuple[Transfer, ...]
    alone: float
    longest: float

    @property
    def together(self) -> float:
        """What all devices take."""
        return max((each.end for each in self.placed), default=0.0)

    @property
    def is_worth(self) -> bool:
        """Whether it is quicker than one device by more than what such a reckoning is worth."""
        return self.together < (1 - WORTH) * self.alone

    def to_json(self) -> dict[str, Any]:
        """The reckoning as plain JSON data."""
        return {
            "count": self.devices,
            "alone": round(self.alone, 6),
            "together": round(self.together, 6),
            "longest": round(self.longest, 6),
            "is_worth": self.is_worth,
            "placed": [each._asdict() for each in self.placed],
            "transfers": [each._asdict() for each in self.transfers],
        }


def branches(plan: Plan, costs: Mapping[str, float], devices: int, *, seconds: bool = True) -> Branches:
    """Place what runs of a plan on so many devices. `costs` are by node id; a node that has none takes no time."""
    steps = [step for step in plan.steps if step.runs]
    cost = {step.node_id: max(0.0, costs.get(step.node_id, 0.0)) for step in steps}
    way = _ways(steps, cost)
    order = sorted(range(len(steps)), key=lambda at: (-way[steps[at].node_id], at))
    alone = sum(cost.values())
    sizes = _sizes(plan.nodes) if seconds else {}
    free = [0.0] * devices
    there: list[dict[str, float]] = [{} for _ in range(devices)]
    placed: dict[str, Placed] = {}
    transfers: list[Transfer] = []

    def ready(device: int, needs: Iterable[str]) -> float:
        """When a device is free and has what it needs."""
        over = (there[device].get(each, placed[each].end + sizes.get(each, 0) / BANDWIDTH) for each in needs)
        return max((free[device], *over))

    for step in (steps[at] for at in order):
        needs = dict.fromkeys(each for each in step.parents if each in placed)
        best = min(range(devices), key=partial(ready, needs=needs))
        if cost[step.node_id] < LIGHT * alone:
            best = placed[max(needs, key=lambda each: placed[each].end)].device - 1 if needs else 0
        start = ready(best, needs)
        for each in needs:
            source = placed[each]
            if each not in there[best] and (size := sizes.get(each, 0)):
                transfers.append(Transfer(each, source.title, best + 1, size, size / BANDWIDTH))
            there[best].setdefault(each, start)
        free[best] = there[best][step.node_id] = start + cost[step.node_id]
        placed[step.node_id] = Placed(step.node_id, step.title, best + 1, start, free[best])
    in_turn = tuple(sorted(placed.values(), key=lambda each: (each.start, each.end)))
    return Branches(devices, in_turn, tuple(transfers), alone, max(way.values(), default=0.0))


def _ways(steps: list[Step], cost: Mapping[str, float]) -> dict[str, float]:
    """What there is to do from the beginning of each node to the end of the run, on the longest path."""
    way = dict(cost)
    for step in reversed(steps):
        for parent in step.parents:
            if parent in way:
                way[parent] = max(way[parent], cost[parent] + way[step.node_id])
    return way


def _sizes(nodes: Mapping[str, Known]) -> dict[str, int]:
    """The bytes of files that nodes' values come from: their own, and those of what they pass on in another state."""
    found: dict[str, int] = {}
    for node_id, known in nodes.items():
        for seen in known.files.values():
            with suppress(OSError):
                found[node_id] = found.get(node_id, 0) + os.path.getsize(seen.path)
        kinds = {output.io_type for output in known.schema.outputs}
        passed = {link.node_id for link in known.takes if _kind(nodes, link) in kinds}
        if size := sum(found.get(each, 0) for each in passed):
            found[node_id] = found.get(node_id, 0) + size
    return found


def _kind(nodes: Mapping[str, Known], link: Link) -> Any:
    outputs = nodes[link.node_id].schema.outputs if link.node_id in nodes else ()
    return outputs[link.slot].io_type if link.slot < len(outputs) else None
