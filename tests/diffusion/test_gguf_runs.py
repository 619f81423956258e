"""Models and text encoders in GGUF files, from the prompt to the picture: what their numbers draw in plain files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import save_file
from torch import Tensor

import weft
from weft.cli import main
from weft.engine.session import Session
from weft.nodes.diffusion.families.flux import tiny as flux
from weft.nodes.diffusion.families.qwen import tiny as qwen
from weft.nodes.diffusion.families.text_tiny import clip_l, t5
from weft.nodes.diffusion.families.wan import tiny as wan
from weft.nodes.diffusion.families.zimage import tiny as zimage
from weft.nodes.diffusion.text.t5 import PIECES

from .ggufs import matrices, pieces, qwen_name, rounded, t5_name, vocabulary, write

Weights = Mapping[str, Tensor] | None


class Workflow(NamedTuple):
    """A family's files in GGUF: how the model and its text encoder are called there, and what makes the latent."""

    architecture: str
    model: Callable[[], Weights]
    encoder: str
    text: Callable[[], Weights]
    vae: Callable[[], Weights]
    clip_type: str
    latent: str
    kind: Type = Type.Q8_0

    @property
    def prompt(self) -> dict[str, Any]:
        """As people have it, with the loaders of ComfyUI-GGUF."""
        single = {"class_type": "CLIPLoaderGGUF", "inputs": {"clip_name": "text.gguf", "type": self.clip_type}}
        names = {"clip_name1": "clip_l.safetensors", "clip_name2": "text.gguf", "type": self.clip_type}
        double = {"class_type": "DualCLIPLoaderGGUF", "inputs": names}
        size = {"width": 32, "height": 32, "batch_size": 1, **({"length": 1} if "Video" in self.latent else {})}
        sampler = {
            "model": ["1", 0], "positive": ["3", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": 7,
            "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0,
        }  # fmt: skip
        return {
            "1": {"class_type": "UnetLoaderGGUF", "inputs": {"unet_name": "model.gguf"}},
            "2": double if self.clip_type == "flux" else single,
            "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat on the mat", "clip": ["2", 0]}},
            "4": {"class_type": self.latent, "inputs": size},
            "5": {"class_type": "KSampler", "inputs": sampler},
            "6": {"class_type": "VAELoader", "inputs": {"vae_name": "vae.safetensors"}},
            "7": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["6", 0]}},
            "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "gguf"}},
        }


FAMILIES = {
    "flux": Workflow(
        "flux", lambda: flux.small_file("diffusion_models", "dev"), "t5encoder", lambda: t5(32), flux.vae, "flux",
        "EmptySD3LatentImage",
    ),
    "wan": Workflow(
        "wan", lambda: wan.small_file("diffusion_models", "wan", "wan"), "t5encoder", lambda: t5(32, umt5=True),
        lambda: wan.small_file("vae", "", "wan"), "wan", "EmptyHunyuanLatentVideo", Type.Q4_0,
    ),
    "qwen": Workflow(
        "qwen_image", lambda: qwen.small_file("diffusion_models"), "qwen2vl",
        lambda: {key: each for key, each in (qwen.small_file("text_encoders") or {}).items() if key[0] == "m"},
        lambda: qwen.small_file("vae"), "qwen_image", "EmptySD3LatentImage", Type.Q5_1,
    ),
    "zimage": Workflow(
        "lumina2", lambda: zimage.small_file("diffusion_models"), "qwen3", lambda: zimage.small_file("text_encoders"),
        lambda: zimage.small_file("vae"), "lumina2", "EmptySD3LatentImage", Type.Q4_1,
    ),
}  # fmt: skip


def put(path: Path, tensors: Mapping[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: each.contiguous() for key, each in tensors.items()}, path)


def models(folder: Path, family: Workflow) -> Path:
    """The files of a family, those in GGUF beside plain ones of the numbers that they stand for."""
    model, text, vae = family.model(), family.text(), family.vae()
    assert model is not None
    assert text is not None
    assert vae is not None
    put(folder / "vae" / "vae.safetensors", vae)
    put(folder / "text_encoders" / "clip_l.safetensors", clip_l(32))
    kinds = matrices(model, family.kind)
    put(folder / "diffusion_models" / "model.safetensors", rounded(model, kinds))
    write(folder / "diffusion_models" / "model.gguf", family.architecture, model, kinds)
    of_t5 = family.encoder == "t5encoder"
    rename, model_of_pieces = (t5_name, pieces()) if of_t5 else (qwen_name, b"")
    text = {key: each for key, each in text.items() if each.is_floating_point()}
    named = {rename(key): each for key, each in text.items()}
    kinds = matrices(named, Type.Q8_0)
    plain = rounded(text, {key: kinds[rename(key)] for key in text if rename(key) in kinds})
    beside = {PIECES: torch.frombuffer(bytearray(model_of_pieces), dtype=torch.uint8)} if of_t5 else {}
    put(folder / "text_encoders" / "text.safetensors", {**plain, **beside})
    values = vocabulary(model_of_pieces) if of_t5 else {}
    write(folder / "text_encoders" / "text.gguf", family.encoder, named, kinds, **values)
    return folder


def plain(prompt: dict[str, Any]) -> dict[str, Any]:
    """The prompt with ComfyUI's own loaders of the plain files."""
    text = json.dumps(prompt).replace(".gguf", ".safetensors").replace("LoaderGGUF", "Loader")
    found: dict[str, Any] = json.loads(text.replace("UnetLoader", "UNETLoader"))
    found["1"]["inputs"]["weight_dtype"] = "default"
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_a_workflow_of_gguf_files_draws_what_their_numbers_draw(name: str, tmp_path: Path) -> None:
    family = FAMILIES[name]
    folder = models(tmp_path / "models", family)
    drawn = [
        weft.run(prompt, device="cpu", targets=["7"], models=folder, output=tmp_path / "out")
        for prompt in (family.prompt, plain(family.prompt))
    ]
    assert [each for run in drawn for each in run.warnings] == []
    assert torch.equal(drawn[0]["7"][0], drawn[1]["7"][0])
    assert float(drawn[0]["7"][0].std()) > 0.01


def test_the_command_line_runs_them(tmp_path: Path) -> None:
    folder = models(tmp_path / "models", FAMILIES["wan"])
    (tmp_path / "w.json").write_text(json.dumps(FAMILIES["wan"].prompt))
    given = [str(tmp_path / "w.json"), "--models", str(folder)]
    assert main(["validate", *given]) == 0
    assert main(["run", *given, "--output", str(tmp_path / "out"), "--device", "cpu", "--quiet"]) == 0
    (picture,) = (tmp_path / "out").rglob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def llama(path: Path) -> None:
    write(path, "llama", {"blk.0.attn_q.weight": torch.ones(2, 32), "token_embd.weight": torch.ones(9, 32)}, {})


def eyes(path: Path) -> None:
    write(path, "clip", {"v.blk.0.attn_q.weight": torch.ones(2, 32)}, {})


def nothing_known(path: Path) -> None:
    write(path, "frobnicator", {"frob.weight": torch.ones(2, 32)}, {})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-64])


def broken(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def of(where: str) -> Callable[[Path], None]:
    """Puts another file of the folder in a file's place."""
    return lambda path: path.write_bytes((path.parents[1] / where).read_bytes())


def named(family: str, model: str, text: str) -> Any:
    """The prompt of a family with the names of people's files."""
    found = json.dumps(FAMILIES[family].prompt).replace("model.gguf", model).replace("text.gguf", text)
    return json.loads(found)


def test_small_files_stand_in_for_them(tmp_path: Path) -> None:
    """They are no GGUF files, whatever they are called."""
    prompt = named("wan", "wan2.1-t2v-14b-Q4_K_M.gguf", "umt5-xxl-encoder-Q8_0.gguf")
    result = weft.run(prompt, device="cpu", targets=["7"], output=tmp_path, stand_ins=True)
    assert result["7"][0].shape[-1] == 3


TEXT, MODEL, VAE = "text_encoders/text.gguf", "diffusion_models/model.gguf", "vae/vae.safetensors"
FAULTS: list[tuple[str, str, Callable[[Path], None], str]] = [
    ("flux", TEXT, of("qwen.gguf"), "'type': M109, text encoders of type 'flux' are clip_l + t5xxl, got clip_l + qwen"),
    ("wan", TEXT, of("t5.gguf"), "'type': M109, text encoders of type 'wan' are umt5xxl, got t5xxl"),
    ("wan", TEXT, of(MODEL), "text encoders of type 'wan' are umt5xxl, got a Wan model"),
    ("wan", MODEL, of(TEXT), "it is a text encoder (t5encoder), and no diffusion model: CLIPLoaderGGUF opens it"),
    ("flux", MODEL, of("qwen-image.gguf"), "M104, its rows, of FLUX.1, are 32 wide: expected 8"),
    ("wan", VAE, of("wan22.safetensors"), "M105, its VAE is"),
    ("wan", TEXT, llama, "its architecture is 'llama' (Llama or Mistral): of language models in GGUF files, T5"),
    ("wan", TEXT, eyes, "it is what sees pictures for a language model (mmproj), and no model by itself"),
    ("wan", MODEL, nothing_known, "its architecture is frobnicator, and its tensors are those of no model that Weft"),
    ("wan", MODEL, cut, "model.gguf is truncated: "),
    ("wan", TEXT, broken, "text.gguf: its GGUF header is damaged"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "where", "change", "told"), FAULTS, ids=[each[3][:40] for each in FAULTS])
def test_what_does_not_fit_is_refused_before_the_run(
    name: str, where: str, change: Callable[[Path], None], told: str, tmp_path: Path, capsys: Any
) -> None:
    """By the headers alone: another family's encoder or VAE, what is no such file, what is cut short."""
    folder = models(tmp_path / "models", FAMILIES[name])
    wan_22, qwen_image = wan.small_file("vae", "", "wan_ti2v"), qwen.small_file("diffusion_models")
    assert wan_22 is not None
    assert qwen_image is not None
    put(folder / "wan22.safetensors", wan_22)
    write(folder / "qwen-image.gguf", "qwen_image", qwen_image, {})
    small = {key: each[:9] for key, each in (FAMILIES["qwen"].text() or {}).items()}
    write(folder / "qwen.gguf", "qwen2vl", {qwen_name(key): each for key, each in small.items()}, {})
    write(folder / "t5.gguf", "t5", {t5_name(key): each for key, each in t5(32).items() if "weight" in key}, {})
    change(folder / where)
    (tmp_path / "w.json").write_text(json.dumps(FAMILIES[name].prompt))
    assert main(["validate", str(tmp_path / "w.json"), "--models", str(folder)]) == 3
    said = capsys.readouterr().err
    assert told in said
    assert "1 problem" in said


def test_what_lies_beside_a_text_encoder_is_in_its_cache_key(tmp_path: Path) -> None:
    session = Session(models=[tmp_path])
    fingerprint = session.registry.find("DualCLIPLoaderGGUF").options.fingerprint  # type: ignore[union-attr]
    assert fingerprint is not None
    for name in ("qwen-Q8_0.gguf", "clip_l.safetensors"):
        (tmp_path / "text_encoders").mkdir(exist_ok=True)
        (tmp_path / "text_encoders" / name).write_bytes(b"x")
    names = {"clip_name1": "qwen-Q8_0.gguf", "clip_name2": "clip_l.safetensors", "type": "flux"}
    assert fingerprint(session.folders, names) == []
    beside = tmp_path / "text_encoders" / "qwen-mmproj.gguf"
    beside.write_bytes(b"x")
    assert fingerprint(session.folders, names) == [beside]
