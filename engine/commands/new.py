"""`weft new`: a workflow to begin with, from the templates of the installed packs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.errors import InvalidWorkflow, UsageError, did_you_mean
from weft.engine.schema.packs import Packs
from weft.engine.templating import Chosen, Template
from weft.engine.terminal import completing
from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import InputOption, JsonOption, ModelsOption

if TYPE_CHECKING:
    from weft.engine.errors import Issue
    from weft.engine.schema.registry import Registry
    from weft.engine.session import Session

EPILOG = (
    "Examples:\n\nweft new portrait\n\nweft new portrait --template prompt-switch --checkpoint sd15.safetensors\n\n"
    "weft new portrait --template img2img --format api\n\nweft new --list\n\nweft new clip --template wan-pair"
)
_SUFFIXES = {"ui": ".json", "api": ".api.json"}


app = one_command()


@app.command(epilog=EPILOG)
def new(
    context: typer.Context,
    name: Annotated[
        Path | None, typer.Argument(metavar="[NAME]", help="The file; .json (.api.json) is put behind a name without.")
    ] = None,
    template: Annotated[
        str,
        typer.Option(
            "--template",
            "-t",
            metavar="TEMPLATE",
            autocompletion=completing.templates,
            help="What it begins with; --list says which there are.",
        ),
    ] = "txt2img",
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A model in checkpoints/.", show_default="the small one that comes with Weft"
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            autocompletion=completing.of(completing.FORMATS),
            help="ui: what the editor opens; api: what a server takes.",
        ),
    ] = "ui",
    models: ModelsOption = None,
    input: InputOption = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the templates instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a workflow to begin with, and say the command that runs it.

    Files that it needs are the first that are there; what is not there is said, and --stand-ins runs it all the same.
    """
    with answering(context.obj, as_json=as_json) as answer:
        templates = Packs.installed().templates
        if listed:
            if as_json:
                answer.document({"templates": {each: found.title for each, found in templates.items()}})
            for each, found in templates.items() if not as_json else ():
                answer.out.line((f"{each:{max(map(len, templates))}}", "bold"), f"  {found.title}")
            return
        if name is None:
            raise UsageError("what should it be called?", hint="weft new NAME")
        if template not in templates:
            hint = did_you_mean(template, templates) or f"there are {', '.join(templates)}"
            raise UsageError(f"no template is called {template!r}", hint=hint)
        if to not in _SUFFIXES:
            raise UsageError(f"unknown format {to!r}: expected ui or api", hint=did_you_mean(to, _SUFFIXES))
        from weft.engine.session import Session

        session = Session(models=models or None, input=input, warn=answer.notice)
        document, missing = _made(session, templates[template], checkpoint, to)
        file = name if name.suffix == ".json" else name.with_name(name.name + _SUFFIXES[to])
        _write(file, document, session.registry, force=force)
        for issue in missing:
            answer.warn(str(issue))
        command = f"weft run {shlex.quote(str(file))}{' --stand-ins' if missing else ''}"
        if as_json:
            found_missing = [issue.to_json() for issue in missing]
            answer.document({"status": "done", "file": str(file), "missing": found_missing, "next": command})
        else:
            answer.out.line(str(file))
            answer.err.line("next: ", (command, "bold"))


def _made(session: Session, template: Template, checkpoint: str | None, to: str) -> tuple[dict[str, Any], list[Issue]]:
    """The document of a new workflow, and the files that it lacks. Raises MissingFile for a checkpoint without."""
    if checkpoint is not None:
        session.folders.find("checkpoints", checkpoint)
    prompt = session.read(template.make(Chosen(session.folders, checkpoint)))
    issues = session.issues(prompt)
    if not all(issue.missing_file for issue in issues):
        raise InvalidWorkflow(issues)
    return session.convert(prompt, to)[0], issues


def _write(file: Path, document: dict[str, Any], registry: Registry, *, force: bool) -> None:
    """Write it as `weft fmt` would. Raises UsageError."""
    from weft.engine.formats.canonical import formatted
    from weft.engine.wholefiles import write_whole

    if file.exists() and not force:
        raise UsageError(f"{file} is there already", hint="--force writes over it")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, formatted(json.dumps(document), file.name, registry).encode())
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
