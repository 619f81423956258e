"""What one command says: its result, its warnings, its failure and exit code."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.engine import events
from weft.engine.cancel import CancelToken
from weft.engine.documents import finite
from weft.engine.errors import Interrupted, Issue, UsageError, WeftError, one_line
from weft.engine.terminal.progress import Narrator
from weft.engine.terminal.streams import READER_GONE, Stop, Stream
from weft.engine.terminal.words import error_json, explain, shown, where

if TYPE_CHECKING:
    from weft.engine.running.result import RunResult

Narrating = AbstractContextManager[events.Observer]


@contextmanager
def answering(stop: Stop, *, as_json: bool = False, as_events: bool = False, quiet: bool = False) -> Iterator[Answer]:
    """Around a command's work: an exception becomes a message or a document, and the exit code."""
    answer = Answer(stop, as_json=as_json, as_events=as_events, quiet=quiet)
    answer.stop.leave = lambda: os._exit(answer.failed(Interrupted()))
    code = 0
    try:
        with _libraries_silenced(), _prints_diverted(quiet):
            yield answer
    except (KeyboardInterrupt, Exception) as error:
        code = answer.ended(error)
    if code:
        raise SystemExit(code)


class Answer:
    """What one command says: its result on stdout, everything else on stderr."""

    def __init__(self, stop: Stop, *, as_json: bool, as_events: bool, quiet: bool) -> None:
        self.stop = stop
        self.out = Stream(sys.stdout or io.StringIO(), stop)
        self.err = Stream(sys.stderr or io.StringIO(), stop)
        self.as_json = as_json
        self.as_events = as_events
        self.quiet = quiet
        self.observers: list[events.Observer] = []
        self.subject = ""
        """The workflow that is worked on, where there are several; messages name it."""
        self.stack = ExitStack()
        self.token = stop.token
        """Asks the run to stop that is watched: where its observers cannot write, and with the process."""
        self.unwritten: KeyboardInterrupt | WeftError | None = None
        """Why an observer of that run could not write what it was told."""
        self.running: events.NodeStarted | None = None
        self.files: list[Path] = []
        self.previews: list[Path] = []
        self.listed = 0
        self.runs: list[dict[str, Any]] = []
        self.waiting: list[str] = []
        """The workflows that have not begun, where there are several."""
        self.failures = 0
        self.warnings: dict[tuple[str, events.NodeWarning], None] = {}
        """What was said of a workflow, once."""
        self._noticed: set[str] = set()
        self._foretold: set[tuple[str | None, str]] = set()

    def document(self, data: Mapping[str, Any]) -> None:
        """Write one JSON document; what a third-party node put into it and JSON does not know, as text."""
        self.out.write(_json(data, indent=2))

    def record(self, data: Mapping[str, Any]) -> None:
        """Write one JSON object as a line."""
        self.out.write(_json(data))

    @contextmanager
    def watching(self, narrator: Callable[[Stream], Narrating] = Narrator) -> Iterator[list[events.Observer]]:
        """The observers of a run, or of several, which take `token`; `narrator` tells a person of it."""
        if self.subject and not self.quiet and not self.as_events:
            self.err.line((self.subject, "bold"))
        with self.stack as stack:
            observers: list[events.Observer] = [self._note]
            if self.as_events:
                observers.append(lambda event: self.record(event.to_json()))
            elif not self.quiet:
                observers.append(stack.enter_context(narrator(self.err)))
            with self.listening(*observers) as told:
                yield told

    @contextmanager
    def listening(self, *observers: events.Observer) -> Iterator[list[events.Observer]]:
        """The observers, for a run that takes `token`: where one cannot write, it asks the run to stop.

        Raises, when the run has stopped, what kept it from writing.
        """
        self.token, self.unwritten = CancelToken(self.stop.token), None
        self.observers = [self._without_raising(observer) for observer in observers]
        try:
            yield self.observers
        except Interrupted:
            if isinstance(self.unwritten, WeftError):
                raise self.unwritten from None
            raise
        if self.unwritten is not None:
            raise self.unwritten

    def _without_raising(self, observer: events.Observer) -> events.Observer:
        def told(event: events.Event) -> None:
            try:
                observer(event)
            except (KeyboardInterrupt, WeftError) as error:
                self.unwritten = self.unwritten or error
                self.token.cancel()

        return told

    def _note(self, event: events.Event) -> None:
        match event:
            case events.NodeStarted():
                self.running = event
            case events.NodeWarning():
                # Several runs of one workflow, as those of a sweep, may all say it.
                if (self.subject, event) in self.warnings:
                    return
                self.warnings[self.subject, event] = None
                if (event.display_id or event.node_id, event.message) in self._foretold:
                    return
                place = (
                    where(event.display_id, "") + f": {one_line(event.title)}"
                    if event.display_id
                    else where(event.node_id, event.title)
                )
                self.warn(f"{place}: {event.message}" if event.node_id else event.message)
            case events.RunFinished():
                self.running = None
                self.files.extend(event.files)
                self.previews.extend(event.previews)

    def foretell(self, note: Issue) -> None:
        """Warn of what lint says of a run; where the node says the same when it runs, a person is not told again."""
        self._foretold.add((note.node_id, note.message.partition(", ")[2]))
        self.warn(str(note))

    def notice(self, message: str) -> None:
        """Warn, once in the command, of what is no affair of one run; while a node runs, it is that node's warning."""
        if message in self._noticed:
            return
        self._noticed.add(message)
        if self.running is None:
            self.warn(message)
            return
        for observer in self.observers:
            observer(events.NodeWarning(self.running.node_id, message, self.running.display_id, self.running.title))

    def remark(self, message: str) -> None:
        """Say something about the runs as a whole where the warnings of nodes are said, in documents and events too."""
        for observer in self.observers:
            observer(events.NodeWarning("", message))

    def warn(self, message: str) -> None:
        """Say something that stops nothing."""
        if not self.quiet:
            self.err.line(("warning: ", "yellow"), message)

    def begun(self, workflow: str) -> None:
        """Note that a workflow is no longer waiting."""
        if workflow in self.waiting:
            self.waiting.remove(workflow)

    def told(self, error: BaseException, then: str = "") -> None:
        """Say what went wrong with the workflow that is worked on, where the command goes on; `then` says how."""
        self.failures += 1
        self._say(error)
        if then:
            self.err.line(then)
        data = error_json(error)
        if self.as_events:
            self.record({"event": "Error", **self._about(), **data})
        self._failed_run(error, data)

    def _failed_run(self, error: BaseException, data: Mapping[str, Any]) -> None:
        files = [str(file) for file in getattr(error, "files", ())]
        self.runs.append({**self._about(), "status": "failed", **data, "files": files})

    def _say(self, error: BaseException) -> None:
        if self.subject:
            self.err.line((f"{self.subject}:", "bold"))
        for line in explain(error):
            self.err.line(*line)

    def ran(self, result: RunResult, seeds: Mapping[str, Any]) -> None:
        """Say what a run gave; `seeds` by NODE.INPUT."""
        self.runs.append({**self._about(), **result.to_json(), "seeds": dict(seeds)})
        if self.as_json or self.as_events:
            return
        for step in result.plan.steps:
            for line in [] if self.quiet else shown(step.node_id, step.schema, result):
                self.err.line((f"{where(step.node_id, step.title)}: ", "bold"), line)
        for file in [] if self.quiet else result.previews:
            self.err.line(("preview: ", "bold"), one_line(str(file)))
        self.list_files()

    def done(self) -> None:
        """Say what all runs gave: one run's document is flat, several are in a list."""
        status = "failed" if self.failures else "done"
        if self.as_json:
            several = {"runs": self.runs, **self._written()}
            found = several if self.failures or len(self.runs) != 1 else self.runs[0]
            self.document({"status": status, **found, "warnings": self.warned()})
        if self.failures:
            raise SystemExit(1)

    def list_files(self) -> None:
        """Write the files that are not listed yet, one a line, whatever is in their names."""
        new, self.listed = self.files[self.listed :], len(self.files)
        self.out.write("".join(one_line(str(file)) + "\n" for file in new))

    def _written(self) -> dict[str, list[str]]:
        previews = {"previews": [str(file) for file in self.previews]} if self.previews else {}
        return {"files": [str(file) for file in self.files], **previews}

    def ended(self, error: BaseException) -> int:
        """Say what went wrong, if that can be written; returns the exit code."""
        try:
            return self.failed(error)
        except (KeyboardInterrupt, WeftError):  # the message cannot be written either, or a signal came meanwhile
            return 128 + self.stop.number if self.stop.number else 1

    def failed(self, error: BaseException) -> int:
        """Say what went wrong; returns the exit code."""
        self.stack.close()
        if self.stop.number == READER_GONE:
            return 128 + READER_GONE
        if self.stop.number or isinstance(error, KeyboardInterrupt):
            # After a signal, whatever goes wrong is its doing: libraries wrap the KeyboardInterrupt.
            error = error if isinstance(error, Interrupted) else Interrupted()
            error.exit_code = 128 + (self.stop.number or signal.SIGINT)
        code = error.exit_code if isinstance(error, WeftError) else 1
        self._say(error)
        self.begun(self.subject)
        if self.waiting:
            names = ", ".join(self.waiting)
            self.err.line(f"not run: {names}" + ("" if code > 128 else " (--keep-going runs the others)"))
        self._close(error, code)
        return code

    def refused(self, message: str, code: int) -> None:
        """Answer a command line that cannot be read; people have been told why."""
        self._close(UsageError(message), code)

    def _close(self, error: BaseException, code: int) -> None:
        data = {**self._about(), **error_json(error), "exit_code": code, **self._written()}
        if self.subject:
            self._failed_run(error, error_json(error))
            data["runs"] = [*self.runs, *({"workflow": name, "status": "skipped"} for name in self.waiting)]
        if self.as_json:
            self.document({"status": "error", **data, "warnings": self.warned()})
        elif self.as_events:
            self.record({"event": "Error", **data})
        else:
            self.list_files()

    def _about(self) -> dict[str, str]:
        return {"workflow": self.subject} if self.subject else {}

    def warned(self) -> list[dict[str, str]]:
        return [
            {"node_id": warning.display_id or warning.node_id, "message": warning.message}
            for _, warning in self.warnings
        ]


def _json(data: Mapping[str, Any], indent: int | None = None) -> str:
    """JSON that every reader takes: Python's own writes NaN and Infinity."""
    try:
        return json.dumps(data, indent=indent, default=str, allow_nan=False) + "\n"
    except ValueError:
        return json.dumps(finite(data)[0], indent=indent, default=str) + "\n"


_SILENCE = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
}


@contextmanager
def _libraries_silenced() -> Iterator[None]:
    """Keep the warnings, logs and bars of libraries off the streams.

    What the user set, by `python -W` or in the environment, stands.
    """
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)
    nowhere = logging.NullHandler()
    logging.getLogger().addHandler(nowhere)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger().removeHandler(nowhere)


@contextmanager
def _prints_diverted(quiet: bool) -> Iterator[None]:
    """Send what nodes, packs and libraries print to stderr, or nowhere: stdout is for the answer, which holds it.

    The command owns the process, and does this once for all of its runs; no run does it.
    """
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere if quiet else sys.stderr):
        yield
