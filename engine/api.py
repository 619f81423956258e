"""The Python API, stable: `engine.run`, `engine.validate`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import overrides as _overrides
from engine.cache import Cache, NoCache
from engine.context import RunContext
from engine.digests import Digests
from engine.errors import InvalidWorkflow, Issue, UsageError
from engine.events import Observer
from engine.executor import LocalExecutor, RunResult
from engine.folders import Folders
from engine.overrides import Overrides
from engine.plan import ExecutionPlan, make_plan
from engine.prompt import Prompt, load
from engine.registry import Registry
from engine.settings import Settings
from engine.signature import canonical
from engine.validation import validate as _validate

PathLike = str | os.PathLike[str]
Workflow = PathLike | Mapping[str, Any]


def run(
    workflow: Workflow,
    *,
    overrides: Overrides | None = None,
    models: PathLike | Sequence[PathLike] | None = None,
    input: PathLike | None = None,
    output: PathLike | None = None,
    registry: Registry | None = None,
    cache: Cache | None = None,
    device: str | None = "auto",
    dtype: str | None = "auto",
    sampling: str | None = "comfy",
    targets: Iterable[str] | None = None,
    observers: Sequence[Observer] = (),
) -> RunResult:
    """Run a workflow and return what its output nodes and `targets` gave.

    Args:
        workflow: A path, a JSON text or a dict, in API format.
        overrides: `{"NODE.INPUT": value}` or texts `NODE.INPUT=VALUE`; NODE is an id, a title or a class_type.
        models: Model roots, each with `checkpoints/`, `loras/`, ...; default: the settings', else `./models`.
        input: Folder of input files; default: the settings', else `./input`.
        output: Folder for files; default: the settings', else `./output`.
        registry: The node classes; default: those of every installed pack.
        cache: Where outputs are looked up and kept; default: nowhere. Give the same one to several runs.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        dtype: `auto`, `float32`, `float16` or `bfloat16`.
        sampling: `comfy`: ComfyUI's numbers.
        targets: Nodes that run, and stay in the result, even where no output node asks for them.
        observers: Called with every event.

    Raises:
        UsageError, UnreadableWorkflow: the call or the file makes no sense.
        InvalidWorkflow: the workflow cannot run; `.issues` says everything that is wrong.
        NodeFailed: a node raised; `__cause__` is what.
        Interrupted: the run was cancelled.
    """
    session = Session(
        registry=registry,
        cache=cache,
        models=_roots(models),
        input=input,
        output=output,
        device=_unless_auto(device),
        dtype=_unless_auto(dtype),
        sampling=sampling,
    )
    prompt = session.read(workflow, overrides)
    return session.execute(session.plan(prompt, targets or ()), observers)


def validate(
    workflow: Workflow,
    *,
    overrides: Overrides | None = None,
    models: PathLike | Sequence[PathLike] | None = None,
    input: PathLike | None = None,
    registry: Registry | None = None,
    targets: Iterable[str] | None = None,
) -> list[Issue]:
    """Every problem that keeps a workflow from running; an empty list means that it can run.

    Raises UsageError or UnreadableWorkflow where there is no workflow to look at.
    """
    session = Session(registry=registry, models=_roots(models), input=input)
    return session.issues(session.read(workflow, overrides), targets or ())


class Session:
    """Folders, settings, registry and cache of one or more runs: what the API and the command line are made of."""

    def __init__(self, *, registry: Registry | None = None, cache: Cache | None = None, **settings: Any) -> None:
        self.settings = Settings.load(settings)
        self.registry = registry if registry is not None else Registry.discover()
        self.cache: Cache = cache if cache is not None else NoCache()
        self.digests = Digests.for_user()
        self.folders = Folders(
            models=self.settings.models,
            input=self.settings.input,
            output=self.settings.output,
            temp=self.settings.temp,
        )

    def read(self, workflow: Workflow, overrides: Overrides | None = None) -> Prompt:
        """The prompt, with the overrides in place."""
        prompt = load(workflow)
        return _overrides.apply(prompt, overrides, self.registry) if overrides else prompt

    def resolve_targets(self, prompt: Prompt, targets: Iterable[str]) -> list[str]:
        """The ids of the nodes that `targets` name by id, title or class_type."""
        if isinstance(targets, str):
            raise UsageError(f"targets: expected a list of nodes, got the text {targets!r}", hint=f"[{targets!r}]")
        return [_overrides.find_node(prompt, target, self.registry) for target in targets]

    def issues(self, prompt: Prompt, targets: Iterable[str] = ()) -> list[Issue]:
        """Every problem that keeps the prompt from running."""
        targets = self.resolve_targets(prompt, targets)
        return _validate(prompt, self.registry, folders=self.folders, targets=targets)

    def plan(self, prompt: Prompt, targets: Iterable[str] = ()) -> ExecutionPlan:
        """The plan of a prompt. Raises InvalidWorkflow with every issue."""
        targets = self.resolve_targets(prompt, targets)
        issues = _validate(prompt, self.registry, folders=self.folders, targets=targets)
        if issues:
            raise InvalidWorkflow(issues)
        return make_plan(
            prompt,
            self.registry,
            folders=self.folders,
            digests=self.digests,
            cache=self.cache,
            targets=targets,
            namespace=self._namespace(),
        )

    def execute(self, plan: ExecutionPlan, observers: Sequence[Observer] = ()) -> RunResult:
        """Run a plan."""
        context = RunContext(
            folders=self.folders,
            settings=self.settings,
            observers=observers,
            prompt=plan.prompt.to_json(),
            extra_pnginfo=plan.prompt.extra_pnginfo,
        )
        return LocalExecutor(self.cache).run(plan, context)

    def _namespace(self) -> bytes:
        """What makes the same key give other numbers: a cache shared by several settings keeps them apart."""
        return canonical([self.settings.device, self.settings.dtype, self.settings.sampling])


def _roots(models: PathLike | Sequence[PathLike] | None) -> tuple[Path, ...] | None:
    if models is None:
        return None
    return (Path(models),) if isinstance(models, str | os.PathLike) else tuple(Path(root) for root in models)


def _unless_auto(value: str | None) -> str | None:
    """`auto` is what stands in the settings, or auto there too."""
    return None if value == "auto" else value
