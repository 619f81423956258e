"""The run whose pictures `weft render` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from weft.engine.cache.protocol import Entry
from weft.engine.drawing.marks import Mark
from weft.engine.drawing.scene import DrawnPicture
from weft.engine.errors import NodeError, one_line
from weft.engine.planning.plan import Step
from weft.engine.session import Session
from weft.engine.sweeping.pictures import Pictures, find_pictures
from weft.engine.terminal.answer import Answer
from weft.engine.values import Values
from weft.engine.workflow.prompt import Prompt

_SIDE = 320
"""Pixels of the longer side of a picture in a node."""

_PER_NODE = 9
_DRAWN = ("IMAGE", "MASK")


@dataclass
class PicturedRun:
    """What a run shows in a drawing: pictures by node, and where it failed."""

    pictures: dict[str, tuple[DrawnPicture, ...]] = field(default_factory=dict)
    marks: dict[str | tuple[str, str], Mark] = field(default_factory=dict)
    failure: NodeError | None = None

    @classmethod
    def by_running(
        cls,
        session: Session,
        answer: Answer,
        prompt: Prompt,
        targets: Sequence[str],
        all_pictures: bool,
    ) -> PicturedRun:
        """Run the prompt, and keep a small picture of each that nodes give. A node that fails is marked."""
        shown = cls()
        found = find_pictures(session.packs, answer.notice)
        with answer.watching() as observers:
            planned = session.plan(prompt, targets, values=False)
            session.packs.check(session.settings)
            try:
                watch = partial(shown.keep, found, all_pictures)
                session.execute(planned, observers, watch=watch, cancel=answer.token)
            except NodeError as error:
                shown.failure = error
                shown.marks[error.node_id] = Mark("failed", one_line(error.message))
        return shown

    def keep(self, pictures: Pictures | None, all_pictures: bool, step: Step, entry: Entry) -> None:
        """Take down what a step gave, for the node of the workflow that shows it."""
        if pictures is None:
            return
        found = [pictures.thumbnail(path, _SIDE) for path in entry.files[:_PER_NODE]]
        if all_pictures and not any(found):
            for declared, value in zip(step.schema.outputs, entry.outputs, strict=False):
                for each in value if isinstance(value, Values) else (value,):
                    if declared.io_type in _DRAWN:
                        found += pictures.thumbnails(each, _SIDE, _PER_NODE)
        node_id = step.display_id or step.node_id
        drawn = [DrawnPicture(*each) for each in found if each is not None]
        if drawn:
            self.pictures[node_id] = (*self.pictures.get(node_id, ()), *drawn)[:_PER_NODE]
