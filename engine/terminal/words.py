"""Errors and results in words for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from weft.engine.errors import Interrupted, InvalidWorkflow, Issue, NodeError, WeftError, is_plain, of_machine, one_line
from weft.engine.terminal.streams import Line

if TYPE_CHECKING:
    from weft.engine.running.result import RunResult
    from weft.engine.schema.node import NodeSchema


def where(node_id: str, title: str) -> str:
    return one_line(f'node {node_id} "{title}"' if title else f"node {node_id}")


def explain(error: BaseException) -> Iterator[Line]:
    """The lines that tell a person what went wrong."""
    label = ("error: ", "bold red")
    match error:
        case InvalidWorkflow():
            yield [label, error.message, *hint_of(error.hint)]
            for issue in error.shown:
                spot = [f"{issue.spot}: "] if issue.spot is not None and issue.spot.line else []
                yield ["  ", *spot, *issue_line(issue)]
        case NodeError():
            yield [label, (error.where, "bold"), f" failed: {error.message}", *hint_of(error.hint)]
            for name, value in error.inputs.items():
                yield ["  ", (f"{name}: ", "dim"), value]
            if not is_plain(error.__cause__):
                yield from (["  ", line] for line in error.author_traceback.splitlines())
                yield [f"If the workflow is not to blame, please report the above to the author of {error.class_type}."]
        case Interrupted():
            yield [("interrupted", "yellow")]
        case WeftError():
            yield [label, error.message, *hint_of(error.hint)]
        case _ if of_machine(error):
            yield [label, of_machine(error)]
        case _:
            import traceback

            yield from ([line] for line in "".join(traceback.format_exception(error)).splitlines())
            about = f"please report the above, with the workflow; it was {_versions()}"
            yield [label, f"{type(error).__name__} inside Weft. This is a bug of Weft: {about}"]


def _versions() -> str:
    """What a report of a bug should say: `weft 0.1, torch 2.8, Python 3.12 on linux`."""
    import sys
    from importlib.metadata import PackageNotFoundError, version

    parts = []
    for name in ("weft", "torch"):
        with suppress(PackageNotFoundError):
            parts.append(f"{name} {version(name)}")
    return f"{', '.join(parts)}, Python {sys.version.split()[0]} on {sys.platform}"


def issue_line(issue: Issue) -> Line:
    """An issue in one line: node, input, what is wrong with it, and what would help."""
    where = ", ".join(filter(None, (issue.where, f"input {issue.input!r}" if issue.input else "")))
    # The details of ComfyUI's errors begin with the input's name, which stands in `where` already.
    details = issue.details
    if issue.input and details.startswith(issue.input):
        details = details.removeprefix(issue.input).lstrip(":, ")
    message = f"{issue.message}: {details}" if details else issue.message
    return [*([(f"{where}: ", "bold")] if where else []), message, *hint_of(issue.hint)]


def hint_of(hint: str) -> Line:
    """What would help, as the end of a line."""
    return [(f" ({hint})", "cyan")] if hint else []


def error_json(error: BaseException) -> dict[str, Any]:
    if isinstance(error, WeftError):
        return error.to_json()
    data: dict[str, Any] = {"error": type(error).__name__, "message": of_machine(error) or str(error)}
    if not of_machine(error):
        import traceback

        data["traceback"] = "".join(traceback.format_exception(error))
    return data


def shown(node_id: str, schema: NodeSchema, result: RunResult) -> Iterator[str]:
    """What a kept node has to show besides files: its texts, what a target's values are, and what was blocked."""
    from weft.engine.running.failures import describe

    texts = result.ui.get(node_id, {}).get("text", ())
    yield from ((str(text) for text in texts) if isinstance(texts, list | tuple) else (str(texts),))
    if node_id in result and not schema.output_node:
        for output, value in zip(schema.outputs, result[node_id], strict=True):
            if not output.open or value is not None:
                yield f"{output.name} {describe(value)}"
    elif blocked := result.blocked.get(node_id):
        some = (
            f"{blocked} of its calls were not made" if node_id in result.ui else "it was not called, and wrote nothing"
        )
        yield f"blocked: {some}"


def seconds_text(seconds: float) -> str:
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
