"""The command line of `weft test`: its commands, with what is heavy imported inside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.errors import UsageError
from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import Defaulting
from weft.engine.terminal.options import (
    CODE,
    DeviceOption,
    DtypeOption,
    InputOption,
    JsonOption,
    ModelsOption,
    SetOption,
    TargetOption,
    taking_settings,
)

if TYPE_CHECKING:
    from weft.engine.testing.settings import Options

app = typer.Typer(
    cls=Defaulting,
    help="Test workflows: record what they give, see which node differs first, accept or fix.\n\n"
    "weft test PATH... is weft test check PATH... (see weft test check --help).",
    epilog="Exit codes: 0 everything passed, 1 something did not, 2 usage, 5 there was nothing to test.\n\n"
    "The table tool.weft.test of pyproject.toml names models, input and tolerances: see docs/testing.md.\n\n"
    "Example: weft test workflows --html report.html",
    no_args_is_help=False,
    rich_markup_mode=None,
)
ToleranceOption = Annotated[
    str | None,
    typer.Option(
        "--class",
        metavar="NAME",
        help="exact, close, device or perceptual: how far values may be apart.",
        show_default="by how far the two environments are apart",
    ),
]
PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATH]...",
        help="Folders, *.golden.json, *.test.toml, workflows that have one of them or hold assertion nodes.",
        show_default="the current folder",
    ),
]


@app.command(
    epilog="Examples:\n\nweft test workflows\n\nweft test portrait.json --html report.html --junit report.xml\n\n"
    "weft test --twice portrait.json\n\nweft test workflows --against recorded-on-the-other-machine",
)
@taking_settings("test", before="tolerance")
def check(
    context: typer.Context,
    paths: PathsArgument = None,
    models: ModelsOption = None,
    input: InputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    tolerance: ToleranceOption = None,
    twice: Annotated[
        bool, typer.Option("--twice", help="Run each workflow in two processes and name the nodes that differ.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER", exists=True, help="Run nothing: compare with the goldens of the same names in OTHER."
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write JUnit XML.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write one page with pictures and differences.")
    ] = None,
    as_json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what was measured of every node.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing of what passes.")] = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Run workflows and compare them, node by node, with their goldens; check assertions. The default command."""
    with answering(context.obj, as_json=as_json, quiet=quiet) as answer:
        if twice and against is not None:
            raise UsageError("--twice and --against exclude each other")
        from weft.engine.testing import commands

        options = _options(models, input, device, dtype, settings, tolerance)
        reports = commands.Reports(junit, html, verbose)
        if twice:
            commands.twice(answer, paths or [], options, reports)
        elif against is not None:
            commands.against(answer, paths or [], against, options, reports)
        else:
            commands.check(answer, paths or [], options, reports)


@app.command(
    epilog="Examples:\n\nweft test record portrait.json\n\n"
    "weft test record workflows/*.json --output /tmp/recorded    # for weft test --against",
)
@taking_settings("test", before="targets")
def record(
    context: typer.Context,
    workflows: Annotated[list[Path], typer.Argument(metavar="WORKFLOW...", help="Workflow files.")],
    changes: SetOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    targets: TargetOption = None,
    tensors: Annotated[
        str, typer.Option(metavar="WHICH", help="small, all, none, or up to so many KiB: which tensors a golden keeps.")
    ] = "small",
    output: Annotated[Path | None, typer.Option(metavar="DIR", file_okay=False, help="Write the goldens here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace goldens that are there.")] = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Run workflows and write what they gave beside them: NAME.golden.json, small tensors, pictures."""
    with answering(context.obj) as answer:
        from weft.engine.testing import commands

        commands.record(
            answer,
            workflows,
            _options(models, input, device, dtype, settings),
            overrides=changes or (),
            targets=targets or (),
            keep=tensors,
            force=force,
            folder=output,
        )


@app.command(
    epilog="Examples:\n\nweft test accept workflows --html review.html    # look first\n\n"
    "weft test accept workflows --only portrait --only landscape",
)
@taking_settings("test", before="tolerance")
def accept(
    context: typer.Context,
    paths: PathsArgument = None,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Accept this one; may be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Accept all that differ; refused where CI=true.")] = False,
    html: Annotated[
        Path, typer.Option(metavar="FILE", dir_okay=False, help="Where the page with before and after is written.")
    ] = Path("weft-accept.html"),
    models: ModelsOption = None,
    input: InputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    tolerance: ToleranceOption = None,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Look at what changed on a page, then update the goldens that are named: --only, --all, or asked at a terminal."""
    with answering(context.obj) as answer:
        from weft.engine.testing import commands

        options = _options(models, input, device, dtype, settings, tolerance)
        commands.accept(answer, paths or [], options, html, only=only or (), everything=everything)


def _options(
    models: list[Path] | None,
    input: Path | None,
    device: str | None,
    dtype: str | None,
    settings: Mapping[str, Any],
    tolerance: str | None = None,
) -> Options:
    """What the command line says of how workflows are run: goldens record the settings of packs, and not whose code."""
    from weft.engine.testing.settings import Options

    code = {name: value for name, value in settings.items() if name in CODE}
    rest = {name: value for name, value in settings.items() if name not in CODE}
    return Options(tuple(models) if models else None, input, device, dtype, rest, tolerance, code=code)
