"""How much memory a plan takes, told to a person."""

from __future__ import annotations

from collections.abc import Iterator

from weft.engine.reckoning import MemoryAccount, ModelHere
from weft.engine.terminal.streams import Line


def memory_lines(account: MemoryAccount) -> Iterator[Line]:
    """One step a line: what is on the device, and what it takes; then the peak against what may be taken."""
    yield [f"Memory of the {account.of}, as reckoned from the files' headers:"]
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
    yield [
        ("peak ", "bold"),
        (_size(account.peak).strip(), "bold"),
        f"{of}; {whole} hold each model as a whole, {least} block by block",
    ]
    for note in account.notes:
        yield [(f"note: {note}", "yellow")]


def _told(resident: ModelHere) -> str:
    part = "" if resident.here == resident.size else f"{_size(resident.here).strip()} of "
    return f"{resident.name} {part}{_size(resident.size).strip()}"


def _size(size: int) -> str:
    return f"{size / 2**30:6.1f} GiB" if size >= 1 << 30 else f"{-(-size >> 20):6} MiB"
