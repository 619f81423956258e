"""The scene of whatever may be given as a workflow."""

from __future__ import annotations

from weft.engine.drawing.prompts import prompt_scene
from weft.engine.drawing.scene import PicturesById, Scene
from weft.engine.errors import Issue
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Prompt


def scene_of(
    loaded: Prompt | Workflow, registry: Registry, *, title: str = "", pictures: PicturesById | None = None
) -> tuple[Scene, list[Issue]]:
    """The drawing of a workflow as it was saved, or of a prompt, laid out; with notes on what could not be drawn.

    Raises InvalidWorkflow for a saved workflow that cannot be read.
    """
    if isinstance(loaded, Prompt):
        scene, notes = prompt_scene(loaded, registry, title=title, pictures=pictures)
        return scene, [*loaded.notes, *notes]
    from weft.engine.drawing.saves import save_scene

    return save_scene(loaded, registry, title=title, pictures=pictures)


def as_saved(prompt: Prompt, registry: Registry) -> Prompt | Workflow:
    """The editor's workflow that gives a prompt which was read of one; any other prompt itself."""
    from weft.engine.formats.conversion import ConvertedPrompt
    from weft.engine.formats.written import workflow_of

    document = workflow_of(prompt, registry) if isinstance(prompt, ConvertedPrompt) else None
    return prompt if document is None else Workflow.parse(document)
