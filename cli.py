"""The command line: `weft run`, `weft validate`, `weft nodes`. The only place where the parts of Weft are put together.

One function a command, and inside it `with _answering(...) as answer`: whatever is raised in that block becomes an
exit code and a message (or a JSON document). Results go to stdout, everything else to stderr. What is heavy is imported
inside the function that needs it: `weft validate` and `weft nodes` never load torch.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from engine import events
from engine.errors import Interrupted, InvalidWorkflow, Issue, NodeFailed, UsageError, WeftError, is_plain

if TYPE_CHECKING:
    from rich.console import Console

    from engine.definition import InputSpec, NodeDefinition
    from engine.executor import RunResult
    from engine.folders import Folders

Line = Sequence[str | tuple[str, str]]
"""A line in pieces: text, or text and its style."""

READER_GONE = 13
"""SIGPIPE's number, also where the system has no such signal."""

app = typer.Typer(
    name="weft",
    help="Run ComfyUI workflows without ComfyUI: no server, no browser, one command.",
    epilog="Settings: a flag beats the environment (WEFT_MODELS, WEFT_INPUT, WEFT_OUTPUT, WEFT_TEMP, WEFT_DEVICE, "
    "WEFT_DTYPE, WEFT_SAMPLING), which beats weft.toml in the current folder (models, input, output, ...).\n\n"
    "Exit codes: 0 done, 1 a node failed, 2 usage or unreadable file, 3 invalid workflow, 4 a model or input file is "
    "missing, 130 interrupted.\n\n"
    "Example: weft run portrait.json --set KSampler.seed=7 --models ~/models",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WorkflowArgument = Annotated[
    Path, typer.Argument(metavar="WORKFLOW", help="A workflow in API format (ComfyUI: Workflow > Export (API)).")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NODE.INPUT=VALUE",
        help="Give an input another value; may be repeated. NODE is an id, a title or a class_type; "
        "'KSampler (Advanced)#2' is the second of its name. The value is read as the input's type.",
    ),
]
ModelsOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="A folder with checkpoints/, loras/, vae/, embeddings/, ...; may be repeated, the first one is searched "
        "first. An extra_model_paths.yaml in it or beside it is read. Environment: WEFT_MODELS.",
        show_default="./models",
    ),
]
InputOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="The folder of input files (LoadImage, LoadLatent, ...). Environment: WEFT_INPUT.",
        show_default="./input",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        file_okay=False,
        help="The folder that files are written to; made when it is needed. Environment: WEFT_OUTPUT.",
        show_default="./output",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="auto (a GPU where there is one), cpu, cuda or cuda:N. Environment: WEFT_DEVICE.",
        show_default="auto",
    ),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="auto, float32, float16 or bfloat16. Environment: WEFT_DTYPE.", show_default="auto"
    ),
]
SamplingOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODE", help="comfy: the numbers of ComfyUI. Environment: WEFT_SAMPLING.", show_default="comfy"
    ),
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NODE",
        help="Run this node too, although no output node asks for it; may be repeated. NODE as in --set.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout, also for an error.")]
EventsOption = Annotated[
    bool,
    typer.Option(
        "--events",
        help="Write every event as one line of JSON to stdout as it happens (NDJSON), and no progress to stderr. "
        "After an error the last line is an Error event.",
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Nothing but errors on stderr; stdout is as it would be.")
]


# ---------------------------------------------------------------------------------------------------------- commands


@app.command(
    epilog="Examples:\n\n"
    "weft run portrait.json\n\n"
    "weft run portrait.json --set 5.seed=7 --set 'KSampler (Advanced)#2.end_at_step=8' --output /tmp/out\n\n"
    "weft run portrait.json --json | jq -r '.files[]'"
)
def run(
    context: typer.Context,
    workflow: WorkflowArgument,
    changes: SetOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    output: OutputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    sampling: SamplingOption = None,
    targets: TargetOption = None,
    as_json: JsonOption = False,
    as_events: EventsOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run a workflow, and list the files that it wrote on stdout, one a line.

    Progress, texts of preview nodes and warnings go to stderr.
    """
    with _answering(context, as_json=as_json, as_events=as_events, quiet=quiet) as answer:
        if as_json and as_events:
            raise UsageError("--json and --events exclude each other", hint="--events ends with what --json would say")
        from engine.api import Session

        session = Session(
            models=models or None, input=input, output=output, device=device, dtype=dtype, sampling=sampling
        )
        prompt = session.read(workflow, changes)
        with answer.watching() as observers:
            result = session.execute(session.plan(prompt, targets or ()), observers)
        answer.ran(result)


@app.command(epilog="Example:\n\nweft validate portrait.json --set KSampler.steps=0 --models ~/models")
def validate(
    context: typer.Context,
    workflow: WorkflowArgument,
    changes: SetOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    targets: TargetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say everything that keeps a workflow from running, without running it.

    Exit code 3 for an invalid workflow, 4 where nothing but files is missing.
    """
    with _answering(context, as_json=as_json) as answer:
        from engine.api import Session

        session = Session(models=models or None, input=input)
        prompt = session.read(workflow, changes)
        issues = session.issues(prompt, targets or ())
        if issues:
            raise InvalidWorkflow(issues)
        count = len(prompt.nodes)
        if as_json:
            answer.document({"status": "valid", "nodes": count, "issues": []})
        else:
            answer.out.line(f"{workflow}: ", ("valid", "green"), f", {count} node{'s' if count != 1 else ''}")


@app.command(
    epilog="Examples:\n\nweft nodes | grep -i latent\n\nweft nodes KSampler\n\nweft nodes --json > object_info.json"
)
def nodes(
    context: typer.Context,
    class_type: Annotated[str | None, typer.Argument(metavar="[CLASS_TYPE]", help="Describe this node class.")] = None,
    models: ModelsOption = None,
    input: InputOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write ComfyUI's object_info form to stdout.")] = False,
) -> None:
    """List the node classes, or describe one: its inputs with types, defaults, ranges and choices, and its outputs."""
    with _answering(context, as_json=as_json) as answer:
        # Not engine.api: a list of nodes needs no graph, and networkx takes a third of the time.
        from engine.folders import Folders
        from engine.registry import Registry, UnknownNode
        from engine.settings import Settings

        settings = Settings.load({"models": tuple(models) if models else None, "input": input})
        folders = Folders(**{name: getattr(settings, name) for name in ("models", "input", "output", "temp")})
        registry = Registry.discover()
        try:
            found = [registry[name] for name in ([class_type] if class_type is not None else registry)]
        except UnknownNode as error:
            raise UsageError(error.message, hint=error.hint) from error
        if as_json:
            answer.document({one.class_type: _object_info(one, folders) for one in found})
        else:
            for line in _table(found) if class_type is None else _page(found[0], folders):
                answer.out.line(*line)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"weft {version('weft')}")
        raise typer.Exit


@app.callback()
def _weft(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments (default: the process's own) and return its exit code."""
    code: Any = 0
    with _stoppable() as stop:
        try:
            app(args=None if argv is None else list(argv), prog_name="weft", obj=stop)
        except SystemExit as end:
            code = end.code
        except KeyboardInterrupt:
            code = Interrupted.exit_code
    # A signal while typer reads the arguments ends in typer's own exit code.
    return 128 + stop.number if code and stop.number else int(code or 0)


# ----------------------------------------------------------------------------------------------- stopping and streams


class _Stop:
    """Why the process has to stop: `number` is the signal that came first, 0 while none has."""

    PATIENCE = 0.3
    """Seconds that an import may go on after the signal."""

    def __init__(self) -> None:
        self.number = 0
        self.since = 0.0
        self.count = 0
        self.due = False
        self.leave: Callable[[], None] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signal handler: the first signal stops cleanly, the second gives notice, the third kills."""
        again, self.due = self.due, False
        if not again:
            self.count += 1
        if self.count == 1 and not again:
            self.number, self.since = number, time.monotonic()
            again = True
        if again:
            self._stop(frame)
        elif self.count == 2:
            os.write(2, b"\nstopping; once more kills\n")
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def _stop(self, frame: FrameType | None) -> None:
        if self.leave is None or not _importing(frame):
            raise KeyboardInterrupt
        # An exception in the middle of `import torch` can abort the process or be lost. A short import may end first,
        # and a long one is left for good: it holds nothing that needs to be cleaned up.
        if time.monotonic() - self.since > self.PATIENCE:
            self.leave()
        timer = threading.Timer(0.02, self._again)
        timer.daemon = True
        timer.start()

    def _again(self) -> None:
        self.due = True
        signal.raise_signal(self.number)

    def reader_gone(self, file: TextIO) -> None:
        """Stop because nobody reads `file` any more, as SIGPIPE would, with time to clean up."""
        # What the stream still holds must go somewhere when the interpreter closes it.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), file.fileno())
        self.number = self.number or READER_GONE
        raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    """Whether an import is going on in this frame or below it."""
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    """Turn SIGINT and SIGTERM into one KeyboardInterrupt; a signal that the parent process ignores stays ignored."""
    stop = _Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield stop
        sys.stdout.flush()
    except BrokenPipeError:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
    finally:
        for number in taken:
            signal.signal(number, before[number])


# Text from a workflow must not steer the terminal.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


class _Stream:
    """stdout or stderr: colours where it is a terminal, plain text elsewhere."""

    def __init__(self, file: TextIO, stop: _Stop) -> None:
        self.file = file
        self.stop = stop

    @cached_property
    def console(self) -> Console | None:
        """rich's console, or None where the stream is no terminal."""
        if not self.file.isatty():
            return None
        from rich.console import Console

        return Console(file=self.file, highlight=False)

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Write one line, its parts in their styles."""
        shown = [part.translate(_CONTROL) if isinstance(part, str) else (part[0].translate(_CONTROL), part[1])
                 for part in parts]  # fmt: skip
        if self.console is None:
            self.write("".join(part if isinstance(part, str) else part[0] for part in shown) + "\n")
            return
        from rich.text import Text

        self.console.print(Text.assemble(*shown), soft_wrap=True)

    def write(self, text: str) -> None:
        """Write the text as it is, now. Stops the process's work where nobody reads the stream."""
        try:
            self.file.write(text)
            self.file.flush()
        except BrokenPipeError:
            self.stop.reader_gone(self.file)


# ----------------------------------------------------------------------------------------------------------- answers


@contextmanager
def _answering(
    context: typer.Context, *, as_json: bool = False, as_events: bool = False, quiet: bool = False
) -> Iterator[_Answer]:
    """Around a command's work: an exception becomes a message or a document, and the exit code."""
    answer = _Answer(context.obj, as_json=as_json, as_events=as_events, quiet=quiet)
    answer.stop.leave = lambda: os._exit(answer.failed(Interrupted()))
    code = 0
    try:
        with _libraries_silenced(answer):
            yield answer
    except (KeyboardInterrupt, Exception) as error:
        try:
            code = answer.failed(error)
        except KeyboardInterrupt:  # nobody reads the message either, or a signal came while it was written
            code = 128 + answer.stop.number
    if code:
        raise typer.Exit(code)


class _Answer:
    """What one command says: its result on stdout, everything else on stderr."""

    def __init__(self, stop: _Stop, *, as_json: bool, as_events: bool, quiet: bool) -> None:
        self.stop = stop
        self.out = _Stream(sys.stdout, stop)
        self.err = _Stream(sys.stderr, stop)
        self.as_json = as_json
        self.as_events = as_events
        self.quiet = quiet
        self.observers: list[events.Observer] = []
        self.stack = ExitStack()
        self.running: events.NodeStarted | None = None
        self.files: tuple[Path, ...] = ()
        self.warnings: list[events.NodeWarning] = []

    def document(self, data: Mapping[str, Any]) -> None:
        """Write one JSON document; what a third-party node put into it and JSON does not know, as text."""
        self.out.write(json.dumps(data, indent=2, default=str) + "\n")

    @contextmanager
    def watching(self) -> Iterator[list[events.Observer]]:
        """The observers of a run. Meanwhile, what nodes print goes to stderr: stdout is for results."""
        with self.stack:
            self.observers = [self._note]
            if self.as_events:
                self.observers.append(lambda event: self.out.write(json.dumps(event.to_json(), default=str) + "\n"))
            elif not self.quiet:
                self.observers.append(self.stack.enter_context(_Narrator(self.err)))
            elsewhere = self.stack.enter_context(open(os.devnull, "w")) if self.quiet else sys.stderr
            self.stack.enter_context(redirect_stdout(elsewhere))
            yield self.observers

    def _note(self, event: events.Event) -> None:
        match event:
            case events.NodeStarted():
                self.running = event
                self._obey()
            case events.Progress():
                self._obey()
            case events.NodeWarning():
                self.warnings.append(event)
                title = self.running.title if self.running and self.running.node_id == event.node_id else ""
                self.warn(f"{_where(event.node_id, title)}: {event.message}")
            case events.RunFinished():
                self.running = None
                self.files = event.files

    def _obey(self) -> None:
        # A library may have swallowed the KeyboardInterrupt of the signal.
        if self.stop.number:
            raise Interrupted

    def logged(self, record: logging.LogRecord) -> None:
        """A message of Weft's own logger; while a node runs, it is that node's warning."""
        if self.running is None:
            self.warn(record.getMessage())
            return
        for observer in self.observers:
            observer(events.NodeWarning(self.running.node_id, record.getMessage()))

    def warn(self, message: str) -> None:
        """Say something that stops nothing."""
        if not self.quiet:
            self.err.line(("warning: ", "yellow"), message)

    def ran(self, result: RunResult) -> None:
        """Say what a run gave."""
        if self.as_json:
            self.document({"status": "done", **result.to_json(), "warnings": self._warnings()})
        if self.as_json or self.as_events:
            return
        for step in result.plan.steps:
            for line in [] if self.quiet else _shown(step.node_id, step.definition, result):
                self.err.line((f"{_where(step.node_id, step.title)}: ", "bold"), line)
        self.out.write("".join(f"{file}\n" for file in self.files))

    def failed(self, error: BaseException) -> int:
        """Say what went wrong; returns the exit code."""
        self.stack.close()
        if self.stop.number or isinstance(error, KeyboardInterrupt):
            # After a signal, whatever goes wrong is its doing: libraries wrap the KeyboardInterrupt.
            error = error if isinstance(error, Interrupted) else Interrupted()
            error.exit_code = 128 + (self.stop.number or signal.SIGINT)
        code = error.exit_code if isinstance(error, WeftError) else 1
        for line in _explain(error):
            self.err.line(*line)
        data = {**_error_json(error), "exit_code": code, "files": [str(file) for file in self.files]}
        if self.as_json:
            self.document({"status": "error", **data, "warnings": self._warnings()})
        elif self.as_events:
            self.out.write(json.dumps({"event": "Error", **data}, default=str) + "\n")
        else:
            self.out.write("".join(f"{file}\n" for file in self.files))
        return code

    def _warnings(self) -> list[dict[str, str]]:
        return [{"node_id": warning.node_id, "message": warning.message} for warning in self.warnings]


class _LogHandler(logging.Handler):
    def __init__(self, answer: _Answer) -> None:
        super().__init__(logging.WARNING)
        self.answer = answer

    def emit(self, record: logging.LogRecord) -> None:
        self.answer.logged(record)


_SILENCE = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
}


@contextmanager
def _libraries_silenced(answer: _Answer) -> Iterator[None]:
    """Keep the warnings, logs and bars of libraries off the streams; those of Weft become warnings of the answer.

    What the user set, by `python -W` or in the environment, stands.
    """
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)
    handlers = {logging.getLogger(): logging.NullHandler(), logging.getLogger("weft"): _LogHandler(answer)}
    for logger, handler in handlers.items():
        logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            yield
    finally:
        for logger, handler in handlers.items():
            logger.removeHandler(handler)


# -------------------------------------------------------------------------------------------------- words for people


def _where(node_id: str, title: str) -> str:
    return f'node {node_id} "{title}"' if title else f"node {node_id}"


def _explain(error: BaseException) -> Iterator[Line]:
    """The lines that tell a person what went wrong."""
    label = ("error: ", "bold red")
    match error:
        case InvalidWorkflow():
            yield [label, error.message]
            for issue in error.issues:
                yield ["  ", *_issue(issue)]
        case NodeFailed():
            yield [label, (_where(error.node_id, error.title), "bold"), f" failed: {error.message}", *_hint(error.hint)]
            for name, value in error.inputs.items():
                yield ["  ", (f"{name}: ", "dim"), value]
            if not is_plain(error.__cause__):
                yield from (["  ", line] for line in error.author_traceback.splitlines())
        case Interrupted():
            yield [("interrupted", "yellow")]
        case WeftError():
            yield [label, error.message, *_hint(error.hint)]
        case OSError():
            yield [label, str(error)]
        case _:
            import traceback

            yield from ([line] for line in "".join(traceback.format_exception(error)).splitlines())
            yield [label, f"{type(error).__name__} inside Weft. This is a bug of Weft: please report the above."]


def _issue(issue: Issue) -> Line:
    where = ", ".join(filter(None, (issue.where, f"input {issue.input!r}" if issue.input else "")))
    # The details of ComfyUI's errors begin with the input's name, which stands in `where` already.
    details = issue.details
    if issue.input and details.startswith(issue.input):
        details = details.removeprefix(issue.input).lstrip(":, ")
    message = f"{issue.message}: {details}" if details else issue.message
    return [*([(f"{where}: ", "bold")] if where else []), message, *_hint(issue.hint)]


def _hint(hint: str) -> Line:
    return [(f" ({hint})", "cyan")] if hint else []


def _error_json(error: BaseException) -> dict[str, Any]:
    if isinstance(error, WeftError):
        return error.to_json()
    data: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
    if not isinstance(error, OSError):
        import traceback

        data["traceback"] = "".join(traceback.format_exception(error))
    return data


def _shown(node_id: str, definition: NodeDefinition, result: RunResult) -> Iterator[str]:
    """What a kept node has to show besides files: its texts, or what a target's values are."""
    from engine.call import describe

    texts = result.ui.get(node_id, {}).get("text", ())
    yield from ((str(text) for text in texts) if isinstance(texts, list | tuple) else (str(texts),))
    if node_id in result and not definition.output_node:
        for output, value in zip(definition.outputs, result[node_id], strict=True):
            yield f"{output.name} {describe(value)}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


# ---------------------------------------------------------------------------------------------------------- progress


class _Pace:
    """The steps of the running node and how fast they come; the time before the first one is not the steps'."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.first: tuple[int, float] | None = None
        self.value = 0
        self.total = 0

    def step(self, value: int, total: int) -> None:
        self.value, self.total, self.now = value, total, time.perf_counter()
        self.first = self.first or (value, self.now)

    @property
    def rate(self) -> str:
        """`3.10 it/s`, or `2.41 s/it` where that reads better; empty before the first step."""
        if self.first is None:
            return ""
        steps, seconds = self.value - self.first[0], self.now - self.first[1]
        if steps <= 0:
            steps, seconds = max(self.value, 1), self.now - self.started
        rate = steps / max(seconds, 1e-6)
        return f"{rate:.2f} it/s" if rate >= 1 else f"{1 / rate:.2f} s/it"


class _Narrator:
    """Tells a person how a run goes: an observer with a live bar on a terminal, with lines elsewhere.

    A node that is done becomes a line; on a terminal only if it took its time, since the bar showed it.
    """

    SILENCE = 10.0
    """After so many seconds without a line, a step is reported: a log shows that the run is alive."""

    def __init__(self, err: _Stream) -> None:
        self.err = err
        self.pace = _Pace()
        self.count = self.done = 0
        self.spoken = time.perf_counter()
        self.bar = _bar(err.console) if err.console is not None and not err.console.is_dumb_terminal else None

    def __enter__(self) -> _Narrator:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.RunStarted(nodes, cached):
                self.count = len(nodes) + len(cached)
            case events.NodeStarted(node_id, _, title):
                self.running, self.pace = f"{self._place} {_where(node_id, title)}", _Pace()
                if self.bar is not None:
                    self.bar.reset(self.bar.task_ids[0], description=self.running, total=None, pace="")
            case events.Progress(_, value, total):
                self.pace.step(value, total)
                self._stepped()
            case events.NodeCached(node_id, _, title):
                self._ended(f"{self._place} {_where(node_id, title)}: reused", brief=True)
            case events.NodeFinished():
                count = self.pace.value
                steps = f"{count} step{'s' if count != 1 else ''}, {self.pace.rate}, " if count else ""
                brief = event.seconds < 0.1 and not count
                self._ended(f"{self.running}: {steps}{_seconds(event.seconds)}", brief=brief)
            case events.RunFinished("done", seconds):
                self.err.line(("done", "green"), f" in {_seconds(seconds)}")

    @property
    def _place(self) -> str:
        return f"[{self.done + 1:{len(str(self.count))}}/{self.count}]"

    def _stepped(self) -> None:
        if self.bar is not None:
            pace = f"{self.pace.value}/{self.pace.total}  {self.pace.rate}"
            self.bar.update(self.bar.task_ids[0], completed=self.pace.value, total=self.pace.total, pace=pace)
        elif time.perf_counter() - self.spoken > self.SILENCE:
            self._say(f"{self.running}: step {self.pace.value} of {self.pace.total}, {self.pace.rate}")

    def _ended(self, line: str, *, brief: bool) -> None:
        self.done += 1
        if self.bar is None or not brief:
            self._say(line)

    def _say(self, line: str) -> None:
        self.spoken = time.perf_counter()
        self.err.line(line)


def _bar(console: Console) -> Any:
    """rich's Progress with one task: the running node."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[pace]}", markup=False),
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=console, transient=True)
    bar.add_task("preparing", total=None, pace="")
    return bar


# ------------------------------------------------------------------------------------------------------ node classes


def _object_info(definition: NodeDefinition, folders: Folders) -> dict[str, Any]:
    """The object_info entry, as a server with these folders gives it: with the names of files."""
    from engine.sockets import Files

    info = definition.to_object_info()
    for spec in definition.by_name.values():
        if isinstance(spec.socket, Files):
            info["input"][spec.section][spec.name][0] = _files(spec.socket, folders)
    return info


def _files(socket: Any, folders: Folders) -> list[str]:
    return [*socket.extra_choices, *folders.files(socket.folder, socket.suffixes)]


def _table(definitions: Iterable[NodeDefinition]) -> Iterator[Line]:
    """One line a class: class_type, display name, category; sorted by category."""
    rows = sorted((one.category, one.class_type, one.display_name) for one in definitions)
    wide = max((len(row[1]) for row in rows), default=0)
    wider = max((len(row[2]) for row in rows), default=0)
    for category, class_type, display_name in rows:
        yield [(f"{class_type:{wide}}", "bold"), f"  {display_name:{wider}}  ", (category, "cyan")]


def _page(definition: NodeDefinition, folders: Folders) -> Iterator[Line]:
    """All there is to know of one class."""
    import shutil
    import textwrap

    width = max(40, min(shutil.get_terminal_size().columns, 120))
    yield [(definition.class_type, "bold"), f'  "{definition.display_name}"  ', (definition.category, "cyan")]
    for line in textwrap.wrap(definition.description, width):
        yield [line]
    specs = list(definition.by_name.values())
    wide = max((len(spec.name) for spec in specs), default=0)
    for section in ("required", "optional"):
        chosen = [spec for spec in specs if spec.section == section]
        if chosen:
            yield [""]
            yield [("Inputs" if section == "required" else "Optional inputs", "bold")]
        for spec in chosen:
            yield ["  ", (f"{spec.name:{wide}}", "green"), f"  {_takes(spec)}"]
            indent = " " * (wide + 4)
            for text in _notes(spec, folders):
                lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
                yield from ([line] for line in lines)
    yield [""]
    yield [("Outputs", "bold")]
    yield from ([f"  {slot}  {out.name}" + ("  (a list)" if out.is_list else "")]
                for slot, out in enumerate(definition.outputs))  # fmt: skip
    if not definition.outputs:
        yield ["  none" + (": it ends a workflow" if definition.output_node else "")]


def _takes(spec: InputSpec) -> str:
    """The type of an input, its default and its range."""
    from engine.sockets import Files, type_name

    socket, options = spec.socket, spec.socket.options
    if isinstance(socket, Files):
        return f"a file in {socket.folder}/"
    facts = [type_name(socket.io_type)]
    if "default" in options:
        facts.append(f"default {json.dumps(options['default'], ensure_ascii=False, default=str)}")
    if "min" in options and "max" in options:
        facts.append(f"{options['min']} to {options['max']}")
    return ", ".join(facts)


def _notes(spec: InputSpec, folders: Folders) -> Iterator[str]:
    """What stands below an input: its choices or files, and its tooltip."""
    from engine.errors import looked_in
    from engine.sockets import Combo, Files

    socket = spec.socket
    if isinstance(socket, Files):
        names = _files(socket, folders)
        nothing = f"no file is there; {looked_in(folders.folders(socket.folder))}"
        yield f"files: {', '.join(names)}" if names else nothing
    elif isinstance(socket, Combo) and socket.choices is not None:
        yield f"choices: {', '.join(str(choice) for choice in socket.choices)}"
    if socket.options.get("tooltip"):
        yield socket.options["tooltip"]


if __name__ == "__main__":
    sys.exit(main())
