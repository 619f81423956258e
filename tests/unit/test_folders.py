from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine import folders as folders_module
from weft.engine.errors import MissingFile, OutsideFolder, UnusableName
from weft.engine.folders import LONGEST_NAME, Folders
from weft.engine.settings import own_temp

from .files import everything_in, mode_of, touch, write

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What these tests find is what they made, not Weft's own models."""
    monkeypatch.setattr(folders_module, "SHIPPED", tmp_path / "none")


OUTSIDE = [
    "../secret.png",
    "a/../../secret.png",
    "a/..",
    "..",
    "/etc/passwd",
    "//server/share/x",
    "C:/windows/x",
    "C:x",
    "C:\\windows\\x",
    "\\windows\\x",
    "\\\\server\\share\\x",
    "..\\secret.png",
    "a\\..\\..\\secret.png",
    "a/..\\b",
    "nul\0byte",
    "",
    "  ",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["input", "checkpoints", "loras"])
def test_names_that_leave_their_folder(name: str, kind: str, folders: Folders) -> None:
    touch(folders.models[0].parent / "secret.png")
    with pytest.raises(OutsideFolder) as caught:
        folders.find(kind, name)
    assert caught.value.exit_code == 3
    assert repr(name) in caught.value.message
    assert folders.embedding(name) is None


@pytest.mark.parametrize("name", [name for name in OUTSIDE if name] + ["../a [output]", "x/../../y"])
@pytest.mark.parametrize("kind", ["output", "temp"])
def test_prefixes_that_leave_their_folder(name: str, kind: str, folders: Folders) -> None:
    with pytest.raises(OutsideFolder):
        folders.numbered(name, kind)
    assert not folders.output.exists()


def test_values_cannot_lead_outside(folders: Folders) -> None:
    with pytest.raises(OutsideFolder):
        folders.numbered("%width%/x", values={"width": "../.."})
    with pytest.raises(OutsideFolder):
        folders.numbered("%date:../..%/x")


NAMES = st.text(alphabet=st.sampled_from("ab./\\:C~ \0%"), max_size=10) | st.text(max_size=10)


@given(NAMES)
def test_no_name_leads_outside(name: str) -> None:
    here = Folders(models=[Path("m")], input=Path("i"), output=Path("o"), temp=Path("t"))
    for kind, root in (("input", here.input), ("loras", here.models[0] / "loras")):
        try:
            found = here.find(kind, name)
        except (OutsideFolder, MissingFile):
            continue
        assert found.resolve().is_relative_to(root.resolve())
    try:
        series = here.numbered(name)
    except UnusableName:
        return
    assert Path(os.path.normpath(series.folder)).is_relative_to(here.output)
    assert "/" not in series.stem


def test_folders_are_absolute(sandbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Folders(models=[Path("m")], input=Path("i"), output=Path("o"), temp=Path("t"))
    monkeypatch.chdir("/")
    assert (here.models, here.input, here.output) == ((sandbox / "m",), sandbox / "i", sandbox / "o")


def test_find_in_order_and_in_subfolders(folders: Folders, tmp_path: Path) -> None:
    second = tmp_path / "second"
    both = Folders(models=[*folders.models, second], input=folders.input, output=folders.output, temp=folders.temp)
    only = touch(second / "loras" / "sub" / "only.safetensors")
    touch(second / "loras" / "both.safetensors")
    first = touch(folders.models[0] / "loras" / "both.safetensors")
    assert both.find("loras", "both.safetensors") == first
    for name in ("sub/only.safetensors", "sub\\only.safetensors", "./sub//only.safetensors"):
        assert both.find("loras", name) == only


def test_a_name_with_a_real_backslash(folders: Folders) -> None:
    odd = touch(folders.models[0] / "loras" / "a\\b.safetensors")
    assert folders.find("loras", "a\\b.safetensors") == odd


def test_links_inside_a_model_folder_may_lead_anywhere(folders: Folders, tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "big.safetensors")
    (folders.models[0] / "loras").symlink_to(tmp_path / "elsewhere")
    (folders.models[0] / "checkpoints" / "one.ckpt").symlink_to(tmp_path / "elsewhere" / "big.safetensors")
    assert folders.find("loras", "big.safetensors").is_file()
    assert folders.find("checkpoints", "one.ckpt").is_file()
    assert folders.files("loras") == ("big.safetensors",)


@pytest.mark.parametrize(
    ("kind", "name", "place"),
    [
        ("text_encoders", "t.safetensors", "clip/t.safetensors"),
        ("clip", "t.safetensors", "text_encoders/t.safetensors"),
        ("unet", "u.safetensors", "diffusion_models/u.safetensors"),
        ("diffusion_models", "u.safetensors", "unet/u.safetensors"),
        ("controlnet", "c.pth", "t2i_adapter/c.pth"),
        ("brand_new_kind", "x.bin", "brand_new_kind/x.bin"),
    ],
)
def test_kinds_that_were_renamed(kind: str, name: str, place: str, folders: Folders) -> None:
    path = touch(folders.models[0] / place)
    assert folders.find(kind, name) == path
    assert folders.files(kind) == (name,)


@pytest.mark.parametrize("kind", ["input", "output", "temp"])
def test_annotated_names(kind: str, folders: Folders) -> None:
    path = touch(getattr(folders, kind) / "sub" / "a.png")
    assert folders.find("input", f"sub/a.png [{kind}]") == path
    with pytest.raises(OutsideFolder):
        folders.find("input", f"../{kind}/sub/a.png [{kind}]")


def test_an_odd_name_that_looks_annotated_and_is_not(folders: Folders) -> None:
    path = touch(folders.input / "a [models].png")
    assert folders.find("input", "a [models].png") == path
    with pytest.raises(MissingFile):
        folders.find("loras", "a.safetensors [input]")


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("checkpoints", "sd51.ckpt", "checkpoint 'sd51.ckpt' is not there"),
        ("loras", "x" * 5000, "LoRA 'xxx"),
        ("vae", "\ud800", "VAE "),
        ("input", "photo.png", "input file 'photo.png' is not there"),
        ("input", "photo.png [temp]", "input file 'photo.png [temp]' is not there"),
    ],
)
def test_missing_files(kind: str, name: str, message: str, folders: Folders) -> None:
    touch(folders.models[0] / "checkpoints" / "sd15.ckpt")
    with pytest.raises(MissingFile) as caught:
        folders.find(kind, name)
    assert caught.value.exit_code == 4
    assert caught.value.message.startswith(message)
    assert "looked in " in caught.value.hint
    assert ("did you mean 'sd15.ckpt'?" in caught.value.hint) is (kind == "checkpoints")


def test_a_folder_is_no_file(folders: Folders) -> None:
    (folders.input / "sub").mkdir()
    with pytest.raises(MissingFile):
        folders.find("input", "sub")


def test_lists_of_files(folders: Folders) -> None:
    loras = folders.models[0] / "loras"
    for name in ("b.safetensors", "A.SFT", "sub/c.pt", ".hidden/d.pt", "notes.txt", "e.latent"):
        touch(loras / name)
    assert folders.files("loras") == ("A.SFT", "b.safetensors", "sub/c.pt")
    assert folders.files("loras", (".latent",)) == ("e.latent",)
    assert folders.files("absent") == ()
    for name in ("p.PNG", "q.jpg", "sub/r.png", "s.txt"):
        touch(folders.input / name)
    assert folders.files("input") == ("p.PNG", "q.jpg")


def test_links_that_lead_back_end(folders: Folders) -> None:
    loras = folders.models[0] / "loras"
    touch(loras / "one" / "x.pt")
    touch(loras / "two" / "y.pt")
    (loras / "self").symlink_to(loras)
    (loras / "one" / "up").symlink_to(loras)
    (loras / "one" / "two").symlink_to(loras / "two")
    (loras / "two" / "one").symlink_to(loras / "one")
    assert folders.files("loras") == ("one/two/y.pt", "one/x.pt", "two/one/x.pt", "two/y.pt")


@pytest.mark.parametrize("suffix", ["", ".safetensors", ".pt", ".bin"])
def test_embeddings(suffix: str, folders: Folders) -> None:
    path = touch(folders.models[0] / "embeddings" / "sub" / f"style{suffix}")
    assert folders.embedding("sub/style") == path
    assert folders.embedding(f"sub/style{suffix}") == path
    assert folders.embedding("sub\\style") == folders.embedding("style") == folders.embedding(f"style{suffix}") == path
    assert folders.embedding("ub/style") is None
    assert folders.embedding("other") is None
    assert folders.embedding("x" * 5000) is None


def test_prefixes(folders: Folders) -> None:
    assert write(folders, "") == Path("ComfyUI_00001_.png")
    assert write(folders, "sub/") == Path("sub_00001_.png")
    assert write(folders, "./a//b") == Path("a/b_00001_.png")
    assert write(folders, "a.b c") == Path("a.b c_00001_.png")
    assert write(folders, "t", kind="temp") == Path("t_00001_.png")
    assert write(folders, "one\\two/three\\x") == Path("one/two/three/x_00001_.png")
    assert write(folders, "%date:yyyy%:x") == Path(f"{datetime.now():%Y}:x_00001_.png")


@pytest.mark.parametrize("prefix", ["a:b", "C:", "C:x", "c:b?c*", "%one%:x"])
def test_a_colon_after_one_letter_is_called_what_it_is(prefix: str, folders: Folders) -> None:
    with pytest.raises(OutsideFolder, match=":' reads as a Windows drive") as caught:
        folders.numbered(prefix, values={"one": "z"})
    assert "colon" in caught.value.hint
    assert "leaves its folder" not in caught.value.message


@pytest.mark.parametrize("odd", ["\x1b]0;x\x07", "a\nb", "a\tb", "\x7f", "\x9b2J", "\ud800", "\udc80"])
def test_a_prefix_with_control_characters_is_refused(odd: str, folders: Folders) -> None:
    for refuse in (folders.numbered, folders.check_prefix):
        with pytest.raises(UnusableName, match="has the control character") as caught:
            refuse(f"x{odd}")
        assert str(caught.value).isprintable()
    with pytest.raises(UnusableName):
        folders.numbered("%text%", values={"text": odd})


@pytest.mark.parametrize("prefix", ["x" * (LONGEST_NAME + 1), "é" * 116, "a" * 240 + "/b", "/".join(["d" * 200] * 21)])
def test_a_prefix_that_no_file_system_takes_is_refused(prefix: str, folders: Folders) -> None:
    for refuse in (folders.numbered, folders.check_prefix):
        with pytest.raises(UnusableName, match="too long"):
            refuse(prefix)


def test_a_prefix_that_the_locale_has_no_characters_for(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsencode", lambda name: str(name).encode("ascii"))
    assert folders.check_prefix("日本/x") == folders.output / "日本"
    with pytest.raises(UnusableName, match="has no form in ascii"):
        folders.numbered("日本/x")


def test_the_longest_prefix_can_be_written(folders: Folders) -> None:
    series = folders.numbered("x" * LONGEST_NAME)
    with series.create(".safetensors") as (stream, path):
        stream.write(b"x")
    assert path.is_file()


class Clock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Clock:
        return cls(2024, 3, 7, 5, 9, 8)


@pytest.mark.parametrize(
    ("prefix", "expanded"),
    [
        ("%date:yyyy-MM-dd%", "2024-03-07"),
        ("%date:yy.M.d_hh-mm-ss%", "24.3.7_05-09-08"),
        ("%date:h-m-s%", "5-9-8"),
        ("%date%", "20240307050908"),
        ("%date:yyyy/MM/%x", "2024/03/x"),
        ("%year%%month%%day%-%hour%%minute%%second%", "20240307-050908"),
        ("%width%x%height%", "64x32"),
        ("100%_%width%", "100%_64"),
        ("%KSampler.seed%", "%KSampler.seed%"),
        ("%", "%"),
        ("%%", "%%"),
    ],
)
def test_tokens(prefix: str, expanded: str, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders_module, "datetime", Clock)
    series = folders.numbered(prefix, values={"width": 64, "height": 32})
    assert "/".join(filter(None, (series.subfolder, series.stem))) == expanded


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for everybody's temporary files."""
    if not hasattr(os, "getuid"):
        pytest.skip("temporary files are the user's own here")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def previewing(tmp_path: Path, temp: Path | None = None, **more: Any) -> Folders:
    return Folders(models=[], input=tmp_path, output=tmp_path / "output", temp=temp or own_temp(), **more)


def test_the_folder_for_previews_is_closed_to_others(temporary: Path, tmp_path: Path) -> None:
    assert not own_temp().exists()
    folders = previewing(tmp_path)
    assert write(folders, "p", kind="temp") == Path("p_00001_.png")
    assert (own_temp().parent, mode_of(own_temp())) == (temporary, 0o700)
    own_temp().chmod(0o755)
    assert write(previewing(tmp_path), "p", kind="temp") == Path("p_00002_.png")
    assert mode_of(own_temp()) == 0o700


@pytest.mark.parametrize("how", ["a link", "another owner", "a file"])
def test_previews_do_not_follow_somebody_else(
    how: str, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "a link":
        (temporary / "spy").mkdir()
        own_temp().symlink_to(temporary / "spy")
    elif how == "a file":
        own_temp().touch()
    else:
        own_temp().mkdir()
        somebody = os.getuid() + 1
        monkeypatch.setattr(os, "getuid", lambda: somebody)
        own_temp().mkdir()  # by us, who are not that user
    told: list[str] = []
    folders = previewing(tmp_path, warn=told.append)
    write(folders, "p", kind="temp")
    write(folders, "p", kind="temp")
    assert folders.temp.parent == temporary
    assert folders.temp.name.startswith(f"{own_temp().name}-")
    assert mode_of(folders.temp) == 0o700
    assert sorted(path.name for path in folders.temp.iterdir()) == ["p_00001_.png", "p_00002_.png"]
    (message,) = told
    assert str(own_temp()) in message
    assert everything_in(temporary / "spy") == []


def test_a_folder_for_previews_that_was_asked_for_is_the_user_s_affair(temporary: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(0o755)
    (tmp_path / "link").symlink_to("real")
    folders = previewing(tmp_path, tmp_path / "link")
    write(folders, "p", kind="temp")
    assert (everything_in(tmp_path / "real"), mode_of(tmp_path / "real")) == (["p_00001_.png"], 0o755)


def test_what_is_a_preview(tmp_path: Path) -> None:
    here = {name: tmp_path / name for name in ("out", "tmp", "tmp/out")}
    for temp, output, file, preview in (
        ("tmp", "out", "tmp/x", True),
        ("tmp", "out", "out/x", False),
        ("tmp", "tmp/out", "tmp/out/x", False),
        ("tmp", "tmp/out", "tmp/x", True),
        ("tmp/out", "tmp", "tmp/out/x", True),
        ("tmp", "tmp", "tmp/x", False),
    ):
        folders = Folders(models=[], input=tmp_path, output=here[output], temp=here[temp])
        assert folders.is_preview(tmp_path / file) is preview, (temp, output, file)


def test_shipped_models_are_found_behind_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders_module, "SHIPPED", tmp_path / "shipped")
    mine = touch(tmp_path / "mine/loras/a.safetensors")
    touch(tmp_path / "shipped/loras/a.safetensors")
    theirs = touch(tmp_path / "shipped/loras/b.safetensors")
    here = Folders(models=[tmp_path / "mine"], input=tmp_path, output=tmp_path, temp=tmp_path)
    assert here.find("loras", "a.safetensors") == mine
    assert here.find("loras", "b.safetensors") == theirs
    assert here.files("loras") == ("a.safetensors", "b.safetensors")
    assert here.folders("checkpoints") == [tmp_path / "mine/checkpoints"]


def test_a_model_in_the_folder_of_another_kind_is_pointed_at(folders: Folders) -> None:
    (folders.models[0] / "vae" / "sd").mkdir(parents=True)
    (folders.models[0] / "vae" / "sd" / "kl.safetensors").touch()
    with pytest.raises(MissingFile) as caught:
        folders.find("checkpoints", "kl.safetensors")
    assert caught.value.hint.endswith(f"; a file of that name is in {folders.models[0] / 'vae'}")
    with pytest.raises(MissingFile) as caught:
        folders.find("checkpoints", "other.safetensors")
    assert "of that name" not in caught.value.hint


def test_of_embeddings_of_one_name_the_one_nearest_to_the_top(folders: Folders) -> None:
    root = folders.models[0] / "embeddings"
    deep, late, early = (touch(root / place / "style.pt") for place in ("a/b/c", "z", "y"))
    assert folders.embedding("style") == early
    assert folders.embedding("c/style") == deep
    assert folders.embedding("z/style") == late
    assert folders.embedding("style") != touch(root / "style.safetensors") == folders.embedding("style")


@pytest.mark.parametrize("name", ["Stlye", "colours/stlye", "colours\\style2", "style.safetensor"])
def test_a_missing_embedding_names_what_is_near(name: str, folders: Folders) -> None:
    touch(folders.models[0] / "embeddings" / "colours" / "style.safetensors")
    touch(folders.models[0] / "embeddings" / "colours" / "style.md")
    error = folders.missing_embedding(name)
    assert error.message == f"embedding {name!r} is not there"
    assert str(folders.models[0] / "embeddings") in error.hint
    assert error.hint.endswith("; did you mean 'colours/style.safetensors'?")


def test_a_file_given_for_a_run_may_lie_anywhere(folders: Folders, sandbox: Path) -> None:
    (sandbox / "photos").mkdir()
    photo = sandbox / "photos" / "a.png"
    photo.touch()
    for name in (str(photo), "photos/a.png", "./photos/a.png", f"../{sandbox.name}/photos/a.png"):
        assert folders.given("input", name) == str(photo)
    assert folders.find("input", str(photo)) == photo
    (folders.input / "photos").mkdir()
    (folders.input / "photos" / "a.png").touch()
    assert folders.given("input", "photos/a.png") == "photos/a.png", "the input folder comes first"
    assert folders.given("input", "./photos/a.png") == str(photo)
    assert folders.given("input", "nowhere.png") == "nowhere.png"
    absent = folders.given("input", str(sandbox / "absent.png"))
    with pytest.raises(MissingFile, match=r"absent.png' is not there"):
        folders.find("input", absent)
    with pytest.raises(OutsideFolder):
        folders.find("input", str(sandbox / "photos" / "b.png"))
