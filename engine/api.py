"""The Python API, stable: `weft.run`, `weft.sweep`, `weft.convert`, `weft.validate`,
`weft.lint`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.engine.arguments import PathLike, targets_of
from weft.engine.cache.protocol import Cache
from weft.engine.cancel import CancelToken
from weft.engine.errors import Issue
from weft.engine.events import Observer
from weft.engine.formats.sources import WorkflowSource, load, registry_of
from weft.engine.running.result import RunResult
from weft.engine.schema.registry import Registry
from weft.engine.session import Session
from weft.engine.workflow.overrides import Overrides

if TYPE_CHECKING:
    from weft.engine.linting.findings import LintFinding
    from weft.engine.sweeping.index import CellRecord


def run(
    workflow: WorkflowSource,
    *,
    overrides: Overrides | None = None,
    models: PathLike | Sequence[PathLike] | None = None,
    input: PathLike | None = None,
    output: PathLike | None = None,
    registry: Registry | None = None,
    cache: Cache | None = None,
    device: str | None = "auto",
    dtype: str | None = "auto",
    targets: Iterable[str] | None = None,
    only: Iterable[str] | None = None,
    bypass: Iterable[str] = (),
    mute: Iterable[str] = (),
    observers: Sequence[Observer] = (),
    seed: str | int | None = None,
    cancel: CancelToken | None = None,
    **settings: Any,
) -> RunResult:
    """Run a workflow and return what its output nodes and `targets` gave.

    Args:
        workflow: A path, a JSON text or a dict: the editor's save, an API export, a picture that carries one of them; a
            Graph.
        overrides: `{"NODE.INPUT": value}` or texts `NODE.INPUT=VALUE`; NODE is an id, a title or a class_type.
        models: Model roots, each with `checkpoints/`, `loras/`, ...; default: the settings', else `./models`.
        input: Folder of input files; default: the settings', else `./input`.
        output: Folder for files; default: the settings', else `./output`.
        registry: The node classes; default: those of every installed pack, of a Graph its own.
        cache: Where outputs are looked up and kept; default: nowhere. Give the same one to several runs.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        dtype: `auto`, `float32`, `float16` or `bfloat16`.
        targets: Nodes that run, and stay in the result, even where no output node asks for them.
        only: These nodes run, and nothing else but what they depend on; excludes `targets`. What is wrong with the rest
            of the workflow does not matter.
        bypass: Nodes that pass on what comes in, as bypassed ones do in the editor.
        mute: Nodes that do not run, as muted ones in the editor.
        observers: Called with every event.
        seed: What every seed is, whatever the workflow says: a number, or `random`, to be drawn; overrides go before
            it. Dynamic prompts (`{cat|dog}`) are drawn with it; else the first option is taken.
        cancel: Asks the run to stop, between two nodes or two steps, once it is cancelled; from any thread.
        settings: What the installed packs can be told, by name; docs/python.md has those of the built-in nodes. Beside
            these `custom_nodes`, folders of packs for ComfyUI, and `nodes`, files of one's own: docs/packs.md.

    Raises:
        UsageError, UnreadableWorkflow: the call or the file makes no sense.
        InvalidWorkflow: the workflow cannot run; `.issues` says everything that is wrong.
        NodeError: a node raised; `__cause__` is what.
        Interrupted: the run was cancelled.
    """
    session = Session(
        registry=registry_of(workflow, registry),
        cache=cache,
        models=_roots(models),
        input=input,
        output=output,
        device=_unless_auto(device),
        dtype=_unless_auto(dtype),
        **settings,
    )
    wanted = targets_of(targets, only)
    prompt = session.read(workflow, overrides, seed=seed, only=wanted if only else (), bypass=bypass, mute=mute)
    return session.execute(session.plan(prompt, wanted), observers, cancel=cancel)


def sweep(
    workflow: WorkflowSource,
    *,
    output: PathLike,
    grid: Mapping[str, Sequence[Any]] | None = None,
    zipped: Mapping[str, Sequence[Any]] | None = None,
    rows: Iterable[Mapping[str, Any]] | PathLike | None = None,
    overrides: Overrides | None = None,
    models: PathLike | Sequence[PathLike] | None = None,
    input: PathLike | None = None,
    registry: Registry | None = None,
    cache: Cache | None = None,
    device: str | None = "auto",
    dtype: str | None = "auto",
    only: Iterable[str] | None = None,
    bypass: Iterable[str] = (),
    mute: Iterable[str] = (),
    observers: Sequence[Observer] = (),
    seed: str | int | None = None,
    cancel: CancelToken | None = None,
    batch: int = 1,
    keep_going: bool = False,
    **settings: Any,
) -> Iterator[CellRecord]:
    """Run a workflow for many values of its inputs, and give the record of each cell when it has finished.

    All cells are checked when the first record is asked for. What finished before, in the same folder, is not run
    again: its records come first. When the last one has been taken, the sheet and the page are drawn.

    Args:
        workflow, overrides, models, input, registry, device, dtype, only, bypass, mute, observers, cancel, settings: As
            in `run`.
        output: The folder of the sweep: pictures, `index.jsonl`, `sheet.png`, `index.html`.
        grid: Values by `NODE.INPUT`, or by several with commas between, which then have the same value: an axis each.
        zipped: The same for one axis more, on which the first values go together, the second ones, ...
        rows: An axis of mappings from `NODE.INPUT` to a value, or a .csv or .jsonl file of them; `filename` in it is
            what the files of a row are called.
        cache: Where outputs are looked up and kept; default: in memory, for this sweep.
        seed: What every seed is, in all cells: a number, or `random`, drawn once.
        batch: How many cells run at once, their networks evaluated in one call: quicker, and not to the last bit.
        keep_going: Let a cell that cannot run, or fails, be a record with an `error`, and run the others.

    Raises:
        UsageError, UnreadableWorkflow, InvalidWorkflow, NodeError, Interrupted: as `run`.
    """
    from weft.engine.cache.memory import MemoryCache
    from weft.engine.sweeping.api import axes_of, records_of

    session = Session(
        registry=registry_of(workflow, registry),
        cache=cache if cache is not None else MemoryCache(),
        models=_roots(models),
        input=input,
        output=output,
        device=_unless_auto(device),
        dtype=_unless_auto(dtype),
        batch=batch,
        **settings,
    )
    wanted = targets_of(None, only)
    prompt = session.read(workflow, overrides, seed=seed, only=wanted, bypass=bypass, mute=mute)
    axes = axes_of(session, prompt, grid or {}, zipped or {}, rows)
    return records_of(session, prompt, axes, wanted, observers, cancel, keep_going=keep_going)


def validate(
    workflow: WorkflowSource,
    *,
    overrides: Overrides | None = None,
    models: PathLike | Sequence[PathLike] | None = None,
    input: PathLike | None = None,
    registry: Registry | None = None,
    targets: Iterable[str] | None = None,
    only: Iterable[str] | None = None,
    bypass: Iterable[str] = (),
    mute: Iterable[str] = (),
    **settings: Any,
) -> list[Issue]:
    """Every problem that keeps a workflow from running; an empty list means that it can run. Arguments as in `run`.

    Raises UsageError or UnreadableWorkflow where there is no workflow to look at.
    """
    session = Session(registry=registry_of(workflow, registry), models=_roots(models), input=input, **settings)
    wanted = targets_of(targets, only)
    prompt = session.read(workflow, overrides, only=wanted if only else (), bypass=bypass, mute=mute)
    return session.issues(prompt, wanted)


def lint(
    workflow: WorkflowSource,
    *,
    overrides: Overrides | None = None,
    models: PathLike | Sequence[PathLike] | None = None,
    input: PathLike | None = None,
    registry: Registry | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    **settings: Any,
) -> list[LintFinding]:
    """What runs and yet gives another picture than was probably meant: what `weft lint` finds. Arguments as in `run`.

    `select` and `ignore` are codes of rules or their beginnings, by default those of weft.toml. Classes that are not
    known keep no rule from looking at the rest. Raises UsageError or UnreadableWorkflow where there is no workflow.
    """
    from weft.engine.linting.selection import LintSelection

    session = Session(registry=registry_of(workflow, registry), models=_roots(models), input=input, **settings)
    prompt = session.read(workflow, overrides, keep_unknown=True)
    return session.lint(prompt, LintSelection.load(select, ignore))


def convert(
    workflow: WorkflowSource,
    *,
    to: str = "api",
    object_info: PathLike | Mapping[str, Any] | None = None,
    registry: Registry | None = None,
    ui: bool = False,
    keep_unknown: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """A workflow in the other format, as plain JSON data.

    Args:
        workflow: A path, a JSON text or a dict: the editor's save, an API export, a picture that carries one of them.
        to: `api`: what ComfyUI's editor would send to the server; `ui`: what it can open.
        object_info: A dump of a real ComfyUI (`GET /object_info`), a file or a dict: node classes that are not here.
        registry: The node classes; default: those of every installed pack.
        ui: Of a picture that carries both formats, take the editor's.
        keep_unknown: Convert nodes of unknown classes by what was saved of them; else they are an error.
        settings: `custom_nodes` and `nodes`, as in `run`.

    Raises:
        UsageError, UnreadableWorkflow: the call or the file makes no sense.
        InvalidWorkflow: unknown node classes, broken subgraphs, ...; `.issues` says everything that is wrong.
    """
    session = Session(registry=registry_of(workflow, registry), object_info=object_info, **settings)
    return session.convert(workflow, to, ui=ui, keep_unknown=keep_unknown)[0]


def render(
    workflow: WorkflowSource,
    to: str = "svg",
    overrides: Overrides | None = None,
    *,
    theme: str = "dark",
    scale: float | None = None,
    as_prompt: bool = False,
    marks: Mapping[str | tuple[str, str], str | tuple[str, str]] | None = None,
    object_info: PathLike | Mapping[str, Any] | None = None,
    registry: Registry | None = None,
    ui: bool = False,
    **settings: Any,
) -> bytes:
    """A drawing of a workflow, as a file has it. Nothing is run.

    Args:
        workflow: A path, a JSON text or a dict: the editor's save, an API export, a picture that carries one of them.
        to: `svg`, `png`, `html` (a page to move about in) or `md` (Mermaid).
        overrides: What is changed before it is drawn, as in `run`.
        theme: `dark`, `light`, or `auto`: as the reader's system prefers (svg and html).
        scale: Of a png: pixels for each unit of the editor's; by default 1, less for a very large workflow.
        as_prompt: Draw what is sent to the server, laid out anew: subgraphs opened, what does not run gone.
        marks: What is to be seen of a node, by its id, or of an input, by node id and name: a state (`added`,
            `removed`, `changed`, `found`, `failed`, ...), or a state and words for its tooltip.
        object_info, registry, ui: As in `convert`.
        settings: `custom_nodes` and `nodes`, as in `run`.

    Raises:
        UsageError, UnreadableWorkflow: the call or the file makes no sense.
        InvalidWorkflow: what keeps a save from being read, such as an id that stands twice.
    """
    from weft.engine.drawing.formats import drawn
    from weft.engine.drawing.marks import checked_marks
    from weft.engine.drawing.sources import as_saved, scene_of

    session = Session(registry=registry_of(workflow, registry), object_info=object_info, **settings)
    subject = load(workflow, ui=ui)
    title = Path(workflow).name if isinstance(workflow, str | os.PathLike) else ""
    title = "" if "{" in title else title  # a JSON text
    if overrides or as_prompt:
        prompt = session.read(subject, overrides, keep_unknown=True)
        subject = prompt if as_prompt else as_saved(prompt, session.registry)
    scene, _ = scene_of(subject, session.registry, title=title)
    return drawn(scene, to, theme=theme, marks=checked_marks(marks or {}), scale=scale)


def _roots(models: PathLike | Sequence[PathLike] | None) -> tuple[Path, ...] | None:
    if models is None:
        return None
    return (Path(models),) if isinstance(models, str | os.PathLike) else tuple(Path(root) for root in models)


def _unless_auto(value: str | None) -> str | None:
    """`auto` is what stands in the settings, or auto there too."""
    return None if value == "auto" else value
