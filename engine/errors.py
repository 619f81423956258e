"""Errors that carry data and an exit code, the Issue, and did-you-mean."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple


def nearest(name: str, choices: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The choice that `name` was probably meant to be, or None; case does not count.

    `cutoff` is how alike they must be, from 0 to 1.
    """
    by_folded: dict[str, str] = {}
    for choice in choices:
        by_folded.setdefault(choice.casefold(), choice)
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, choices: Iterable[str], cutoff: float = 0.6) -> str:
    """`did you mean 'x'?`, or the empty string where nothing is near."""
    found = nearest(name, choices, cutoff)
    return f"did you mean {found!r}?" if found is not None else ""


def file_meant(name: str, files: Iterable[str]) -> str:
    """`did you mean 'a/x.safetensors'?` for x, x.ckpt or a\\x.safetensors: folder and suffix come after the name."""
    by_name: dict[str, str] = {}
    by_stem: dict[str, str] = {}
    for file in files:
        path = PurePosixPath(file)
        by_name.setdefault(path.name.casefold(), file)
        by_stem.setdefault(path.stem.casefold(), file)
    wanted = PurePosixPath(name.replace("\\", "/").casefold())
    # What looks like a suffix may be a part of the name: v1.5.
    found = by_name.get(wanted.name) or by_stem.get(wanted.name) or by_stem.get(wanted.stem)
    if found is None:
        near = nearest(name, by_name.values()) or nearest(wanted.name, by_name) or nearest(wanted.name, by_stem)
        found = by_name.get(near or "") or by_stem.get(near or "") or near
    return f"did you mean {found!r}?" if found is not None else ""


CONTROL = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def one_line(text: str) -> str:
    """Text of a workflow or a file's name, with its control characters written out: one line, whatever is in it."""
    return text.translate(CONTROL)


class Spot(NamedTuple):
    """A place in a file, as compilers write it; line and column count from 1, and are 0 where a file has none."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return one_line(f"{self.file}:{self.line}:{self.column}" if self.line else self.file)


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong with a workflow.

    `code` is ComfyUI's error type (`value_not_in_list`, ...); `pointer` is a JSON pointer into the document as it was
    given, `spot` its place in a file's text, where that was asked for; `details` and `extra` are what ComfyUI's server
    puts into `details` and `extra_info`.
    """

    code: str
    message: str
    node_id: str | None = None
    class_type: str | None = None
    title: str | None = None
    input: str | None = None
    details: str = ""
    hint: str = ""
    pointer: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    missing_file: bool = False
    spot: Spot | None = None

    @property
    def where(self) -> str:
        """`node 5 "KSampler"`, or the empty string for an issue of the whole workflow."""
        if self.node_id is None:
            return ""
        name = self.title or self.class_type
        return one_line(f'node {self.node_id} "{name}"' if name else f"node {self.node_id}")

    @property
    def text(self) -> str:
        """What it is, without where."""
        text = f"{self.message}: {self.details}" if self.details else self.message
        return f"{text} ({self.hint})" if self.hint else text

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.where, f"input {self.input!r}" if self.input else "") if part)
        return f"{place}: {self.text}" if place else self.text

    def to_json(self) -> dict[str, Any]:
        """The issue as plain JSON data; what is empty is left out."""
        data: dict[str, Any] = {
            "type": self.code,
            "message": self.message,
            "details": self.details,
            "node_id": self.node_id,
            "class_type": self.class_type,
            "title": self.title,
            "input": self.input,
            "hint": self.hint,
            "pointer": self.pointer,
            "line": self.spot.line or None if self.spot is not None else None,
            "column": self.spot.column or None if self.spot is not None else None,
            "extra_info": dict(self.extra),
        }
        return {name: value for name, value in data.items() if value not in (None, "", {})}


class WeftError(Exception):
    """Whatever Weft refuses to do. `exit_code` is the command line's; `hint` says what would help.

    `kind` is its name in JSON; default: the class's.
    """

    exit_code: int = 1
    kind: str = ""
    plain: bool = True

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_json(self) -> dict[str, Any]:
        """The error as plain JSON data."""
        data: dict[str, Any] = {"error": self.kind or type(self).__name__, "message": self.message}
        if self.hint:
            data["hint"] = self.hint
        return data


class UsageError(WeftError):
    """A call or a command line that makes no sense: an unknown node in --set, a bad setting."""

    exit_code = 2


class UnreadableWorkflow(UsageError):
    """The file holds no workflow: no JSON, JSON of another shape, too large, too deep.

    `pointer` or `at`, line and column, say where, if it is one place; `spot` says it of a file.
    """

    spot: Spot | None = None

    def __init__(self, message: str, *, hint: str = "", pointer: str = "", at: tuple[int, int] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.pointer = pointer
        self.at = at


class DefinitionError(WeftError):
    """A node's own declaration is wrong; the message names the class and the attribute."""


class MissingFile(WeftError):
    """A model or input file is not there. Says where it was looked for and what is near.

    `code` is that of the Issue which says so before a run.
    """

    exit_code = 4
    code = "value_not_in_list"


class MissingEmbedding(MissingFile):
    """A prompt names an embedding that is not there."""

    code = "missing_embedding"


class UnusableName(WeftError):
    """A name that no file can get."""

    exit_code = 3


class OutsideFolder(UnusableName):
    """A file name that leaves the folder it belongs to."""


class InvalidWorkflow(WeftError):
    """A workflow that cannot run, with every reason; `hint` is about all of them.

    `sound` are the output nodes and targets that nothing is wrong with.
    """

    sound: tuple[str, ...] = ()

    def __init__(self, issues: Sequence[Issue], *, hint: str = "") -> None:
        self.issues = tuple(issues)
        # Where nothing but files is missing, fetching them is all that is left to do: that has its own code.
        self.exit_code = 4 if all(issue.missing_file for issue in self.issues) else 3
        count = len(self.issues)
        super().__init__(f"invalid workflow: {count} problem{'s' if count != 1 else ''}", hint=hint)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {issue}" for issue in self.shown)])

    @property
    def shown(self) -> Iterator[Issue]:
        """The issues as people read them: why a pack did not load is said once, not of each class that may be in it."""
        said: set[str] = set()
        for issue in self.issues:
            again = issue.code == "missing_node_type" and issue.hint in said
            said.add(issue.hint)
            yield replace(issue, hint="") if again else issue

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "issues": [issue.to_json() for issue in self.issues]}


class NodeError(WeftError):
    """A node raised. `__cause__` is what it raised; `author_traceback` leaves Weft's own frames out.

    `inputs` describes what the node was given: shapes and short values, never the tensors. `files` are those that the
    run had written, whole, when it failed.
    """

    kind = "NodeFailed"
    files: tuple[Path, ...] = ()

    def __init__(
        self,
        message: str,
        *,
        node_id: str,
        class_type: str,
        title: str,
        inputs: Mapping[str, str],
        author_traceback: str,
        inside: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.node_id = node_id
        self.class_type = class_type
        self.title = title
        self.inputs = dict(inputs)
        self.author_traceback = author_traceback
        self.inside = inside

    @property
    def where(self) -> str:
        """`node 5 "Loop"`, or `node 5 "Loop", inside it node 5.0.0.2 "Add"`."""
        inside = f", inside it {self.inside}" if self.inside else ""
        return one_line(f'node {self.node_id} "{self.title}"{inside}')

    def __str__(self) -> str:
        return f"{self.where} failed: {super().__str__()}"

    def to_json(self) -> dict[str, Any]:
        return {
            **super().to_json(),
            "node_id": self.node_id,
            "class_type": self.class_type,
            "title": self.title,
            **({"inside": self.inside} if self.inside else {}),
            "exception_type": type(self.__cause__).__name__,
            "current_inputs": self.inputs,
            "traceback": self.author_traceback,
        }


NodeFailed = NodeError
"""What callers know it by, and `--json` too: `weft.NodeFailed`. The event of that moment is `events.NodeFailed`."""


class Interrupted(WeftError):
    """The run was stopped from outside; what had finished is kept, nothing is half-written.

    `files` are those that it had written.
    """

    exit_code = 130
    files: tuple[Path, ...] = ()

    def __init__(self, message: str = "interrupted", *, hint: str = "") -> None:
        super().__init__(message, hint=hint)


Warn = Callable[[str], None]
"""Is told, in a sentence, of what stops nothing."""


class WeftWarning(UserWarning):
    """What Weft has to say where nobody asked to be told."""


def python_warning(message: str) -> None:
    """The `warn` of callers that give none; Python says the same sentence once."""
    warnings.warn(message, WeftWarning, stacklevel=2)


def is_plain(error: BaseException | None) -> bool:
    """Whether its message says all and a traceback nothing: it was raised on purpose, or is the machine's doing.

    Raised on purpose is what has `plain = True`, as every WeftError does; any exception class may say so.
    """
    return error is not None and (getattr(error, "plain", False) is True or bool(of_machine(error)))


# What allocators of torch and CUDA say in a RuntimeError.
_NO_MEMORY = re.compile(
    r"alloc_cpu\.cpp|DefaultCPUAllocator|std::bad_alloc|\w+ out of memory|out of memory\.|CU\w+_STATUS_ALLOC_FAILED"
)
_ASKED = re.compile(r"(?:tried|unable) to allocate ([\d.]+) ?(bytes|[KMGT]?i?B)", re.IGNORECASE)


def of_machine(error: BaseException) -> str:
    """What the machine has too little of or a disk refused, in one line; empty for an error of any other kind."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    if (
        isinstance(error, MemoryError)
        or "OutOfMemoryError" in kinds
        or (isinstance(error, RuntimeError) and _NO_MEMORY.search(text))
    ):
        asked = _ASKED.search(text)
        if asked is None:
            return "not enough memory"
        size = f"{int(asked[1]) / 1e9:.1f} GB" if asked[2] == "bytes" else f"{asked[1]} {asked[2]}"
        return f"not enough memory: {size} were asked for at once"
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename is not None else ""
        return f"{error.strerror}{where}" if error.strerror else text or type(error).__name__
    return ""


def looked_in(folders: Iterable[Path]) -> str:
    """`looked in a, b`, for the messages about files."""
    names = [str(folder) for folder in folders]
    return f"looked in {', '.join(names)}" if names else "no folder is set for it"
