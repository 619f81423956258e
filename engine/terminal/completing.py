"""What a shell completes: node classes, templates, settings of the workflow that stands on the command line.

A completion that fails is none: nothing is raised, and nothing written.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from weft.engine.session import Session
    from weft.engine.workflow.prompt import Prompt

Completion = str | tuple[str, str]
"""A text, or a text and what it is."""

DEVICES = ("auto", "cpu", "cuda", "cuda:0")
DTYPES = ("auto", "float32", "float16", "bfloat16")
SEEDS = ("random", "increment", "decrement", "fixed")
FORMATS = ("api", "ui")


_ENDS = ("=", ":")
"""Where bash ends a word that goes on: it completes what stands behind the last of them, and keeps what is before."""


@contextlib.contextmanager
def for_bash(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Put words together again that bash has divided, and say inside no more of them than stands behind the last end.

    COMP_WORDS and COMP_CWORD are bash's words, and which of them is completed.
    """
    at = int(environment["COMP_CWORD"])
    words = environment["COMP_WORDS"].split("\n")[: at + 1]
    whole: list[str] = []
    kept = ""
    for place, word in enumerate(words):
        divided = place > 1 and (word in _ENDS or words[place - 1] in _ENDS)
        kept = whole[-1] + (word if word in _ENDS else "") if divided else ""
        if divided:
            whole[-1] += word
        else:
            whole.append(word)
    last = len(whole) - (at < len(words))
    environment.update({"COMP_WORDS": "\n".join(whole), "COMP_CWORD": str(last)})
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    finally:
        # Of an option and its value in one word, what is completed is the value alone.
        kept = kept.partition("=")[2] if kept.startswith("-") else kept
        sys.stdout.write("".join(line.removeprefix(kept) for line in said.getvalue().splitlines(keepends=True)))


def of(choices: Sequence[str]) -> Callable[[str], list[str]]:
    """What completes one of some words."""
    return lambda incomplete: [each for each in choices if each.startswith(incomplete)]


def _quietly(complete: Callable[[typer.Context, str], Iterable[Completion]]) -> Callable[..., list[Completion]]:
    @wraps(complete)
    def completed(ctx: typer.Context, incomplete: str) -> list[Completion]:
        with contextlib.suppress(Exception), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            return list(complete(ctx, incomplete))
        return []

    return completed


@_quietly
def classes(ctx: typer.Context, incomplete: str) -> Iterator[Completion]:
    """The node classes."""
    from weft.engine.schema.registry import Registry

    yield from sorted(name for name in Registry.discover(_silent) if name.startswith(incomplete))


@_quietly
def templates(ctx: typer.Context, incomplete: str) -> Iterator[Completion]:
    """Those of `weft new`."""
    from weft.engine.schema.packs import Packs

    found = Packs.installed().templates
    yield from ((name, template.title) for name, template in found.items() if name.startswith(incomplete))


@_quietly
def inputs(ctx: typer.Context, incomplete: str) -> Iterator[Completion]:
    """`NODE.INPUT=` of the workflow on the command line, and what the input has; a class that stands for two is its id.

    Once a node and an input are there, the choices of the input.
    """
    session, prompt = _read(ctx)
    names = _names(prompt)
    for node_id, node in prompt.nodes.items():
        for name, value in node.inputs.items():
            text = f"{names[node_id]}.{name}="
            if isinstance(value, tuple | dict | list):
                continue
            if incomplete.startswith(text):
                yield from _choices(session, node.class_type, name, text)
            elif text.startswith(incomplete):
                yield text, f"now {value!s:.40}"


@_quietly
def nodes(ctx: typer.Context, incomplete: str) -> Iterator[Completion]:
    """The nodes of the workflow on the command line, by class or id."""
    _, prompt = _read(ctx)
    for node_id, name in _names(prompt).items():
        if name.startswith(incomplete):
            yield name, prompt.nodes[node_id].title or prompt.nodes[node_id].class_type


def _choices(session: Session, class_type: str, name: str, before: str) -> Iterator[Completion]:
    from weft.engine.schema.sockets import Combo, Listed

    socket = session.registry[class_type].by_name[name].socket
    if isinstance(socket, Listed):
        yield from (before + each for each in socket.names(session.folders))
    elif isinstance(socket, Combo):
        yield from (f"{before}{each}" for each in socket.choices or ())


def _read(ctx: typer.Context) -> tuple[Session, Prompt]:
    """The workflow that stands on the command line, and the session that reads it."""
    from weft.engine.session import Session

    params = (ctx.params.get(name) for name in ("workflow", "workflows", "files"))
    # What stands on a command line that is not whole may not have found its parameter.
    given = next((each for each in params if each), None) or ctx.args
    session = Session(models=ctx.params.get("models") or None, input=ctx.params.get("input"), warn=_silent)
    return session, session.read(given if isinstance(given, str) else given[0], keep_unknown=True)


def _names(prompt: Prompt) -> dict[str, str]:
    """By id, what names the node on a command line without quotes: its class, if it is the only one, or else its id."""
    counts = Counter(prompt.classes.values())
    return {
        node_id: class_type if counts[class_type] == 1 and " " not in class_type else node_id
        for node_id, class_type in prompt.classes.items()
    }


def _silent(message: Any) -> None:
    pass
