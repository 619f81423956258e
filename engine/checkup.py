"""What `weft doctor` is told: facts about an installation, and what a node library can say of its own part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from weft.engine.errors import WeftError


class Fact(NamedTuple):
    """One thing that is so; where it is `wrong`, something will fail, and `mend` says what to do."""

    name: str
    value: str
    wrong: bool = False
    mend: str = ""


class Checkup(Protocol):
    """What a library says of its health and of model files: a part of a `Pack`."""

    def facts(self) -> Iterable[Fact]:
        """What the library needs and whether it is there. Without anything heavy: no torch."""

    def devices(self) -> Iterable[Fact]:
        """What it could compute on. It is asked in a process of its own, and may import what it likes."""

    def model(self, kind: str, file: Path) -> str:
        """What the file in a folder of this kind is: `Stable Diffusion 1.x`, `a LoRA`. Without torch.

        Raises UnusableModel where no node can use it there.
        """


class UnusableModel(WeftError):
    """A model file that is damaged, or in the wrong folder."""


def facts_of(checkups: Iterable[tuple[str, Checkup]], what: str) -> Iterator[Fact]:
    """The facts or devices of several libraries, by name; one that raises is a fact, too."""
    for name, checkup in checkups:
        try:
            yield from (checkup.devices() if what == "devices" else checkup.facts())
        except Exception as error:  # a pack's own code: it may raise anything
            yield Fact(name, f"its checkup failed: {type(error).__name__}: {error}", True, "report it to its author")
