"""`weft validate`: what is wrong with one workflow, or with each of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from weft.engine.errors import InvalidWorkflow, Issue, Spot
from weft.engine.formats.sources import SourceFile, name_of, open_file
from weft.engine.terminal.files import FileReport, failed, is_several, look_at_all, note_line
from weft.engine.terminal.linting import told

if TYPE_CHECKING:
    from weft.engine.session import Session
    from weft.engine.terminal.answer import Answer


class Validity(NamedTuple):
    """The number of a workflow's nodes, what is to know of it and stops nothing, and why it cannot run, if so."""

    nodes: int
    notes: Sequence[Issue]
    error: InvalidWorkflow | None

    def to_json(self) -> dict[str, Any]:
        """What --json says of a valid one."""
        notes = [note.to_json() for note in self.notes]
        return {"status": "valid", "nodes": self.nodes, "issues": [], "notes": notes}


@dataclass(frozen=True)
class Validator:
    """How workflows are validated: each with the same changes, the same part of it, the same targets."""

    session: Session
    changes: Sequence[str]
    part: Mapping[str, Any]
    targets: Sequence[str]
    answer: Answer
    executable: bool = True

    def tell(self, names: Sequence[str], *, ui: bool, skip_others: bool) -> None:
        """Say what is wrong with the workflows in these files and folders; one file's errors are the command's."""
        if is_several(names) or skip_others:
            look_at_all(self.answer, names, self.look, ui=ui, skip_others=skip_others)
            return
        found = self.check(open_file(names[0], ui=ui))
        answer = self.answer
        for note in found.notes:
            answer.warn(str(note))
        if found.error is not None:
            raise found.error
        if answer.as_json:
            answer.document(found.to_json())
        else:
            answer.out.line(
                f"{name_of(names[0])}: ", ("valid", "green"), f", {found.nodes} node{'s' if found.nodes != 1 else ''}"
            )

    def look(self, file: SourceFile) -> FileReport:
        """What is wrong with one of several."""
        found = self.check(file)
        notes = [(note.spot or Spot(file.name), note_line(note)) for note in found.notes]
        if found.error is None:
            return FileReport("valid", findings=notes, data=found.to_json())
        told = failed(found.error, file.name)
        data = {**told.data, "notes": [note.to_json() for note in found.notes]}
        return replace(told, findings=[*told.findings, *notes], data=data)

    def check(self, file: SourceFile) -> Validity:
        """What there is to say of a workflow, each issue with its spot. Raises UsageError where changes do not fit."""
        nodes, notes, error = 0, [], None
        try:
            prompt = self.session.read(file.workflow, self.changes, **self.part)
            findings = told(self.session, prompt, self.answer)
            nodes, notes = len(prompt.nodes), file.located([*self.session.notes(prompt), *findings])
            issues = self.session.issues(prompt, self.targets, executable=self.executable)
            error = self.session.refusal(prompt, issues, self.targets) if issues else None
        except InvalidWorkflow as refused:
            error = refused
        if error is not None:
            error.issues = tuple(file.located(error.issues))
        return Validity(nodes, notes, error)
