"""Session: folders, settings, registry and cache of one or more runs, and what can be done with them."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from weft.engine.arguments import PathLike, check_nodes, check_observers, read_object_info
from weft.engine.cache.code import own_digest
from weft.engine.cache.protocol import Cache, NoCache
from weft.engine.cancel import CancelToken
from weft.engine.collector import collector_paused
from weft.engine.context import RunContext
from weft.engine.custom_nodes import with_custom_nodes
from weft.engine.documents import finite
from weft.engine.errors import InvalidWorkflow, Issue, UsageError, Warn, did_you_mean, python_warning
from weft.engine.events import Observer
from weft.engine.folders import INPUT, Folders
from weft.engine.formats import making, selection
from weft.engine.formats.sources import WorkflowSource, load
from weft.engine.instances import Instances
from weft.engine.linting.refusing import refusals
from weft.engine.planning.digests import Digests
from weft.engine.planning.lowering import Lowered, checked
from weft.engine.planning.plan import Plan, Planner
from weft.engine.planning.reasons import CODE
from weft.engine.planning.signature import canonical
from weft.engine.schema.registry import HOW_CLASSES_GET_IN, Registry
from weft.engine.schema.sockets import Files
from weft.engine.settings import Settings, check_models
from weft.engine.workflow import overrides as _overrides
from weft.engine.workflow.overrides import Overrides
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.queueing import queued, resolving, with_changes
from weft.engine.workflow.validation import FILE_PREFIX, undeclared

if TYPE_CHECKING:
    from weft.engine.formats.workflow import Workflow
    from weft.engine.linting.findings import LintFinding
    from weft.engine.linting.selection import LintSelection
    from weft.engine.planning.accounts import Account
    from weft.engine.planning.forecast import ModelCalls
    from weft.engine.running.executor import Spare, Watch
    from weft.engine.running.result import RunResult
    from weft.engine.running.state import RunState
    from weft.engine.running.turns import Turns
    from weft.engine.running.work import Driver
    from weft.engine.standins import Supply

Done = TypeVar("Done")

FORMATS = ("api", "ui")
STAND_INS = "stand_ins"
"""The setting of a run in which stand-ins take the place of files that are not there."""


class Session:
    """Folders, settings, registry and cache of one or more runs: what the API and the command line are made of.

    `batch` is how many runs go on at once in `together`. `warn` is told of what is no affair of one run: node packs
    that cannot be loaded, a folder that is not used. `custom_nodes` are the packs for ComfyUI that the settings name.
    """

    def __init__(
        self,
        *,
        registry: Registry | None = None,
        object_info: PathLike | Mapping[str, Any] | None = None,
        cache: Cache | None = None,
        batch: int = 1,
        sources: Mapping[str, str] | None = None,
        warn: Warn = python_warning,
        **settings: Any,
    ) -> None:
        self.registry = registry if registry is not None else Registry.discover(warn)
        self.packs = self.registry.packs
        self.settings = Settings.load(settings, self.packs.settings.values(), sources=sources)
        self._given = {name for name, value in settings.items() if value is not None}
        check_models(self.settings)
        self.folders = Folders(
            models=self.settings.models,
            input=self.settings.input,
            output=self.settings.output,
            temp=self.settings.temp,
            warn=warn,
        )
        self.registry, self.custom_nodes = with_custom_nodes(self.registry, self.settings, self.folders, warn)
        if object_info is not None:
            self.registry = self.registry.copy().add_object_info(read_object_info(object_info))
        self.cache: Cache = cache if cache is not None else NoCache()
        if type(batch) is not int or batch < 1:
            raise UsageError(f"batch: expected a whole number from 1 on, got {batch!r}")
        self.batch = batch
        self._turns: Turns | None = None
        self._instances = Instances()
        self.digests = Digests.for_user()
        self._last: dict[str, Mapping[str, Any]] = {}

    @collector_paused()
    def read(
        self,
        workflow: WorkflowSource,
        overrides: Overrides | None = None,
        *,
        ui: bool = False,
        keep_unknown: bool = False,
        seed: str | int | None = None,
        only: Iterable[str] = (),
        bypass: Iterable[str] = (),
        mute: Iterable[str] = (),
    ) -> Prompt:
        """The prompt that the workflow is or that the editor would make of it, with the overrides in place.

        `seed`, `only`, `bypass` and `mute` as in weft.run; an override of a seed goes before `seed`. What `only`
        names are targets of the plan, too.
        """
        self._resume()
        check_nodes(only=only, bypass=bypass, mute=mute)
        loaded = load(workflow, ui=ui)
        if bypass or mute:
            loaded = selection.with_modes(loaded, self.registry, bypass=bypass, mute=mute)
        prompt = self._converted(loaded, keep_unknown=keep_unknown or bool(only))
        changes = _overrides.resolve(prompt, overrides or (), self.registry)
        if changes:
            prompt = prompt.with_values(self._with_files(prompt, changes))
        if only:
            prompt = selection.only(prompt, only, self.registry)
            changes = {key: value for key, value in changes.items() if key[0] in prompt.nodes}
        if seed is None:
            return prompt
        from weft.engine.formats.runs import with_seed

        return with_seed(prompt, self.registry, seed, random.random, keep=changes)

    def with_overrides(self, prompt: Prompt, overrides: Overrides) -> Prompt:
        """The prompt with the overrides in place, as `read` puts them there. Raises UsageError."""
        changes = _overrides.resolve(prompt, overrides, self.registry)
        return prompt.with_values(self._with_files(prompt, changes)) if changes else prompt

    def names_input(self, prompt: Prompt, reference: str) -> bool:
        """Whether `NODE.INPUT` names an input that the prompt has, or that the class of its node has."""
        try:
            named = _overrides.inputs_named(prompt, reference, self.registry)
        except UsageError:
            return False
        nodes = {node_id: prompt.nodes[node_id] for node_id, _ in named}
        known = {
            node_id: {
                *node.inputs,
                *(self.registry[node.class_type].given(node.inputs) if node.class_type in self.registry else ()),
            }
            for node_id, node in nodes.items()
        }
        return all(name in known[node_id] for node_id, name in named)

    def _converted(self, loaded: Prompt | Workflow, *, keep_unknown: bool) -> Prompt:
        if isinstance(loaded, Prompt):
            return loaded
        from weft.engine.formats.conversion import to_prompt

        try:
            return to_prompt(loaded, self.registry, keep_unknown=keep_unknown)
        except InvalidWorkflow as error:
            if all(issue.code == "missing_node_type" for issue in error.issues):
                whole = to_prompt(loaded, self.registry, keep_unknown=True)
                error.sound = tuple(selection.sound(whole, self.registry, error.issues))
                error.hint = "; ".join(filter(None, (selection.how_to_run(error.sound), error.hint)))
            raise

    def _with_files(self, prompt: Prompt, changes: _overrides.Changes) -> _overrides.Changes:
        """The changes, in which input files may be paths to anywhere: who starts a run may name any file."""
        found = dict(changes)
        for (node_id, name), value in changes.items():
            class_type = prompt.nodes[node_id].class_type
            spec = self.registry[class_type].by_name.get(name) if class_type in self.registry else None
            socket = spec.socket if spec is not None else None
            if isinstance(socket, Files) and socket.folder == INPUT and isinstance(value, str | os.PathLike):
                text = os.fspath(value)
                if text not in socket.extra_choices:
                    found[node_id, name] = self.folders.given(INPUT, text)
        return found

    def convert(
        self, workflow: WorkflowSource, to: str, *, ui: bool = False, keep_unknown: bool = False
    ) -> tuple[dict[str, Any], Sequence[Issue]]:
        """The document of `weft.convert`, and what was lost on the way."""
        if to not in FORMATS:
            raise UsageError(f"unknown format {to!r}: expected api or ui", hint=did_you_mean(to, FORMATS))
        loaded = load(workflow, ui=ui)
        document: dict[str, Any]
        notes: Sequence[Issue]
        if to == "api":
            prompt = self.read(loaded, keep_unknown=keep_unknown)
            document, notes = prompt.dump(), [*prompt.notes, *making.forgotten(prompt, self.packs)]
        elif not isinstance(loaded, Prompt):
            document, notes = loaded.dump(), [*loaded.notes, *making.forgotten(loaded, self.packs)]
        else:
            from weft.engine.formats.editor import losses, to_workflow

            document = to_workflow(loaded, self.registry, keep_unknown=keep_unknown)
            notes = [*loaded.notes, *losses(loaded, document, self.registry), *making.forgotten(loaded, self.packs)]
        document, infinite = finite(document)
        said = "is NaN or infinite, which JSON cannot say: null stands there, as the editor writes it"
        return document, [*notes, *(Issue("not_finite", f"{place} {said}", pointer=place) for place in infinite)]

    def next(self, prompt: Prompt) -> Prompt:
        """The prompt of the next run, as the editor would queue it: seeds as their controls say, dynamic prompts drawn.

        Raises UsageError for a prompt in API format that was read without `seed`: nothing says how its seeds change.
        """
        from weft.engine.formats.conversion import ConvertedPrompt
        from weft.engine.formats.runs import advance

        said = prompt.controls or isinstance(prompt, ConvertedPrompt) or resolving(prompt, self.registry)
        if not said:
            hint = "--seed random draws new ones, --seed increment counts them up"
            if "workflow" in prompt.extra_pnginfo:
                hint += "; --ui takes the editor's workflow, which does say it"
            raise UsageError("a workflow in API format does not say how its seeds change from run to run", hint=hint)
        return advance(prompt, self.registry, random.random)

    def repeats(self, prompt: Prompt, plan: Plan) -> bool:
        """Whether a further run of a prompt would give what the run before it gave, its plan being this one."""
        return not prompt.varies and not any(step.runs for step in plan.steps)

    def seeds(self, prompt: Prompt) -> dict[str, Any]:
        """The seeds, and the other values that control_after_generate is about, by NODE.INPUT."""
        from weft.engine.formats.runs import controlled

        return {f"{node_id}.{name}": value for (node_id, name), value in controlled(prompt, self.registry).items()}

    def resolve_targets(self, prompt: Prompt, targets: Iterable[str]) -> list[str]:
        """The ids of the nodes that `targets` name by id, title or class_type."""
        check_nodes(targets=targets)
        return [_overrides.find_node(prompt, str(target), self.registry) for target in targets]

    def issues(self, prompt: Prompt, targets: Iterable[str] = (), *, executable: bool = True) -> list[Issue]:
        """Every problem that keeps the prompt from running; `executable` as in weft.engine.workflow.validation."""
        targets = self.resolve_targets(prompt, targets)
        return self._lowered(prompt, targets, executable=executable, supply=self._supply(prompt))[1]

    def refusal(self, prompt: Prompt, issues: Sequence[Issue], targets: Iterable[str] = ()) -> InvalidWorkflow:
        """The error about a prompt with these issues, and what would help against all of them."""
        error = InvalidWorkflow(issues)
        error.sound = tuple(selection.sound(prompt, self.registry, issues, tuple(targets)))
        unknown = any(issue.code == "missing_node_type" for issue in issues)
        hints = [selection.how_to_run(error.sound), HOW_CLASSES_GET_IN if unknown else ""]
        if all(issue.missing_file for issue in issues) and getattr(self.settings_of(prompt), STAND_INS, None) is False:
            hints.append("--stand-ins tries it without them")
        error.hint = "; ".join(filter(None, hints))
        return error

    def notes(self, prompt: Prompt) -> list[Issue]:
        """What a user should know of the prompt and what stops nothing: what was left out of it, or has no effect."""
        made = making.notes(prompt, self.settings, self._given, self.packs)
        return [*prompt.notes, *undeclared(prompt, self.registry), *made]

    def lint(self, prompt: Prompt, selection: LintSelection | None = None) -> list[LintFinding]:
        """What the packs' rules find in a prompt: what runs, and yet gives another picture than was probably meant.

        By default those rules look that weft.toml selects. Nothing need be right with the prompt otherwise.
        """
        from weft.engine.linting.findings import lint, rules_of
        from weft.engine.linting.selection import LintSelection

        rules = (selection or LintSelection.load()).of(rules_of(self.packs))
        return lint(prompt, self.registry, self.settings_of(prompt), rules, self.folders)

    def settings_of(self, prompt: Prompt) -> Settings:
        """The settings that a prompt runs with: one from a picture of Weft's in the mode that made it, unless given."""
        return making.settings(prompt, self.settings, self._given, self.packs)

    @collector_paused()
    def plan(self, prompt: Prompt, targets: Iterable[str] = (), *, values: bool = True) -> Plan:
        """The plan of a prompt. Without `values`, nobody wants those of output nodes and targets: no cache reads them.

        Raises InvalidWorkflow with every issue, UsageError where a file could not be written that it will write.
        """
        targets = list(targets)
        lowered, issues = self.prepared(prompt, targets)
        targets = self.resolve_targets(lowered.source, targets)
        if issues:
            raise self.refusal(lowered.source, issues, targets)
        return self.planned(lowered, targets, values=values)

    def prepared(self, prompt: Prompt, targets: Iterable[str] = ()) -> tuple[Lowered, list[Issue]]:
        """The first half of `plan`: what is to be planned of a prompt, and everything that keeps it from running."""
        prompt = self._handled(queued(prompt, self.registry, self._last, random.random))
        targets = self.resolve_targets(prompt, targets)
        prompt, scaled = self._scaled(prompt)
        supply = self._supply(prompt)
        lowered, issues = self._lowered(prompt.sent(datetime.now()), targets, supply=supply)
        if issues:
            return lowered, issues
        stood = supply.notes if supply is not None else ()
        return replace(lowered, notes=(*lowered.notes, *self._notes(lowered), *scaled, *stood)), []

    def planned(self, lowered: Lowered, targets: Iterable[str] = (), *, values: bool = True) -> Plan:
        """The other half, of a prompt that nothing is wrong with; raises the UsageError. `targets` are ids."""
        plan = self.planner(lowered).plan(lowered, targets, values=values)
        for step in plan.steps:
            prefix = step.inputs.get(FILE_PREFIX)
            if isinstance(prefix, str) and step.runs and step.schema.output_node:
                self.folders.check_writable(self.folders.check_prefix(prefix))
        return plan

    def model_calls(self, plans: Iterable[Plan]) -> Iterator[ModelCalls]:
        """What each of these plans, run one after the other with a cache, will make of evaluations of a network."""
        from weft.engine.planning.forecast import Forecast

        forecast = Forecast()
        return (forecast.add(plan, self._settings_for(plan.lowered), self.planner(plan.lowered)) for plan in plans)

    def calls_by_node(self, plan: Plan) -> dict[str, int]:
        """How often each node of a plan will have a network evaluated, as far as that is known."""
        from weft.engine.planning.forecast import Forecast

        forecast = Forecast()
        forecast.add(plan, self._settings_for(plan.lowered), self.planner(plan.lowered))
        return forecast.by_node

    def execute(
        self,
        plan: Plan,
        observers: Sequence[Observer] = (),
        *,
        watch: Watch | None = None,
        spare: Spare | None = None,
        cancel: CancelToken | None = None,
        state: RunState | None = None,
        driver: Driver | None = None,
    ) -> RunResult:
        """Run a plan; `watch` sees every node's outputs, `spare` says which failures of end nodes do not stop it.

        `state` is where the run begins, and changes; default: nothing has run. `driver` calls the nodes.
        """
        from weft.engine.running.executor import Executor
        from weft.engine.running.state import RunState as _RunState

        self._resume()
        check_observers(observers)
        lowered = plan.lowered
        self._last |= resolving(lowered.source, self.registry)
        planner = self.planner(lowered)
        with collector_paused():
            state = state if state is not None else _RunState.of(plan)
        with self._instances.during(lambda: lowered.prompt.classes) as instances:
            context = RunContext(
                folders=planner.folders,
                settings=self._settings_for(lowered),
                observers=observers,
                token=cancel,
                prompt=partial(self.given, lowered.source),
                executed=lowered.prompt.to_json if lowered.parts else None,
                extra_pnginfo=partial(self.carried, lowered.source),
                models=partial(planner.models, state.nodes),
                making=self.packs.making(self._settings_for(lowered)),
                instances=instances,
            )
            for note in (*lowered.source.notes, *lowered.notes):
                context.for_node(note.node_id or "").warn(note.text)
            result = Executor(planner, watch=watch, spare=spare, driver=driver, turns=self._turns).run(
                plan, context, state
            )
        return replace(result, outputs=lowered.with_outputs(result.outputs)) if lowered.parts else result

    def together(self, jobs: Iterable[Callable[[], Done]], cancel: CancelToken | None = None) -> Iterator[Done]:
        """Do jobs that run plans of this session, and give what they return, in the order in which they end.

        With a `batch` of more than 1, so many are under way at once, each in a thread, and take turns: a node that two
        of them need is computed by one, if the cache keeps it, and what several ask of a network at once is evaluated
        in one call. Results are then within the tolerance of batching, and a cache keeps them apart from others.

        Raises what a job raised first. `cancel`, which the runs are to take too, is cancelled where this ends early.
        """
        if self.batch == 1:
            yield from (job() for job in jobs)
            return
        from weft.engine.running.turns import Turns

        self._turns = Turns(self.batch, cancel if cancel is not None else CancelToken(), self.packs)
        try:
            yield from self._turns.run(jobs)
        finally:
            self._turns = None

    def given(self, prompt: Prompt) -> dict[str, Any]:
        """The workflow that nodes and files are told of, in API format."""
        return prompt.to_json()

    def carried(self, prompt: Prompt) -> dict[str, Any]:
        """What files carry beside the prompt: a workflow that gives this very prompt, and what else came with it."""
        from weft.engine.formats.written import workflow_of

        document = workflow_of(prompt, self.registry)
        others = {name: value for name, value in prompt.extra_pnginfo.items() if name != "workflow"}
        return others if document is None else {"workflow": document, **others}

    def _scaled(self, prompt: Prompt) -> tuple[Prompt, list[Issue]]:
        """The prompt, a small one of the same logic where it is run with stand-ins, and what was changed."""
        settings = self.settings_of(prompt)
        if not getattr(settings, STAND_INS, False) or settings.full:
            return prompt, []
        from weft.engine import standins

        return standins.smaller(prompt, self.packs, standins.known(prompt, self.registry))

    def _supply(self, prompt: Prompt) -> Supply | None:
        """What stands in for files that the prompt names, if anything is to."""
        settings = self.settings_of(prompt)
        if not getattr(settings, STAND_INS, False):
            return None
        from weft.engine import standins

        nodes = standins.known(prompt, self.registry)
        return standins.Supply(self.packs, nodes, self.folders, full=settings.full)

    def folders_of(self, lowered: Lowered) -> Folders:
        """Where the files of a planned prompt are found."""
        supply = self._supply(lowered.source)
        return self.folders if supply is None else self.folders.standing_in(supply)

    def _resume(self) -> None:
        """Have the process's packs for ComfyUI, if there are any, mean the folders and classes of this session."""
        if self.custom_nodes:
            from weft.engine.custom_nodes.joining import resume

            resume(self.registry, self.settings, self.folders)

    def _handled(self, prompt: Prompt) -> Prompt:
        """The prompt with the values that packs for ComfyUI set when it is sent, which its notes tell."""
        if not self.custom_nodes:
            return prompt
        from weft.engine.custom_nodes.joining import handled

        document = prompt.to_json()
        found = handled(self.packs, document, lambda: self.carried(prompt))
        return prompt if found is None else with_changes(prompt, document, *found)

    def planner(self, lowered: Lowered) -> Planner:
        """What plans and runs a prompt with the classes, folders and cache of this session."""
        return Planner(
            self.registry,
            folders=self.folders_of(lowered),
            digests=self.digests,
            cache=self.cache,
            **self._cached_by(lowered),
        )

    def _cached_by(self, lowered: Lowered) -> dict[str, Any]:
        """What a planner is told where there is a cache: finding it out takes its time."""
        if isinstance(self.cache, NoCache):
            return {}
        settings = self._settings_for(lowered)
        return {"namespace": self.namespace(settings), "facts": self.facts(settings), "scope": f"{lowered.scope}:"}

    def namespace(self, settings: Settings) -> bytes:
        """What stands in front of the keys of a run with these settings: 32 bytes that say what computes it.

        Where nothing is kept nobody needs it, and finding it out may take the import of a library.
        """
        if isinstance(self.cache, NoCache):
            return b""
        alone = self.computes(settings)
        return alone if self.batch == 1 else hashlib.blake2b(b"batched" + alone, digest_size=32).digest()

    def computes(self, settings: Settings) -> bytes:
        """A digest, 32 bytes, of what computes in a run with these settings."""
        return hashlib.blake2b(canonical(self.facts(settings)), digest_size=32).digest()

    def facts(self, settings: Settings) -> dict[str, Any]:
        """What computes in a run with these settings, by name: Weft's code and the packs' environment."""
        return {CODE: own_digest(), **self.packs.environment(settings)}

    def accounts(self, plan: Plan, node_id: str) -> list[Account]:
        """What a node of the plan's workflow is computed from, and what differs from the last time.

        It is several nodes where it was lowered to others.
        """
        from weft.engine.planning.accounts import account

        planner = self.planner(plan.lowered)
        parts = [name for name, known in plan.nodes.items() if node_id in (name, known.part_of)]
        return [account(planner, plan, name) for name in parts]

    def _lowered(
        self, prompt: Prompt, targets: Sequence[str], *, executable: bool = True, supply: Supply | None = None
    ) -> tuple[Lowered, list[Issue]]:
        passes = [each.name for each in self.packs.passes(self.settings_of(prompt))]
        lenient = [
            code
            for name, setting in self.packs.settings.items()
            for code in setting.forgiven(getattr(self.settings, name))
        ]
        folders = self.folders if supply is None else self.folders.standing_in(supply)
        given: dict[str, Any] = {"folders": folders, "targets": targets, "executable": executable}
        lowered, issues = checked(prompt, self.registry, passes=passes, lenient=lenient, **given)
        return lowered, [*issues, *refusals(prompt, self.registry, self.settings_of(prompt), self.folders)]

    def _settings_for(self, lowered: Lowered) -> Settings:
        """The settings of a run: a lowered prompt may need others than those of its source."""
        return self.settings_of(lowered.source).model_copy(update=dict(lowered.settings))

    def _notes(self, lowered: Lowered) -> Iterator[Issue]:
        """What a user should know of the prompt and of how it was lowered."""
        settings, needed = self.settings_of(lowered.source), self._settings_for(lowered)
        yield from undeclared(lowered.source, self.registry)
        yield from making.notes(lowered.source, self.settings, self._given, self.packs)
        for each in self.packs.passes(settings) if not lowered.parts else ():
            yield Issue(f"no_{each.name}", each.idle)
        for name, value in lowered.settings.items():
            if getattr(needed, name) != getattr(settings, name):
                setting = self.packs.settings[name]
                message = f"the whole run is {setting.verb} {setting.said(value)}, as {lowered.reason} asks for"
                yield Issue(f"{name}_mode", message, node_id=next(iter(lowered.outputs)))
