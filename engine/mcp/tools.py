"""The tools: what a client may ask, each a command of Weft's with its arguments."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from weft.engine.errors import UnreadableWorkflow, UsageError
from weft.engine.mcp.desk import Desk, ShownPicture
from weft.engine.mcp.processes import Tell

SIDE = 768
"""The longest side of a picture that a client is shown; larger ones are reduced."""

MOST_PICTURES = 4
_SEARCHED = 20


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool answers: a text to be read, the same as data, and pictures."""

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    pictures: Sequence[ShownPicture] = ()
    failed: bool = False


class ToolArguments(BaseModel):
    """What tools are given; unknown names are refused, since a misspelled one would do nothing."""

    model_config = ConfigDict(extra="forbid")


Workflow = Annotated[
    str | dict[str, Any],
    Field(description="A workflow: a path below the root (.json or a picture that carries one), or the document "
          "itself, in API format ({id: {class_type, inputs}}, a link being [id, slot]) or as the editor saves it."),
]  # fmt: skip
Changes = Annotated[
    dict[str, Any],
    Field(description="Other values of inputs: {'NODE.INPUT': value}, NODE being an id, a title or a class."),
]
StandIns = Annotated[
    bool, Field(description="Put small models and drawn pictures in the place of files that are not there.")
]


class SearchArguments(ToolArguments):
    query: str = Field("", description="Words: of a name, a title, a category, a description.")
    accepts: str = Field("", description="Only classes with an input of this type: LATENT, MODEL, ...")
    gives: str = Field("", description="Only classes with an output of this type.")
    limit: int = Field(_SEARCHED, ge=1, le=200)


class OneNodeArguments(ToolArguments):
    class_type: str = Field(description="The class, by name or title.")


class OneWorkflowArguments(ToolArguments):
    workflow: Workflow
    changes: Changes = {}


class PlanArguments(OneWorkflowArguments):
    stand_ins: StandIns = False


class ConvertArguments(ToolArguments):
    workflow: Workflow
    to: str = Field("api", description="api: what a server takes; ui: what the editor opens.")


class DiffArguments(ToolArguments):
    before: Workflow
    after: Workflow


class RunArguments(PlanArguments):
    seed: int | None = Field(None, description="What every seed is.")
    only: list[str] = Field([], description="Run these nodes and what they need, and no other output.")


class SaveArguments(ToolArguments):
    path: str = Field(description="Where: a path below the root that ends in .json.")
    workflow: dict[str, Any] = Field(description="The document.")
    overwrite: bool = False


class ViewArguments(ToolArguments):
    path: str = Field(description="A picture below the root.")


class NewArguments(ToolArguments):
    template: str = Field("txt2img", description="list_templates says which there are.")
    checkpoint: str = Field("", description="A model in checkpoints/; without one, the small one that comes with Weft.")


class NothingArguments(ToolArguments):
    pass


async def search_nodes(desk: Desk, asked: SearchArguments, tell: Tell) -> ToolAnswer:
    """Find node classes by words, or by the types that they take and give."""
    chosen = [f"--{name}={value}" for name in ("accepts", "gives") if (value := getattr(asked, name))]
    ended = await desk.weft(["nodes", "--json", *chosen, "--", *asked.query.split()])
    if ended.code:
        return _failed(ended.document)
    rows = [_summary(name, info) for name, info in list(ended.document.items())[: asked.limit]]
    more = len(ended.document) - len(rows)
    lines = [f"{row['class_type']}({', '.join(row['inputs'])}) -> {', '.join(row['outputs'])}" for row in rows]
    return ToolAnswer("\n".join(lines + ([f"and {more} more"] if more else [])), {"nodes": rows, "more": more})


def _summary(name: str, info: Mapping[str, Any]) -> dict[str, Any]:
    inputs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
    kinds = {each: "COMBO" if isinstance(spec[0], list) else spec[0] for each, spec in inputs.items()}
    return {
        "class_type": name,
        "title": info["display_name"],
        "category": info["category"],
        "description": info["description"],
        "inputs": [f"{each}: {kind}" for each, kind in kinds.items()],
        "outputs": list(info["output"]),
    }


async def describe_node(desk: Desk, asked: OneNodeArguments, tell: Tell) -> ToolAnswer:
    """All there is to know of a node class: inputs with types, defaults, ranges and choices (model files among
    them), outputs, what is linked to it, an example.
    """
    data = await desk.weft(["nodes", "--json", "--", asked.class_type])
    if data.code:
        return _failed(data.document)
    if len(data.document) != 1:
        names = ", ".join(list(data.document)[:_SEARCHED])
        return _failed({"error": "UsageError", "message": f"no class is called {asked.class_type!r}; near: {names}"})
    page = await desk.weft(["nodes", "--", asked.class_type])
    return ToolAnswer(page.out, {"object_info": data.document})


async def validate(desk: Desk, asked: OneWorkflowArguments, tell: Tell) -> ToolAnswer:
    """Everything that keeps a workflow from running, and what runs but does not do what it says. Runs nothing."""
    async with desk.given(asked.workflow, asked.changes) as given:
        return _checked(await desk.document(["validate", given.name, *given.changes], given))


async def lint(desk: Desk, asked: OneWorkflowArguments, tell: Tell) -> ToolAnswer:
    """What runs and yet gives another picture than was meant: gaps and overlaps between chained samplers, noise,
    prompts without effect. Each finding says what mends it.
    """
    async with desk.given(asked.workflow, asked.changes) as given:
        if given.changes:
            raise UsageError("lint looks at a workflow as it is", hint="put the changes into the document")
        ended = await desk.weft(["lint", "--json", *desk.places, "--", given.name])
        text = await desk.weft(["lint", *desk.places, "--", given.name])
        return ToolAnswer(
            given.plain(text.out) or given.plain(text.err), given.plain_data(ended.document), failed=ended.code > 1
        )


async def plan(desk: Desk, asked: PlanArguments, tell: Tell) -> ToolAnswer:
    """Which nodes a run would call, in which order and why. Runs nothing."""
    async with desk.given(asked.workflow, asked.changes) as given:
        return _checked(await desk.document(["plan", given.name, *given.changes, *_flags(asked)], given))


async def convert(desk: Desk, asked: ConvertArguments, tell: Tell) -> ToolAnswer:
    """A workflow in the other format, API or the editor's."""
    async with desk.given(asked.workflow) as given:
        ended = await desk.weft(["convert", f"--to={asked.to}", *desk.code, "--", given.name])
        if ended.code:
            return _failed({"error": "Failed", "message": given.plain(ended.err).strip()})
        notes = given.plain(ended.err).strip()
        return ToolAnswer(
            ended.out + (f"\n{notes}" if notes else ""), {"workflow": ended.document, "notes": notes.splitlines()}
        )


async def diff(desk: Desk, asked: DiffArguments, tell: Tell) -> ToolAnswer:
    """What differs between two workflows in meaning, not in ids or places."""
    async with desk.given(asked.before, name="before") as before, desk.given(asked.after, name="after") as after:
        names = ["--", before.name, after.name]
        data = await desk.weft(["diff", "--json", *names])
        text = await desk.weft(["diff", *names])
        shown = after.plain(before.plain(text.out or text.err))
        return ToolAnswer(shown or "the same", data.document, failed=data.code > 1)


async def render(desk: Desk, asked: OneWorkflowArguments, tell: Tell) -> ToolAnswer:
    """A drawing of the graph."""
    async with desk.given(asked.workflow) as given:
        file = given.folder / "drawing.png"
        ended = await desk.weft(["render", "-o", str(file), *desk.code, "--", given.name])
        if ended.code:
            return _failed({"error": "Failed", "message": given.plain(ended.err).strip()})
        return ToolAnswer("drawn", pictures=[desk.picture(file, SIDE * 2)])


async def run(desk: Desk, asked: RunArguments, tell: Tell) -> ToolAnswer:
    """Run a workflow: the pictures that it writes, reduced, and their files below the root.

    Takes seconds to minutes; reports progress; can be cancelled. stand_ins tries it without its models.
    """
    async with desk.given(asked.workflow, asked.changes) as given:
        extra = [*given.changes, *_flags(asked), *(f"--only={node}" for node in asked.only)]
        extra += [f"--seed={asked.seed}"] if asked.seed is not None else []
        warnings: list[str] = []

        async def heard(event: Mapping[str, Any]) -> None:
            if event["event"] == "NodeWarning":
                warnings.append(
                    f"node {event['node_id']}: {event['message']}" if event["node_id"] else event["message"]
                )
            await tell(event)

        command = ["run", "--events", "--quiet", *desk.run_options, *extra, "--", given.name]
        ended = await desk.weft(command, heard)
        found = given.plain_data(ended.document)
        if ended.code:
            return _failed({key: value for key, value in found.items() if key != "event"} | {"warnings": warnings})
        files = [*found["files"], *found["previews"]]
        shown = [desk.picture(Path(file), SIDE) for file in files if desk.is_picture(Path(file))][-MOST_PICTURES:]
        names = [desk.root.shown(file) for file in files]
        data = {"status": found["status"], "files": names, "seconds": found["seconds"], "warnings": warnings}
        return ToolAnswer("\n".join([*names, *(f"warning: {each}" for each in warnings)]), data, shown)


async def save_workflow(desk: Desk, asked: SaveArguments, tell: Tell) -> ToolAnswer:
    """Write a workflow to a .json file below the root."""
    from weft.engine.formats.sources import load
    from weft.engine.wholefiles import write_whole

    file = desk.root.path(asked.path)
    if file.suffix != ".json":
        raise UsageError(f"{asked.path!r} is no name of a workflow", hint="a name that ends in .json")
    if file.exists() and not asked.overwrite:
        raise UsageError(f"{asked.path} is there already", hint="overwrite: true writes over it")
    load(asked.workflow)  # raises UnreadableWorkflow for what is none
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, (json.dumps(asked.workflow, indent=2) + "\n").encode())
    return ToolAnswer(desk.root.shown(file), {"file": desk.root.shown(file)})


async def view(desk: Desk, asked: ViewArguments, tell: Tell) -> ToolAnswer:
    """Look at a picture below the root, reduced."""
    file = desk.root.path(asked.path)
    if not desk.is_picture(file):
        raise UnreadableWorkflow(f"{asked.path} is no picture below the root")
    return ToolAnswer(desk.root.shown(file), {"file": desk.root.shown(file)}, [desk.picture(file, SIDE)])


async def new_workflow(desk: Desk, asked: NewArguments, tell: Tell) -> ToolAnswer:
    """A workflow to begin with, in API format, as a document; nothing is written."""
    async with desk.given({}, name="new") as given:
        chosen = [f"--checkpoint={asked.checkpoint}"] if asked.checkpoint else []
        file = given.folder / "made.api.json"
        command = ["new", str(file), "--json", f"--template={asked.template}", "--format=api", *chosen, *desk.places]
        ended = await desk.weft(command)
        if ended.code:
            return _failed(given.plain_data(ended.document))
        document = json.loads(file.read_text())
        missing = [f"{each.get('input')}: {each.get('details')}" for each in ended.document["missing"]]
        return ToolAnswer(json.dumps(document, indent=2), {"workflow": document, "missing": missing})


async def list_templates(desk: Desk, asked: NothingArguments, tell: Tell) -> ToolAnswer:
    """The workflows to begin with."""
    found = (await desk.weft(["new", "--list", "--json"])).document["templates"]
    return ToolAnswer("\n".join(f"{name}: {title}" for name, title in found.items()), {"templates": found})


async def doctor(desk: Desk, asked: NothingArguments, tell: Tell) -> ToolAnswer:
    """Versions, folders, models by family, node packs, and what is wrong with them."""
    text = await desk.weft(["doctor", *desk.places, *desk.code])
    data = await desk.weft(["doctor", "--json", *desk.places, *desk.code])
    return ToolAnswer(text.out, data.document)


def _flags(asked: PlanArguments) -> list[str]:
    return ["--stand-ins"] if asked.stand_ins else []


def _checked(document: dict[str, Any]) -> ToolAnswer:
    """A document of a command that looks: an invalid workflow is an answer, which says what to mend."""
    lines = [f"{document['status']}: {document.get('message', '')}".rstrip(": ")]
    lines += [_issue("error", each) for each in document.get("issues", ())]
    lines += [_issue("warning", each) for each in document.get("notes", ())]
    lines += [f"{step['node_id']}: {step['title']}" for step in document.get("steps", ())]
    lines += [document["hint"]] if document.get("hint") else []
    return ToolAnswer("\n".join(lines), document, failed=document.get("error") not in (None, "InvalidWorkflow"))


def _issue(kind: str, issue: Mapping[str, Any]) -> str:
    where = " ".join(str(issue[key]) for key in ("node_id", "input") if issue.get(key))
    text = ": ".join(str(issue[key]) for key in ("message", "details") if issue.get(key))
    hint = f" ({issue['hint']})" if issue.get("hint") else ""
    return f"{kind} at {where or issue.get('pointer', '') or 'the workflow'}: {text}{hint}"


def _failed(document: Mapping[str, Any]) -> ToolAnswer:
    lines = [str(document.get("message", "it failed"))]
    lines += [_issue("error", each) for each in document.get("issues", ())]
    lines += [str(document["hint"])] if document.get("hint") else []
    return ToolAnswer("\n".join(lines), document, failed=True)


Act = Callable[[Desk, Any, Tell], Awaitable[ToolAnswer]]


class McpTool(NamedTuple):
    """A tool: what does it, called as the client calls it and described by its docstring; its arguments."""

    act: Act
    arguments: type[ToolArguments]
    writes: bool = False

    @property
    def name(self) -> str:
        """What the client calls it."""
        return str(getattr(self.act, "__name__", ""))

    @property
    def description(self) -> str:
        """What the client is told of it."""
        return inspect.getdoc(self.act) or ""


TOOLS = (
    McpTool(search_nodes, SearchArguments),
    McpTool(describe_node, OneNodeArguments),
    McpTool(list_templates, NothingArguments),
    McpTool(new_workflow, NewArguments),
    McpTool(validate, OneWorkflowArguments),
    McpTool(lint, OneWorkflowArguments),
    McpTool(plan, PlanArguments),
    McpTool(convert, ConvertArguments),
    McpTool(diff, DiffArguments),
    McpTool(render, OneWorkflowArguments),
    McpTool(run, RunArguments, writes=True),
    McpTool(save_workflow, SaveArguments, writes=True),
    McpTool(view, ViewArguments),
    McpTool(doctor, NothingArguments),
)
