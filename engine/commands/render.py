"""`weft render`: a workflow drawn, as SVG, PNG, a page or Mermaid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.errors import UsageError, did_you_mean
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.caches import folders_of, opened
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import (
    BypassOption,
    CacheOption,
    JsonOption,
    MuteOption,
    NoCacheOption,
    ObjectInfoOption,
    OnlyOption,
    QuietOption,
    SeedOption,
    SetOption,
    TargetOption,
    UiOption,
    WorkflowArgument,
    taking_settings,
)
from weft.engine.wholefiles import write_whole

if TYPE_CHECKING:
    pass

EPILOG = (
    "A workflow of the editor keeps its places, sizes, colours and groups; subgraphs are boxes, with what is inside "
    "drawn below. An API export is laid out. Classes that are not here are drawn by what the save says of them.\n\n"
    "Examples:\n\n"
    "weft render portrait.json -o portrait.svg\n\n"
    "weft render portrait.json -o portrait.html --light\n\n"
    "weft render portrait.json --format md >> README.md\n\n"
    "weft render portrait.json -o portrait.png --run --models ~/models --set 3.seed=7"
)
FORMATS = ("svg", "png", "html", "md")
STDOUT = "-"

FileOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        metavar="FILE",
        dir_okay=False,
        help="The drawing; its ending says the format. - is stdout, with --format.",
        show_default="stdout, where --format is given",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="svg, png, html (a page to move about in) or md (Mermaid)."),
]
LightOption = Annotated[bool, typer.Option("--light", help="Draw on a light ground.")]
AutoOption = Annotated[
    bool, typer.Option("--auto", help="Draw dark or light, as the reader's system prefers (svg and html).")
]
ScaleOption = Annotated[
    float | None,
    typer.Option(
        "--scale",
        min=0.01,
        max=20.0,
        metavar="N",
        help="Of a png: pixels for each unit of the editor's.",
        show_default="1, less for a very large workflow",
    ),
]
PromptOption = Annotated[
    bool,
    typer.Option(
        "--prompt",
        help="Draw what is sent to the server, laid out anew: subgraphs are opened, and what does not run is gone.",
    ),
]
RunOption = Annotated[
    bool,
    typer.Option("--run", help="Run the workflow, as weft run would, and draw the pictures of nodes that show some."),
]
AllPicturesOption = Annotated[
    bool, typer.Option("--all-pictures", help="With --run: also the images and masks that other nodes put out.")
]


app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("run", "models", "input", "output", "device", "dtype", before="targets", switches_before="ui")
def render(
    context: typer.Context,
    workflow: WorkflowArgument,
    file: FileOption = None,
    to: FormatOption = None,
    scale: ScaleOption = None,
    light: LightOption = False,
    auto: AutoOption = False,
    as_prompt: PromptOption = False,
    run: RunOption = False,
    all_pictures: AllPicturesOption = False,
    changes: SetOption = None,
    seed: SeedOption = None,
    targets: TargetOption = None,
    only: OnlyOption = None,
    bypass: BypassOption = None,
    mute: MuteOption = None,
    ui: UiOption = False,
    object_info: ObjectInfoOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Draw a workflow: as SVG or PNG, as a page to move about in, or as a Mermaid flowchart for Markdown.

    Nothing is run, unless --run is given. Links have the colours of their types in ComfyUI's editor.
    """
    with answering(context.obj, as_json=as_json, quiet=quiet) as answer:
        from weft.engine.arguments import targets_of
        from weft.engine.drawing.formats import drawn
        from weft.engine.drawing.mermaid import beyond
        from weft.engine.drawing.sources import as_saved, scene_of
        from weft.engine.formats.sources import load
        from weft.engine.session import Session

        to = _format(file, to, as_json)
        if scale is not None and to != "png":
            raise UsageError(f"--scale is about png, and this is {to}")
        if auto and (light or to == "png"):
            other = "--light" if light else "a png, which is one or the other"
            raise UsageError(f"--auto leaves it to the reader; it does not go with {other}")
        if all_pictures and not run:
            raise UsageError("--all-pictures needs --run")
        session = Session(
            object_info=object_info,
            **settings,
            warn=answer.notice,
        )
        part: dict[str, Any] = {"only": only or (), "bypass": bypass or (), "mute": mute or ()}
        if any([changes, seed, run, as_prompt, *part.values()]):
            prompt = session.read(workflow, changes, ui=ui, seed=seed, keep_unknown=not run, **part)
            subject = prompt if as_prompt or only else as_saved(prompt, session.registry)
        else:
            subject = load(workflow, ui=ui)
        pictures, marks, failure = {}, {}, None
        if run:
            from weft.engine.terminal.rendering import PicturedRun

            folders = folders_of(session.settings, cache, no_cache=no_cache)
            given = session.settings, session.packs
            with opened(folders, *given, several=False, warn=answer.notice) as session.cache:
                shown = PicturedRun.by_running(session, answer, prompt, targets_of(targets, only), all_pictures)
            pictures, marks, failure = shown.pictures, shown.marks, shown.failure
        title = "" if workflow == STDOUT else Path(workflow).name
        scene, notes = scene_of(subject, session.registry, title=title, pictures=pictures)
        for note in notes:
            answer.warn(str(note))
        theme = "auto" if auto else "light" if light else "dark"
        content = drawn(scene, to, theme=theme, marks=marks, scale=scale)
        if to == "md" and (why := beyond(content.decode(), scene)):
            answer.warn(why)
        _write(answer, file, content)
        if failure is not None:
            raise failure
        if as_json:
            counts = {"nodes": len(list(scene.all_nodes())), "links": len(list(scene.all_links()))}
            found = [note.to_json() for note in notes]
            answer.document({"status": "done", "file": str(file), "format": to, **counts, "notes": found})
        else:
            answer.list_files()


def _format(file: Path | None, said: str | None, as_json: bool) -> str:
    """The format of the drawing; raises UsageError for one that there is not."""
    on_stdout = file is None or str(file) == STDOUT
    if said is None and on_stdout:
        raise UsageError("where to, and in which format?", hint=f"-o FILE, or --format {', '.join(FORMATS)} for stdout")
    if on_stdout and as_json:
        raise UsageError("--json writes a document to stdout: the drawing goes into a file", hint="-o FILE")
    ending = "" if file is None else file.suffix.lower().removeprefix(".")
    found = said or {"htm": "html", "markdown": "md"}.get(ending, ending)
    if found not in FORMATS:
        what = f"--format {said}" if said is not None else f"{file} ends in no format"
        expected = f"expected {', '.join(FORMATS)}"
        raise UsageError(f"{what}: {expected}", hint=did_you_mean(found, FORMATS) or "--format says it")
    return found


def _write(answer: Answer, file: Path | None, content: bytes) -> None:
    if file is None or str(file) == STDOUT:
        answer.out.write_bytes(content)
        answer.listed = len(answer.files)  # what was drawn is all that stdout has
        return
    try:
        write_whole(file, content)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    answer.files.append(file)
