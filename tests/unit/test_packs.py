"""What a pack of somebody else's brings, from its entry point to a run."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import pytest
import typer

import weft
from weft import cli
from weft.engine.errors import DefinitionError
from weft.engine.schema.packs import Pack, Packs, SelfTests
from weft.engine.settings import Flag, Setting, Settings
from weft.engine.terminal import options

CLI = Path(cli.__file__)
SOURCE = '''
from __future__ import annotations

from typing import Annotated, Literal

from weft.engine.schema.authoring import UI, node
from weft.engine.context import RunContext
from weft.engine.schema.frontend import Frontend, Handling, NodeKind, Virtual
from weft.engine.schema.packs import Pack, Pass, Version
from weft.engine.settings import Flag, Setting
from weft.engine.schema.sockets import Int


def lower(site):
    site.need("its doubling", grain="coarse")
    site.add("Twice", {"value": 4}, name="part")
    return []


@node(category="toy", output_node=True, passes={"doubled": lower})
def Twice(*, value: Annotated[int, Int(default=1)], context: RunContext) -> UI:
    """Double a number."""
    grain = context.settings.grain
    return UI(text=[f"{2 * value} {grain} {context.provenance['grain']} {context.provenance['toy_version']}"])


PACK = Pack(
    nodes={"Twice": Twice},
    settings=(
        Setting(
            "grain",
            Literal["fine", "coarse"],
            "fine",
            Flag("How fine it is.", metavar="SIZE", commands=("run", "plan")),
            numbers=True,
            words={"fine": "with fine grain", "coarse": "with coarse grain"},
            label="grain",
        ),
        Setting("doubled", bool, False, Flag("Double it.", commands=("run",))),
    ),
    passes=(Pass("doubled", idle="nothing was doubled"),),
    versions=(Version("toy_version", 3, "the toys"),),
    frontend=Frontend(
        virtual={"Toy Dot": Virtual(NodeKind.REROUTE), "Toy Note": Virtual(NodeKind.NOTE)},
        renamed={"Double": "Twice"},
        classes={"Twice": Handling((lambda layout, saved: [saved[0] // 10],))},
    ),
)
'''
PROMPT = {"1": {"class_type": "Twice", "inputs": {"value": 2}}}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pack installed in it."""
    folder = tmp_path / "site"
    info = folder / "weft_toy-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "weft_toy.py").write_text(SOURCE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weft-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[weft.packs]\ntoy = weft_toy:PACK\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "weft_toy", raising=False)
    return folder


def shown(**settings: object) -> str:
    text: str = weft.run(PROMPT, **settings).ui["1"]["text"][0]
    return text


def test_its_setting_is_an_argument_a_variable_and_a_key(
    toy: Path, sandbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown() == "4 fine fine 3"
    assert shown(grain="coarse") == "4 coarse coarse 3"
    (sandbox / "weft.toml").write_text('grain = "coarse"')
    assert shown() == "4 coarse coarse 3"
    monkeypatch.setenv("WEFT_GRAIN", "fine")
    assert shown() == "4 fine fine 3"
    monkeypatch.setenv("WEFT_GRAIN", "rough")
    with pytest.raises(weft.WeftError, match="WEFT_GRAIN in the environment: setting 'grain' is 'rough'"):
        shown()


def test_libraries_are_looked_into_once_while_none_comes_or_goes(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, read = [], metadata.entry_points
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: asked.append(group) or read(group=group))

    def there() -> bool:
        return "toy" in [pack.name for pack in Packs.installed()]

    info, gone = toy / "weft_toy-1.0.dist-info", toy / "gone"
    assert there() and there(), "the first time it is imported, which makes a folder of bytecode"
    before = len(asked)
    assert there()
    assert len(asked) == before
    info.rename(gone)
    assert not there()
    gone.rename(info)
    assert there()


def test_its_pass_runs_where_its_switch_is_on(toy: Path) -> None:
    result = weft.run(PROMPT, doubled=True)
    assert result.ui["1.part"]["text"] == ["8 coarse coarse 3"]
    assert [message for _, message in result.warnings] == [
        "the whole run is run with coarse grain, as its doubling asks for"
    ]


def test_its_setting_is_an_option(toy: Path, sandbox: Path) -> None:
    (sandbox / "w.json").write_text(json.dumps(PROMPT))

    ran = in_a_process(toy, "run", "w.json", "--grain", "coarse", "--json")
    assert json.loads(ran.stdout)["outputs"]["1"]["text"] == ["4 coarse coarse 3"]
    assert "How fine it is. Environment: WEFT_GRAIN." in in_a_process(toy, "run", "--help").stdout


def test_an_interruption_while_it_is_imported_is_answered(toy: Path) -> None:
    (toy / "weft_toy.py").write_text("raise KeyboardInterrupt")
    ended = in_a_process(toy, "nodes")
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def in_a_process(toy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(toy), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}
    command = [sys.executable, str(CLI), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_what_fails_at_the_options_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(command: str) -> Any:
        raise DefinitionError("no pack is whole")

    @options.taking_settings("run", before="ui")
    def command(ui: options.UiOption = False, *, settings: Any) -> None:
        """Never called."""

    monkeypatch.setattr(options, "flagged", fail)
    monkeypatch.setattr(cli, "app", typer.Typer())
    cli.app.command()(command)
    assert cli.main(["--json"]) == DefinitionError.exit_code
    out, err = capsys.readouterr()
    assert (json.loads(out)["message"], err) == ("no pack is whole", "error: no pack is whole\n")


def test_its_part_in_the_browser_is_known(toy: Path) -> None:
    nodes = [
        {"id": 1, "type": "Double", "inputs": [], "outputs": [], "widgets_values": [70]},
        {"id": 2, "type": "Toy Note", "inputs": [], "outputs": [], "widgets_values": ["about it"]},
        {"id": 3, "type": "Toy Dot", "inputs": [], "outputs": []},
    ]
    workflow = {"nodes": nodes, "links": [], "version": 0.4}
    assert weft.convert(workflow) == {"1": {"class_type": "Twice", "inputs": {"value": 7}, "_meta": {"title": "Twice"}}}


def test_a_measure_says_what_is_compared() -> None:
    packs = Packs((Pack(measures={"WAVE": lambda wave: {"peak": max(wave)}, "BAD": "no_such:thing"}, name="toy"),))
    assert packs.measure("WAVE", {3, 7}) == {"peak": 7}
    assert packs.measure("IMAGE", 5) == 5
    with pytest.raises(DefinitionError, match=r"node pack 'toy': its measure of WAVE: TypeError"):
        packs.measure("WAVE", None)
    with pytest.raises(DefinitionError, match=r"node pack 'toy': its measure of BAD: 'no_such:thing': ModuleNotFoundE"):
        packs.measure("BAD", None)


def test_assertion_nodes_of_all_packs_count() -> None:
    one, two = SelfTests(assertions=frozenset("a")), SelfTests(frozenset("d"), frozenset("b"), frozenset("b"))
    found = Packs((Pack(self_tests=one), Pack(), Pack(self_tests=two))).self_tests
    assert found == SelfTests(frozenset("d"), frozenset("ab"), frozenset("b"))
    assert Packs().self_tests == SelfTests()


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("nodes", ["Twice"], r"nodes: expected a Mapping, got \['Twice'\]"),
        ("settings", {"grain": "fine"}, "settings: expected a tuple of Setting, got {'grain': 'fine'}"),
        ("titles", {"Twice": 7}, "titles: expected a text for 'Twice', got 7"),
        ("versions", (3,), r"versions: expected a tuple of Version, got \(3,\)"),
        ("frontend", {}, "frontend: expected a Frontend, got {}"),
    ],
)
def test_a_part_that_is_none_is_named(part: str, value: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Pack(**{part: value})


@pytest.mark.parametrize("name", ["my-grain", "class", "1x", "", "_grain", 7])
def test_a_setting_has_a_name(name: Any) -> None:
    with pytest.raises(DefinitionError, match=re.escape(f"setting {name!r}: expected a name")):
        Setting(name, int, 3, Flag("h"))


@pytest.mark.parametrize("call", [weft.run, weft.Session, weft.validate])
def test_a_setting_is_called_as_no_other_argument(call: Any) -> None:
    others = [*Settings.model_fields, "settings"]
    names = [name for name in inspect.signature(call).parameters if name not in others]
    for name in [*names, "load", "source", "json", "settings"]:
        with pytest.raises(DefinitionError, match=f"setting '{name}': the name is taken"):
            Setting(name, str, "")


@pytest.mark.parametrize("kind", [object(), "NoSuch", type("Grain", (), {})])
def test_a_setting_has_a_type_that_can_be_read(kind: Any) -> None:
    with pytest.raises(DefinitionError, match="setting 'grain': its type"):
        Setting("grain", kind, "")


@pytest.mark.parametrize(("kind", "value"), [(list[str], ["a"]), (dict[str, int], {"a": 1})])
def test_a_setting_may_be_a_list_or_a_mapping(kind: Any, value: Any) -> None:
    setting = Setting("grains", kind, value, forgives={1: ("code",), "x": ()}, words={"x": "with x"})
    assert (setting.said(value), setting.said("x")) == (f"with grains {value}", "with x")
    assert (setting.forgiven(value), setting.forgiven(1)) == ((), ("code",))
    registry = weft.Registry({"Nothing": Nothing}, packs=Packs((Pack(settings=(setting,)),)))
    assert weft.run({"1": {"class_type": "Nothing", "inputs": {}}}, registry=registry, grains=value).warnings == ()


@weft.node(category="toy", output_node=True)
def Nothing() -> None:
    """Do nothing."""


def test_a_broken_pack_is_a_warning_of_the_command(
    toy: Path, sandbox: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (toy / "weft_toy.py").write_text("from weft.engine.schema.packs import Pack\nPACK = Pack(settings=7)\n")
    (sandbox / "w.json").write_text(json.dumps({"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}}))
    assert cli.main(["validate", "w.json"]) == 0
    said = "node pack 'toy' (weft_toy:PACK) cannot be loaded: DefinitionError: settings: expected a tuple of Setting"
    assert said in capsys.readouterr().err


def test_an_option_that_a_command_has_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    flag = Flag("Another one.")
    taken = [Setting(name, str, "", flag) for name in ("events", "ui", "twice", "free")]
    monkeypatch.setattr(options, "flagged", lambda command: taken)

    @options.taking_settings("run", before="ui")
    def command(ui: options.UiOption = False, as_events: options.EventsOption = False, *, settings: Any) -> None:
        given.append((ui, as_events, settings))

    given: list[Any] = []
    parameters = list(inspect.signature(command).parameters)
    assert [name for name in parameters if name not in options.CODE] == ["twice", "free", "ui", "as_events"]
    assert parameters.index("custom_nodes") < parameters.index("ui")
    command(ui=True, as_events=False, twice=None, free="yes")
    assert given == [(True, False, {"free": "yes"})]


def test_the_document_s_examples_are_packs() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "packs.md").read_text()
    made: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.+?)```", text, re.DOTALL):
        exec(block, made)
    assert isinstance(made["PACK"], Pack)
    assert Settings.load({"grain": "coarse"}, [made["GRAIN"]]).grain == "coarse"
    fields_of_packs = text.partition("## A pack of Weft's own form")[2]
    parts = set(re.findall(r"^\| `(\w+)` \|", fields_of_packs, re.MULTILINE))
    assert parts == {part.name for part in fields(Pack)} - {"name"}


def test_another_code_of_a_pack_is_not_served_what_the_last_one_computed(toy: Path, sandbox: Path) -> None:
    """Its author may have forgotten to raise a version."""
    cache = weft.DiskCache(sandbox / "cache")
    for source, said in ((SOURCE, "4"), (SOURCE.replace("2 * value", "50 * value"), "100"), (SOURCE, "4")):
        (toy / "weft_toy.py").write_text(source)
        sys.modules.pop("weft_toy", None)
        assert shown(cache=cache).split()[0] == said
    assert weft.run(PROMPT, cache=cache).cached == ("1",)


def test_settings_of_one_name_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Pack(settings=(Setting("grain", str, default),)) for default in "ab")
    third = Pack(settings=(Setting("device", Literal["cpu"], "cpu"),))
    found = [("one", first), ("two", second), ("three", third)]
    monkeypatch.setattr("weft.engine.schema.packs._entries", lambda: [_Entry(*each) for each in found])
    packs = Packs.installed()
    assert {name: setting.default for name, setting in packs.settings.items()} == {"grain": "a"}
    assert packs.broken == (
        "node pack 'two': there is a setting 'grain' already; it is left out",
        "node pack 'three': there is a setting 'device' already; it is left out",
    )
    assert Settings.load({}, packs.settings.values()).grain == "a"


class _Entry:
    def __init__(self, name: str, pack: Pack) -> None:
        self.name = self.value = name
        self._pack = pack

    def load(self) -> Pack:
        return self._pack
