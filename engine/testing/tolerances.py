"""How far a value may be from its golden, and by whose rule.

Two environments are `exact` (same machine, versions, threads), `close` (another processor, thread count or version of
torch) or `device` (CPU against CUDA, another number format). Each class has limits by type of value; `perceptual` is
never chosen, only asked for. The limits are stated in docs/testing.md with what they were measured on.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from weft.engine.errors import UsageError, did_you_mean
from weft.engine.testing.records import Birth, NodeRecord

EXACT, CLOSE, DEVICE, PERCEPTUAL = CLASSES = ("exact", "close", "device", "perceptual")

UPPER = ("max_abs", "max_rel", "rms_rel", "differing")
LOWER = ("psnr", "ssim")
MEASURES = (*UPPER, *LOWER)
"""The measures that can be limited: at most, or (psnr in dB, ssim) at least."""

Limits = Mapping[str, float]

_PICTURES: Mapping[str, Limits] = {
    CLOSE: {"max_abs": 0.01, "psnr": 70.0},
    DEVICE: {"psnr": 35.0, "ssim": 0.98},
    PERCEPTUAL: {"ssim": 0.85},
}
_NUMBERS: Mapping[str, Limits] = {
    CLOSE: {"rms_rel": 1e-4, "max_rel": 1e-3},
    DEVICE: {"rms_rel": 0.05, "max_rel": 0.1},
    PERCEPTUAL: {"rms_rel": 0.5},
}
# What is computed without a network has less room to drift.
_SHORT: Mapping[str, Limits] = {
    CLOSE: {"max_rel": 1e-5},
    DEVICE: {"max_rel": 1e-2},
    PERCEPTUAL: {"max_rel": 1e-2},
}
LIMITS: Mapping[str, Mapping[str, Limits]] = {
    "IMAGE": _PICTURES,
    "MASK": _PICTURES,
    "LATENT": _NUMBERS,
    "CONDITIONING": _NUMBERS,
    "SIGMAS": _SHORT,
    "FLOAT": _SHORT,
}
OTHER: Mapping[str, Limits] = _NUMBERS


class Distance(NamedTuple):
    """How far two environments are apart: the class, and what differs, `name: before -> now`."""

    name: str
    differences: tuple[str, ...]


_DEVICE_FIELDS = ("device", "dtype")
_CLOSE_FIELDS = ("device_name", "instructions", "threads", "python", "platform")
# Weft's own versions widen nothing: that its numbers stay is what is tested.
_NOTED_FIELDS = ("weft", "sampling", "sampling_version", "numbers", "key_version")


def distance(before: Birth, now: Birth) -> Distance:
    """The class of tolerance between two environments."""
    device = _differences(before, now, _DEVICE_FIELDS)
    packages = tuple(
        f"{name}: {before.packages.get(name, 'none')} -> {now.packages.get(name, 'none')}"
        for name in dict.fromkeys([*before.packages, *now.packages])
        if before.packages.get(name) != now.packages.get(name)
    )
    close = (*packages, *_differences(before, now, _CLOSE_FIELDS))
    noted = _differences(before, now, _NOTED_FIELDS)
    # Half precision rounds three decimal digits away: another processor shows as much as another device.
    coarse = close and now.dtype in ("float16", "bfloat16")
    name = DEVICE if device or coarse else CLOSE if close else EXACT
    return Distance(name, (*device, *close, *noted))


def _differences(before: Birth, now: Birth, fields: Iterable[str]) -> tuple[str, ...]:
    pairs = ((name, getattr(before, name), getattr(now, name)) for name in fields)
    return tuple(f"{name}: {old or 'not said'} -> {new or 'not said'}" for name, old, new in pairs if old != new)


@dataclass(frozen=True)
class Rule:
    """An override: for which workflows, nodes and types (globs; a node by id, title or class), and what it allows.

    `source` says where it stands.
    """

    source: str
    workflow: str = "*"
    node: str = "*"
    type: str = "*"
    name: str | None = None
    limits: Limits | None = None

    def fits(self, workflow: str, node_id: str, node: NodeRecord, io_type: str) -> bool:
        """Whether the rule speaks about this value."""
        named = self.node == "*" or any(
            name == self.node or fnmatch.fnmatchcase(name, self.node) for name in (node_id, node.title, node.class_type)
        )
        return named and fnmatch.fnmatchcase(workflow, self.workflow) and fnmatch.fnmatchcase(io_type, self.type)


def read_rules(tables: Any, source: str) -> list[Rule]:
    """The rules of a list of tables, from pyproject.toml or a golden. Raises UsageError naming table and key."""
    if not isinstance(tables, list | tuple) or not all(isinstance(table, Mapping) for table in tables):
        raise UsageError(f"{source}: expected a list of tables")
    return [_read_rule(table, f"{source} {number}") for number, table in enumerate(tables, 1)]


def _read_rule(table: Mapping[str, Any], source: str) -> Rule:
    texts = ("workflow", "node", "type", "class")
    for name, value in table.items():
        if name not in (*texts, *MEASURES):
            raise UsageError(f"{source}: unknown key {name!r}", hint=did_you_mean(name, (*texts, *MEASURES)))
        if name in texts and not isinstance(value, str):
            raise UsageError(f"{source}: {name} should be text, got {value!r}")
        if name in MEASURES and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise UsageError(f"{source}: {name} should be a number, got {value!r}")
    limits = {name: float(table[name]) for name in MEASURES if name in table}
    if ("class" in table) == bool(limits):
        raise UsageError(f"{source}: expected either a class ({', '.join(CLASSES)}) or limits ({', '.join(MEASURES)})")
    asked = check_class(table["class"], source) if "class" in table else None
    places = {key: table[key] for key in ("workflow", "node", "type") if key in table}
    return Rule(source=source, name=asked, limits=limits or None, **places)


def check_class(name: str, source: str) -> str:
    """The name of a class of tolerance. Raises UsageError."""
    if name not in CLASSES:
        hint = did_you_mean(name, CLASSES)
        raise UsageError(f"{source}: unknown class {name!r}, expected one of {', '.join(CLASSES)}", hint=hint)
    return name


class Allowance(NamedTuple):
    """What a value may differ by: no limits means not by a bit. `rule` says who allows it."""

    limits: Limits
    rule: str
    override: Rule | None = None


class Tolerances:
    """The allowances of one comparison: a class, by distance or as asked for, and rules, of which the last wins."""

    def __init__(self, apart: Distance, rules: Sequence[Rule] = (), *, asked: str | None = None, why: str = "") -> None:
        self.name = asked or apart.name
        self.why = why or ("; ".join(apart.differences) if self.name != EXACT else "same environment")
        self.rules = tuple(rules)

    def allowance(self, workflow: str, node_id: str, node: NodeRecord, io_type: str) -> Allowance:
        """What this value may differ by."""
        for rule in reversed(self.rules):
            if rule.fits(workflow, node_id, node, io_type):
                if rule.limits is not None:
                    return Allowance(rule.limits, rule.source, rule)
                assert rule.name is not None
                return Allowance(_of_class(rule.name, io_type), f"{rule.source}: class {rule.name}", rule)
        return Allowance(_of_class(self.name, io_type), f"class {self.name} ({self.why})")


def _of_class(name: str, io_type: str) -> Limits:
    return {} if name == EXACT else LIMITS.get(io_type, OTHER)[name]
