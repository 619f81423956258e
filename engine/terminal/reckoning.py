"""How much memory a plan takes, and what several devices would gain, told to a person."""

from __future__ import annotations

from collections.abc import Iterator

from weft.engine.errors import one_line
from weft.engine.planning.branches import Branches
from weft.engine.reckoning import MemoryAccount, ModelHere
from weft.engine.terminal.streams import Line


def memory_lines(account: MemoryAccount) -> Iterator[Line]:
    """One step a line: what is on the device, and what it takes; then the peak against what may be taken."""
    yield [f"Memory of the {account.of}, as reckoned from the files' headers:"]
    if not account.steps:
        yield ["nothing that runs computes with a model"]
        return
    wide = max((len(step.node_id) for step in account.steps), default=0)
    for step in account.steps:
        style = "red" if step.problem else "bold"
        yield [
            (f"{_size(step.peak)}", style),
            "  ",
            (f"{step.node_id:>{wide}}", "cyan"),
            "  ",
            (step.title, "bold"),
            f"  {', '.join(map(_told, step.residents))}; {_size(step.working).strip()} to compute",
        ]
        if step.problem:
            yield [" " * 12, (step.problem, "red")]
    of = "" if account.budget is None else f" of {_size(account.budget).strip()}"
    whole, least = _size(account.whole).strip(), _size(account.least).strip()
    # What does not move is there as a whole.
    needed = f"; a GPU of {whole} holds each model whole, one of {least} block by block"
    cards = "" if account.of == "process" else needed
    yield [("peak ", "bold"), (_size(account.peak).strip(), "bold"), f"{of}{cards}"]
    for note in account.notes:
        yield [(f"note: {note}", "yellow")]


def _told(resident: ModelHere) -> str:
    part = "" if resident.here == resident.size else f"{_size(resident.here).strip()} of "
    return f"{resident.name} {part}{_size(resident.size).strip()}"


def _size(size: int) -> str:
    return f"{size / 2**30:6.1f} GiB" if size >= 1 << 30 else f"{-(-size >> 20):6} MiB"


def device_lines(found: Branches, *, seconds: bool) -> Iterator[Line]:
    """What several devices would gain, which nodes would go where, and what would go over."""
    unit = "s" if seconds else "evaluations of a network"
    said = f"{found.devices} devices: {_number(found.together)} {unit}, on one {_number(found.alone)}"
    factor = f", {found.alone / found.together:.2f} times as fast" if found.together else ""
    yield [
        (said, "bold"),
        factor,
        f"; the longest path alone takes {_number(found.longest)}",
        "" if found.is_worth else ": not worth a second one",
    ]
    for device in range(1, found.devices + 1):
        here = [each for each in found.placed if each.device == device]
        if here:
            names = (f"{each.node_id} {each.title} ({_number(each.end - each.start)})" for each in here)
            yield [(f"device {device}: ", "cyan"), ", ".join(map(one_line, names))]
    for each in found.transfers:
        what = f"{each.node_id} {each.title}"
        yield [
            f"goes over to device {each.device}: {one_line(what)}, {_size(each.bytes).strip()}, {each.seconds:.2f} s"
        ]


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
