from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from weft.engine.errors import UsageError
from weft.engine.settings import Settings, check_models
from weft.nodes.core.settings import SETTINGS
from weft.nodes.diffusion.weights.bytesize import read_bytes


def test_defaults() -> None:
    settings = Settings.load({}, SETTINGS)
    assert settings.models == (Path("models"),)
    assert (settings.input, settings.output) == (Path("input"), Path("output"))
    assert (settings.device, settings.dtype, settings.sampling) == ("auto", "auto", "comfy")
    assert settings.temp.is_absolute()


def test_previews_of_two_users_do_not_meet() -> None:
    assert settings_owner() in Settings().temp.name


def settings_owner() -> str:
    return str(os.getuid()) if "getuid" in dir(os) else "weft"


@pytest.mark.parametrize(
    ("file", "environment", "given", "dtype"),
    [
        (None, None, None, "auto"),
        ("float16", None, None, "float16"),
        ("float16", "bfloat16", None, "bfloat16"),
        ("float16", "bfloat16", "float32", "float32"),
        ("float16", None, "float32", "float32"),
        (None, "", None, "auto"),
    ],
)
def test_flag_beats_environment_beats_file_beats_default(
    file: str | None,
    environment: str | None,
    given: str | None,
    dtype: str,
    sandbox: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if file is not None:
        (sandbox / "weft.toml").write_text(f'dtype = "{file}"')
    if environment is not None:
        monkeypatch.setenv("WEFT_DTYPE", environment)
    assert Settings.load({"dtype": given}).dtype == dtype


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ('models = "m"', ["{folder}/m"]),
        ('models = ["m", "/abs"]', ["{folder}/m", "/abs"]),
        ('models = "~/m"', ["{home}/m"]),
        ('models = ["~/m"]', ["{home}/m"]),
    ],
)
def test_paths_in_a_file_are_relative_to_it(
    text: str, models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "weft.toml").write_text(text)
    expected = tuple(Path(path.format(folder=folder, home="/home/somebody")) for path in models)
    assert Settings.load({}, folder=folder).models == expected


def test_several_model_folders_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_MODELS", os.pathsep.join(["a", "b"]))
    assert Settings.load({}).models == (Path("a"), Path("b"))
    assert Settings.load({"models": "c"}).models == (Path("c"),)


def test_folders_of_the_cache(sandbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Settings.load({}).cache is None
    (sandbox / "weft.toml").write_text('cache = ["~/.cache/weft", "team"]')
    assert Settings.load({}).cache == (Path("/home/somebody/.cache/weft"), sandbox / "team")
    (sandbox / "weft.toml").write_text('cache = "c"')
    assert Settings.load({}).cache == (sandbox / "c",)
    (sandbox / "weft.toml").write_text("cache = []")
    assert Settings.load({}).cache == ()
    monkeypatch.setenv("WEFT_CACHE", os.pathsep.join(["~/a", "/b", ""]))
    assert Settings.load({}).cache == (Path("/home/somebody/a"), Path("/b"))


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("", {"dtyp": "x"}, "the arguments: unknown setting 'dtyp' (did you mean 'dtype'?)"),
        ("", {"dtype": "float8"}, "the arguments: setting 'dtype' is 'float8': Input should be"),
        ("", {"sampling": "continuos"}, "the arguments: setting 'sampling'"),
        ('outptu = "x"', {}, "weft.toml: unknown setting 'outptu' (did you mean 'output'?)"),
        ("dtype = 5", {}, "weft.toml: setting 'dtype' is 5: Input should be"),
        ("models = [1]", {}, "weft.toml: setting 'models' is (1,)"),
        ("models = 1", {}, "weft.toml: setting 'models' is 1"),
        ("output = [", {}, "weft.toml: "),
        ("output = " + "[" * 5000, {}, "weft.toml: it is nested more than 100 levels deep"),
        ("output = " + "[" * 101 + "]" * 101, {}, "weft.toml: it is nested more than 100 levels deep"),
        ("output" + " . a" * 200_000 + " = 1", {}, "weft.toml: it is nested more than 100 levels deep"),
        ("[" + "'a'." * 200 + "b]", {}, "weft.toml: it is nested more than 100 levels deep"),
        ("output = " + "9" * 5000, {}, "weft.toml: Exceeds the limit"),
        ("output = 2024-99-99", {}, "weft.toml: "),
        ('output = "a\\u0000b"', {}, "weft.toml: setting 'output' is 'a\\x00b': expected the path of a folder"),
        ('models = ["a", "~\\u0000b"]', {}, "weft.toml: setting 'models' is "),
        ("#" * (1 << 20) + "\n", {}, "weft.toml is larger than 1,048,576 bytes"),
        ("[section]\nx = 1", {}, "unknown setting 'section'"),
    ],
)
def test_errors_name_their_source(text: str, given: dict[str, Any], message: str, sandbox: Path) -> None:
    (sandbox / "weft.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        Settings.load(given, SETTINGS)
    assert message in str(caught.value)


def test_errors_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_DTYPE", "int4")
    with pytest.raises(UsageError, match="WEFT_DTYPE in the environment: setting 'dtype' is 'int4'"):
        Settings.load({})


def test_each_setting_knows_where_it_comes_from(sandbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sandbox / "weft.toml").write_text('device = "cpu"\ndtype = "float16"\nmodels = "here"\n')
    monkeypatch.setenv("WEFT_DTYPE", "float32")
    settings = Settings.load({"input": "a", "output": "b"}, SETTINGS, sources={"output": "a table"})
    found = {name: settings.source(name) for name in ("device", "dtype", "input", "output", "sampling")}
    assert found == {
        "device": "weft.toml",
        "dtype": "WEFT_DTYPE in the environment",
        "input": "the arguments",
        "output": "a table",
        "sampling": "the default",
    }
    assert settings.model_copy(update={"sampling": "continuous"}).source("device") == "weft.toml"
    with pytest.raises(UsageError, match=r"the models folder .*here does not exist \(it is named by weft.toml\)"):
        check_models(settings)


def test_a_file_that_is_no_text(sandbox: Path) -> None:
    (sandbox / "weft.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="weft.toml"):
        Settings.load({})


def test_the_home_folder_in_what_python_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings.load({"custom_nodes": ["~/x", "y"], "output": "~/out", "models": Path("~")})
    assert settings.custom_nodes == (tmp_path / "x", Path("y"))
    assert (settings.output, settings.models) == (tmp_path / "out", (tmp_path,))


@pytest.mark.parametrize(("said", "size"), [("8G", 8 << 30), ("7.5 GiB", 15 << 29), ("512m", 512 << 20), (1024, 1024)])
def test_sizes_of_memory(said, size):
    assert read_bytes(said) == size


@pytest.mark.parametrize("said", ["8", "", "0G", "many", "-8G", True, 0, None])
def test_what_is_no_size_of_memory(said):
    with pytest.raises(ValueError, match="expected a size such as 8G or 512M"):
        read_bytes(said)


def test_a_size_is_a_setting(tmp_path):
    (tmp_path / "weft.toml").write_text('vram = "8G"')
    assert Settings.load({}, SETTINGS, folder=tmp_path).vram == 8 << 30
    with pytest.raises(UsageError, match="setting 'vram' is '8': expected a size such as 8G or 512M, got '8'"):
        Settings.load({"vram": "8"}, SETTINGS, folder=tmp_path)
