"""A rule is one record: its code, how grave what it finds is, and the function that looks for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from weft.engine.errors import DefinitionError

if TYPE_CHECKING:
    from weft.engine.linting.view import LintNode, LintView

CODE = re.compile(r"[A-Z]+[1-9]\d{2}")
"""How codes are written: letters for the subject, three digits."""


class Severity(StrEnum):
    """How grave a finding is: an ERROR spoils the picture, a WARNING probably does, an INFO is good to know."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Remark:
    """What a rule has to say of a node, or with None of the whole workflow.

    message: what is so, and what comes of it. input: which of the node's inputs it is about. fix: what would help.
    edits: the same for a machine, values by node id and input: only where they are surely what was meant. refused: a
    run would fail at it, or do nothing of what is asked, and that is certain: none is begun.
    """

    node: LintNode | None
    message: str
    input: str | None = None
    fix: str = ""
    edits: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    refused: bool = False


Check = Callable[["LintView"], Iterable[Remark]]


@dataclass(frozen=True)
class LintRule:
    """One rule. `summary` is a sentence of what is found.

    `fixes`: some of its remarks bring edits. `refuses`: some of them keep a workflow from running.
    """

    code: str
    name: str
    severity: Severity
    summary: str
    check: Check
    fixes: bool = False
    refuses: bool = False

    @property
    def why(self) -> str:
        """What it is for, in a few sentences: the docstring of its function, or its summary."""
        from inspect import getdoc

        return " ".join((getdoc(self.check) or self.summary).split())

    def __post_init__(self) -> None:
        """Raise DefinitionError for a code that is none."""
        if not CODE.fullmatch(self.code):
            raise DefinitionError(f"lint rule {self.code!r}: expected a code such as S101")


def rule(
    code: str, name: str, severity: Severity, summary: str, *, fixes: bool = False, refuses: bool = False
) -> Callable[[Check], LintRule]:
    """Make a rule of the function that checks it; what it is for stands in its docstring."""
    return lambda check: LintRule(code, name, severity, summary, check, fixes, refuses)
