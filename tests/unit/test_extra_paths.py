from __future__ import annotations

from pathlib import Path

import pytest

from weft.engine import folders as folders_module
from weft.engine.errors import UsageError
from weft.engine.folders import Folders


@pytest.fixture(autouse=True)
def nothing_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What these tests find is what they made, not Weft's own models."""
    monkeypatch.setattr(folders_module, "SHIPPED", tmp_path / "none")


EXTRA = """
comfyui:
    base_path: {base}
    is_default: true
    checkpoints: models/checkpoints/
    clip: |
        models/text
        models/clip/
    unet: models/unet
    # a comment
    loras:
empty:
beside:
    loras: more/loras
    vae: {base}/vae
"""


@pytest.mark.parametrize("beside", [False, True])
def test_extra_model_paths(beside: bool, tmp_path: Path) -> None:
    root = tmp_path / "deep" / "models"
    root.mkdir(parents=True)
    file = (root.parent if beside else root) / "extra_model_paths.yaml"
    base = tmp_path / "comfy"
    file.write_text(EXTRA.format(base=base))
    here = Folders(models=[root], input=root, output=root, temp=root)
    assert here.folders("checkpoints") == [base / "models/checkpoints", root / "checkpoints"]
    assert here.folders("text_encoders") == [
        base / "models/text",
        base / "models/clip",
        root / "text_encoders",
        root / "clip",
    ]
    assert here.folders("diffusion_models")[0] == base / "models/unet"
    assert here.folders("loras") == [root / "loras", file.parent / "more/loras"]
    assert here.folders("vae") == [root / "vae", base / "vae"]
    assert here.folders("input") == [root]


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("a: {base_path: ~/x, loras: l}", "/home/somebody/x/l"),
        ("a: {base_path: $BASE/x, loras: l}", "/based/x/l"),
        ("a: {base_path: rel, loras: ../l}", "{here}/l"),
        ("a: {loras: ~/l}", "/home/somebody/l"),
        ("a: {base_path: rel, loras: /abs/l}", "/abs/l"),
    ],
)
def test_extra_paths_are_expanded(text: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("BASE", "/based")
    (tmp_path / "extra_model_paths.yaml").write_text(text)
    here = Folders(models=[tmp_path], input=tmp_path, output=tmp_path, temp=tmp_path)
    assert here.folders("loras")[-1] == Path(folder.format(here=tmp_path))


def bomb(whole: str, part: str) -> bytes:
    """Ten levels of which each names the one before ten times."""
    lines = ["a0: &a0 {loras: x}"]
    for level in range(1, 11):
        lines.append(f"a{level}: &a{level} " + whole % ", ".join([part % f"a{level - 1}"] * 10))
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "is no YAML"),
        (b"\xff\xfe", "is no text in UTF-8"),
        (b"[1, 2]", "expected named sections, got a list"),
        (b"a: text", "section 'a' should map kinds to folders, got text"),
        (b"a: {loras: [x, y]}", "a.loras should be a path, or paths a line each, got a list"),
        (b"a: {loras: 2024-01-01}", "a.loras should be a path, or paths a line each, got date"),
        (b"a: {base_path: [x]}", "a.base_path should be a path, got a list"),
        (b'a: {loras: "x\\0y"}', "a.loras should be a path, got 'x\\x00y'"),
        (b'a: {base_path: "~\\0y"}', "a.base_path should be a path"),
        (b'a: {loras: "\\ud800"}', "a.loras should be a path"),
        (b"a: {loras: 2024-99-99}", "is no YAML that can be read: ValueError: month must be in 1..12"),
        (b"a: {loras: !!int zz}", "is no YAML that can be read"),
        (b"a: {loras: !!int ''}", "is no YAML that can be read"),
        (b"a: {loras: !!bool zz}", "is no YAML that can be read"),
        (b"a: {loras: !!timestamp zz}", "is no YAML that can be read"),
        (b"a: {loras: " + b"9" * 5000 + b"}", "is no YAML that can be read"),
        (b"a: " + b"[" * 5000, "is nested too deeply"),
        (b"a: &a {loras: *a}", "its aliases multiply"),
        (bomb("[%s]", "*%s"), "its aliases multiply"),
        (bomb("{<<: [%s]}", "*%s"), "its aliases multiply"),
        (b"#" * (1 << 16) + b"\n", "is larger than 65,536 bytes"),
        (b"a: !!python/object/apply:os.system [ls]", "is no YAML"),
    ],
)
def test_extra_paths_that_cannot_be_read(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "extra_model_paths.yaml").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        Folders(models=[tmp_path], input=tmp_path, output=tmp_path, temp=tmp_path)
    assert message in caught.value.message
    assert str(tmp_path / "extra_model_paths.yaml") in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < len(str(tmp_path)) + 400


def test_aliases_are_read(tmp_path: Path) -> None:
    text = f"a: &a {{base_path: &b {tmp_path}, loras: x}}\nc: {{<<: *a, loras: y}}\nd: {{base_path: *b, vae: z}}\n"
    (tmp_path / "extra_model_paths.yaml").write_text(text)
    folders = Folders(models=[tmp_path], input=tmp_path, output=tmp_path, temp=tmp_path)
    assert folders.folders("loras")[1:3] == [tmp_path / "x", tmp_path / "y"]
    assert tmp_path / "z" in folders.folders("vae")
