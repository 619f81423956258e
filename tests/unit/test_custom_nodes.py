"""Custom node packs: how they are found, imported and contained, and what the commands say of them."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import weft
from weft import cli
from weft.engine.custom_nodes import joining
from weft.engine.custom_nodes.containment import _of_its_own as of_its_own
from weft.engine.custom_nodes.records import CustomPack
from weft.engine.custom_nodes.refusals import _process as refused
from weft.engine.custom_nodes.refusals import wanted
from weft.engine.errors import UsageError
from weft.engine.session import Session
from weft.nodes import compat

NODE = """
class {name}:
    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"text": ("STRING", {{"default": "x"}})}}}}
    RETURN_TYPES = ("STRING",)
    FUNCTION = "go"
    OUTPUT_NODE = True
    CATEGORY = "mine"
    def go(self, text):
        return {{"ui": {{"text": [text + "{mark}"]}}, "result": (text + "{mark}",)}}
NODE_CLASS_MAPPINGS = {{"{name}": {name}}}
"""


def node(name: str, mark: str = "!") -> str:
    return NODE.format(name=name, mark=mark)


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[CustomPack]]]:
    """Writes files below a custom_nodes folder and loads it; what is warned of is in its `said`."""
    monkeypatch.setattr(joining, "_IMPORTED", {})
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)

    def load(files: dict[str, str] | None = None, **settings: Any) -> list[CustomPack]:
        for name, text in (files or {}).items():
            file = tmp_path / "custom_nodes" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        load.said = []  # type: ignore[attr-defined]
        settings = {"custom_nodes": tmp_path / "custom_nodes", **settings}
        load.session = Session(**settings, warn=load.said.append)  # type: ignore[attr-defined]
        return load.session.custom_nodes  # type: ignore[attr-defined,no-any-return]

    yield load
    compat.uninstall()
    sys.path[:] = before
    for name in [name for name in sys.modules if name.startswith(str(tmp_path).replace(".", "_x_"))]:
        del sys.modules[name]


def runs(class_type: str, **settings: Any) -> str:
    session = Session(**settings, warn=lambda message: None)
    prompt = session.read({"1": {"class_type": class_type, "inputs": {"text": "hi"}}})
    return str(session.execute(session.plan(prompt)).outputs["1"][0])


def test_a_folder_is_loaded_as_comfyui_loads_it(packs: Any, tmp_path: Path) -> None:
    found = packs(
        {
            "my-pack.v1/__init__.py": """
                from .sub.nodes import NODE_CLASS_MAPPINGS
                NODE_DISPLAY_NAME_MAPPINGS = {"One": "The first", "Other": "not there"}
                WEB_DIRECTORY = "./js"
                print("banner")
                """,
            "my-pack.v1/sub/nodes.py": node("One"),
            "my-pack.v1/js/a.js": "",
            "my-pack.v1/prestartup_script.py": "import os\nos.environ['WEFT_TEST_PRESTARTUP'] = '1'",
            "single.py": "import os\nassert os.environ.pop('WEFT_TEST_PRESTARTUP')\n" + node("Two"),
            "old.disabled/__init__.py": "raise SystemExit",
            ".hidden/__init__.py": "raise SystemExit",
            "__pycache__/x.py": "raise SystemExit",
            "notes.txt": "",
        }
    )
    assert [(pack.name, list(pack.nodes), pack.error) for pack in found] == [
        ("my-pack.v1", ["One"], ""),
        ("single", ["Two"], ""),
    ]
    one = found[0]
    place = str(tmp_path / "custom_nodes" / "my-pack.v1").replace(".", "_x_")
    assert one.module == place and f"{place}.sub.nodes" in sys.modules
    assert one.web == tmp_path / "custom_nodes" / "my-pack.v1" / "js"
    assert one.said == "banner\n" and packs.said == []
    schema = packs.session.registry["One"]
    assert (schema.display_name, schema.python_module) == ("The first", "custom_nodes.my-pack.v1")
    assert runs("One", custom_nodes=tmp_path / "custom_nodes") == "hi!"


def test_a_pack_alone_and_extra_paths_are_places_too(packs: Any, tmp_path: Path) -> None:
    files = {"a/__init__.py": node("A"), "b.py": node("B")}
    packs(files, custom_nodes=[])
    place = tmp_path / "custom_nodes"
    (tmp_path / "extra.yaml").write_text("mine:\n  custom_nodes: custom_nodes\n")
    for given, names in ((place / "a", ["a"]), (place / "b.py", ["b"]), (tmp_path / "extra.yaml", ["a", "b"])):
        assert [pack.name for pack in packs(custom_nodes=given)] == names
    with pytest.raises(UsageError, match="did you mean .*custom_nodes"):
        packs(custom_nodes=tmp_path)
    with pytest.raises(UsageError, match="does not exist .*named by the arguments"):
        packs(custom_nodes=tmp_path / "nowhere")


def test_without_the_setting_no_pack_is_loaded(packs: Any) -> None:
    assert packs({"a.py": "raise SystemExit"}, custom_nodes=()) == [] and packs.said == []


def test_v3_packs_say_their_nodes_by_an_entry_point(packs: Any) -> None:
    text = """
        from comfy_api.latest import ComfyExtension, io

        class Loud(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema(
                    node_id="Loud", display_name="Loud text", category="mine", is_output_node=True,
                    inputs=[io.String.Input("text")], outputs=[io.String.Output()],
                )

            @classmethod
            def execute(cls, text):
                return io.NodeOutput(text.upper())

        class Broken(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                raise ValueError("no")

        class Extension(ComfyExtension):
            async def get_node_list(self):
                return [Loud, Broken]

        async def comfy_entrypoint():
            return Extension()
        """
    (pack,) = packs({"v3.py": text})
    assert (pack.error, list(pack.nodes), dict(pack.titles)) == ("", ["Loud"], {"Loud": "Loud text"})
    assert pack.notes == ["has a class Broken that cannot be used: ValueError: no"]
    assert runs("Loud", custom_nodes=pack.path) == "HI"


BAD = {
    "exits": ("import sys\nsys.exit(3)", "exits.py, line 2: it called sys.exit"),
    "leaves": ("import os\nos._exit(3)", "leaves.py, line 2: refused at import: tried to end the process by os._exit"),
    "kills": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "tried to send itself signal 9"),
    "installs": (
        "import subprocess, sys\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', '-q', 'python_bidi'])",
        "tried to install python_bidi; do it yourself: pip install python_bidi",
    ),
    "starts": ("import os\nos.system('git clone somewhere')", "tried to start a process: git clone somewhere"),
    "opens": ("import urllib.request as u\nu.urlopen('http://example.com/x')", "tried to open http://example.com/x"),
    "connects": ("import socket\nsocket.create_connection(('example.com', 80))", "open a connection to example.com"),
    "fails": ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
    "asks": ("input('name? ')", "EOFError"),
    "says": ("this is no Python", "says.py, line 1: SyntaxError"),
    "has": ("x = 1", "it has neither NODE_CLASS_MAPPINGS nor comfy_entrypoint"),
    "maps": ("NODE_CLASS_MAPPINGS = 7", "NODE_CLASS_MAPPINGS: expected a mapping, got 7"),
}


def test_a_pack_that_fails_is_one_line_and_stops_nobody(packs: Any) -> None:
    found = {pack.name: pack for pack in packs({**{f"{name}.py": text for name, (text, _) in BAD.items()},
                                                "zz.py": node("Good")})}  # fmt: skip
    for name, (_, said) in BAD.items():
        assert said in found[name].error and "\n" not in found[name].error
        assert any(line.startswith(f"pack {name!r} did not load: ") and said in line for line in packs.said)
    assert not found["zz"].error and len(packs.said) == len(BAD)
    assert any("no_such_library" in line for line in packs.session.registry.broken)


def test_an_attempt_that_the_pack_expects_to_fail_lets_it_go_on(packs: Any) -> None:
    text = """
        import subprocess, sys
        try:
            subprocess.run([sys.executable, "-m", "pip", "install", "a", "b"], check=True)
        except Exception as error:
            print("no", type(error).__name__)
        """
    (pack,) = packs({"tries.py": textwrap.dedent(text) + node("Tries")})
    assert list(pack.nodes) == ["Tries"] and pack.said == "no Refused\n"
    assert packs.said == ["pack 'tries' tried to install a b; do it yourself: pip install a b"]


def test_processes_are_allowed_where_packs_are_trusted(packs: Any) -> None:
    text = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''], check=True)\n"
    (pack,) = packs({"a.py": text + node("A")}, trust_custom_nodes=True)
    assert not pack.error and packs.said == []


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_pack_that_blocks_is_stopped(elsewhere: bool, packs: Any) -> None:
    text = """
        import time
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                pass
        """
    found: list[CustomPack] = []
    files = {"a.py": text, "b.py": node("B")}

    def load() -> None:
        found.extend(packs(files, import_seconds=0.1))

    if elsewhere:
        thread = threading.Thread(target=load)
        thread.start()
        thread.join()
    else:
        load()
    assert "it did not come to an end within 0.1 s (import_seconds)" in found[0].error
    assert [pack.error for pack in found[1:]] == [""]


def test_what_a_pack_changes_in_the_process_is_put_back(packs: Any, tmp_path: Path) -> None:
    import logging
    import warnings

    def state() -> tuple[Any, ...]:
        root = logging.getLogger()
        return (
            json.loads, os.getcwd(), signal.getsignal(signal.SIGINT), sys.argv[:], sys.excepthook, sys.stdout,
            root.handlers[:], root.level, warnings.filters[:], threading.Thread.start, os._exit,
        )  # fmt: skip

    before = state()
    (pack,) = packs(
        {
            "a.py": """
            import json, logging, os, signal, sys, threading, time, warnings
            json.loads = lambda text: {}
            os.chdir("/")
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sys.argv.append("x")
            sys.excepthook = sys.stdout = print
            sys.path.insert(0, "/first")
            logging.basicConfig(level=logging.DEBUG)
            warnings.simplefilter("ignore")
            thread = threading.Thread(target=time.sleep, args=(0.01,))
            thread.start()
            NODE_CLASS_MAPPINGS = {}
            """
        }
    )
    assert state() == before and sys.path[-1] == "/first"
    assert pack.error == "" and pack.notes == ["replaced json.loads, which was put back"]
    assert sys.modules[pack.module].thread.daemon


def test_a_library_that_a_pack_is_the_first_to_import_is_watched_from_then_on(
    packs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch is, in most runs."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "toylib.py").write_text("def load(): return 'real'\nclass Base:\n    def go(self): return 1\n"
                                                "class Kind(Base): pass\n")  # fmt: skip
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.setattr(compat, "WATCHED", ("toylib", "toylib.Kind"))
    text = "import toylib\ntoylib.load = None\ntoylib.Kind.go = None\nNODE_CLASS_MAPPINGS = {}"
    packs({"a.py": text})
    toylib = sys.modules.pop("toylib")
    assert toylib.load() == "real" and toylib.Kind().go() == 1
    assert packs.said == [
        "pack 'a' replaced toylib.load, which was put back",
        "pack 'a' replaced toylib.Kind.go, which was put back",
    ]


def test_classes_of_weft_and_of_packs_before_stand(packs: Any, tmp_path: Path) -> None:
    files = {"a.py": node("Same", "a"), "b.py": node("Same", "b"), "c.py": node("KSampler")}
    packs(files)
    assert packs.said == ["pack 'b': the classes of pack 'a' stand for 'Same'"]
    assert [list(pack.hidden) for pack in packs.session.custom_nodes] == [[], ["Same"], ["KSampler"]]
    assert packs.session.registry["KSampler"].python_module == "nodes"
    place = tmp_path / "custom_nodes"
    assert runs("Same", custom_nodes=place) == "hia"
    assert runs("Same", custom_nodes=place, nodes=place / "b.py") == "hib"


def test_a_class_without_a_name_is_left_out(packs: Any) -> None:
    packs({"a.py": node("Same", "a") + "\nNODE_CLASS_MAPPINGS.update({5: Same, '': Same})"})
    assert packs.said == [
        "pack 'a' has a class called 5, which is left out: expected a text",
        "pack 'a' has a class called '', which is left out: expected a text",
    ]
    assert "Same" in packs.session.registry


def test_a_file_of_one_s_own_needs_no_mapping(packs: Any, tmp_path: Path) -> None:
    text = """
        from typing import Annotated
        import weft
        from weft.engine.schema.sockets import String

        Text = Annotated[str, String()]

        @weft.node(category="mine")
        def Shout(*, text: Text) -> Text:
            return text.upper()
        """
    packs({"own.py": text, "classes.py": node("Own").rpartition("NODE_CLASS")[0]}, custom_nodes=())
    places = [tmp_path / "custom_nodes" / name for name in ("own.py", "classes.py")]
    packs(custom_nodes=(), nodes=places)
    assert packs.said == [] and packs.session.registry["Shout"].python_module == "custom_nodes.own"
    prompt = {"1": {"class_type": "Own", "inputs": {"text": "hi"}}}
    assert weft.run(prompt, nodes=places).outputs["1"] == ("hi!",)
    (tmp_path / "empty.py").write_text("")
    (pack,) = packs(custom_nodes=(), nodes=tmp_path / "empty.py")
    assert pack.error.startswith("it has no @node function")


def test_another_code_has_another_key(packs: Any, tmp_path: Path) -> None:
    cache = weft.DiskCache(tmp_path / "cache")
    place = tmp_path / "custom_nodes"
    for mark in ("1", "2", "1"):
        packs({"a/__init__.py": "from .nodes import *", "a/nodes.py": node("A", mark)}, custom_nodes=())
        assert runs("A", custom_nodes=place, cache=cache) == f"hi{mark}"


def test_a_pack_may_set_values_of_each_prompt_that_is_sent(packs: Any, tmp_path: Path) -> None:
    text = """
        from server import PromptServer

        def populate(data):
            for name, node in data["prompt"].items():
                if node["class_type"] == "A" and node["inputs"]["text"] == "{cat|dog}":
                    node["inputs"]["text"] = "dog" + data["extra_data"]["extra_pnginfo"].get("x", "")
                if node["inputs"]["text"] == "raises":
                    raise ValueError("no")
                if node["inputs"]["text"] == "more":
                    data["prompt"] = {**data["prompt"], "2": node}
            return data

        PromptServer.instance.add_on_prompt_handler(populate)
        """
    packs({"a.py": textwrap.dedent(text) + node("A")}, custom_nodes=())
    with compat_server():
        session = Session(custom_nodes=tmp_path / "custom_nodes", warn=print)
        for given, gives, said in (
            ("{cat|dog}", "dog!", "text is set by a pack: 'dog'"),
            ("bird", "bird!", ""),
            ("raises", "raises!", "a pack's handler of prompts failed: "),
            ("more", "more!", "a pack's handler of prompts changes its nodes or links, which is not carried out"),
        ):
            prompt = session.read({"1": {"class_type": "A", "inputs": {"text": given}}})
            plan = session.plan(prompt)
            assert session.execute(plan).outputs["1"] == (gives,)
            assert [note.message.startswith(said) for note in plan.lowered.source.notes] == [True] * bool(said)


@contextmanager
def compat_server() -> Iterator[None]:
    """Puts back what a pack tells the server."""
    from weft.nodes.compat.modules.server import PromptServer

    before = list(PromptServer.instance.on_prompt_handlers)
    yield
    PromptServer.instance.on_prompt_handlers[:] = before


def test_weft_toml_names_folders_beside_it(packs: Any, tmp_path: Path) -> None:
    packs({"a.py": node("A")}, custom_nodes=())
    (tmp_path / "weft.toml").write_text('custom_nodes = ["custom_nodes"]\n')
    assert runs("A") == "hi!"


def test_sessions_in_turn_have_their_own_folders(packs: Any, tmp_path: Path) -> None:
    text = """
        import folder_paths
        class Where:
            @classmethod
            def INPUT_TYPES(cls):
                return {"required": {"text": ([folder_paths.models_dir],)}}
            RETURN_TYPES = ("STRING",)
            FUNCTION = "go"
            OUTPUT_NODE = True
            def go(self, text):
                return (folder_paths.models_dir,)
        NODE_CLASS_MAPPINGS = {"Where": Where}
        """
    packs({"a.py": text}, custom_nodes=())
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    sessions = [Session(custom_nodes=tmp_path / "custom_nodes", models=folder) for folder in folders]
    for session, folder in zip(sessions, folders, strict=True):
        prompt = session.read({"1": {"class_type": "Where", "inputs": {"text": str(folder)}}})
        assert session.execute(session.plan(prompt)).outputs["1"] == (str(folder),)


def test_every_function_takes_packs(packs: Any, tmp_path: Path) -> None:
    packs({"a.py": node("A")}, custom_nodes=())
    prompt, place = {"1": {"class_type": "A", "inputs": {"text": "hi"}}}, tmp_path / "custom_nodes"
    assert weft.validate(prompt, custom_nodes=place) == []
    assert weft.run(weft.convert(prompt, custom_nodes=place), nodes=place / "a.py").outputs["1"] == ("hi!",)
    assert weft.validate(prompt)[0].code == "missing_node_type"


def test_the_command_lists_packs(packs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    packs({"a.py": node("A"), "b.py": "import sys\nsys.exit()"}, custom_nodes=())
    assert cli.main(["nodes", "--custom-nodes", "custom_nodes", "--packs", "--json"]) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)["packs"]
    assert [(pack["pack"], pack["status"], pack["classes"]) for pack in found] == [
        ("a", "loaded", ["A"]), ("b", "failed", []),
    ]  # fmt: skip
    assert found[1]["error"] == "b.py, line 2: it called sys.exit" and err == ""
    assert cli.main(["nodes", "--custom-nodes", "custom_nodes", "--packs"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("a  loaded  1 class, ") and lines[-1] == "1 loaded, 1 failed, 1 class"
    assert cli.main(["nodes", "A", "--custom-nodes", "custom_nodes"]) == 0
    assert cli.main(["nodes", "--nodes", "custom_nodes/a.py", "--packs"]) == 0


@pytest.mark.parametrize(
    ("command", "packages"),
    [
        (["/usr/bin/python3", "-m", "pip", "install", "--quiet", "a", "b>=1"], "a b>=1"),
        (["pip3", "install", "x"], "x"),
        (["uv", "pip", "install", "y"], "y"),
        (["apt", "install", "z"], ""),
        (["git", "status"], ""),
    ],
)
def test_what_a_command_would_install_is_read_from_it(command: list[str], packages: str) -> None:
    assert wanted(command) == packages


def test_a_program_may_be_asked_what_it_is_and_pip_what_is_there(packs: Any) -> None:
    text = """
        import subprocess, sys
        print(subprocess.check_output([sys.executable, "--version"], text=True).split()[0])
        """
    (pack,) = packs({"asks.py": textwrap.dedent(text) + node("Asks")})
    assert (pack.said, packs.said) == ("Python\n", [])


@pytest.mark.parametrize(
    ("command", "harmless"),
    [
        (["ffmpeg", "-version"], True),
        ("git version", True),
        (["/usr/bin/python3", "-s", "-m", "pip", "freeze", "--all"], True),
        (["/usr/bin/pip", "list"], True),
        (["ffmpeg", "-version", "-i", "x"], False),
        (["rm", "pip", "freeze"], False),
        (["/usr/bin/python3", "-m", "pip", "uninstall", "x"], False),
        (["git"], False),
    ],
)
def test_questions_are_told_from_what_does_something(command: str | list[str], harmless: bool) -> None:
    assert (refused(command) == "") is harmless


def test_what_a_library_puts_in_the_place_of_its_own_stays() -> None:
    def of_a_pack() -> None: ...

    assert of_its_own("json.decoder", json.dumps) and of_its_own("json", json.JSONDecoder.decode)
    assert not of_its_own("json", of_a_pack) and not of_its_own("os", os.getcwd)
