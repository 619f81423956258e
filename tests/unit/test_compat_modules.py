"""ComfyUI's modules for packs: folders, classes, the server that is not there."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from weft.engine.context import RunContext
from weft.engine.errors import MissingFile
from weft.engine.folders import Folders
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files, socket_from
from weft.engine.settings import Settings
from weft.engine.values import ExecutionBlocker
from weft.nodes import compat
from weft.nodes.compat import classes
from weft.nodes.compat.methods import CHOICES, METHODS


def folders(root: Path) -> Folders:
    places: dict[str, Any] = {name: root / name for name in ("input", "output", "temp")}
    return Folders(models=[root / "models"], **places)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    for name in ("models/loras/styles", "models/checkpoints", "input", "output", "temp"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "models/loras/styles/a.safetensors").write_bytes(b"a")
    (tmp_path / "models/loras/b.txt").touch()
    (tmp_path / "input/x.png").write_bytes(b"1")
    compat.install(compat.Host(Registry.discover(), folders(tmp_path), Settings()))
    yield tmp_path
    compat.uninstall()


def module(name: str) -> Any:
    return importlib.import_module(name)


def test_classes_say_the_choices_of_their_inputs(place: Path) -> None:
    nodes = module("nodes")
    assert nodes.ImageScale.upscale_methods == ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
    assert nodes.LatentUpscale.crop_methods == ["disabled", "center"]
    for class_type, attributes in CHOICES.items():
        assert all(getattr(classes.class_of(class_type), each) for each in attributes)
    assert nodes.VAELoader.vae_list() == nodes.VAELoader.vae_list(nodes.VAELoader)
    assert set(nodes.VAELoader.vae_list()) == set(nodes.VAELoader.INPUT_TYPES()["required"]["vae_name"][0])


@pytest.mark.parametrize("caller", [None, 0, object()])
def test_a_method_that_is_called_on_the_class_takes_any_object_first(place: Path, caller: Any) -> None:
    nodes, masks = module("nodes"), module("comfy_extras.nodes_mask")
    picture = torch.rand(1, 4, 6, 3)
    (scaled,) = nodes.ImageScale().upscale(picture, "area", 3, 2, "disabled")
    for first in (nodes.ImageScale, nodes.ImageScale(), caller):
        (found,) = nodes.ImageScale.upscale(first, picture, "area", 3, 2, "disabled")
        assert torch.equal(found, scaled)
    (grown,) = masks.GrowMask.expand_mask(caller, torch.zeros(1, 4, 4), 1, True)
    assert torch.equal(grown, masks.GrowMask.expand_mask(torch.zeros(1, 4, 4), 1, True)[0])


def test_folders_are_those_of_the_session(place: Path) -> None:
    paths = module("folder_paths")
    assert paths.models_dir == str(place / "models") and paths.base_path == str(place)
    assert paths.input_directory == paths.get_directory_by_type("input") == str(place / "input")
    assert paths.get_directory_by_type("elsewhere") is None
    assert paths.get_filename_list("loras") == ["styles/a.safetensors", "weft-pixel.safetensors"]
    assert paths.get_full_path("loras", "styles/a.safetensors") == str(place / "models/loras/styles/a.safetensors")
    assert paths.get_full_path("loras", "../../secret") is None and paths.get_full_path("nothing", "a") is None
    with pytest.raises(MissingFile, match="did you mean 'styles/a.safetensors'"):
        paths.get_full_path_or_raise("loras", "a.safetensors")
    with pytest.raises(KeyError):
        paths.get_filename_list("nothing")
    assert paths.get_folder_paths("unet") == paths.get_folder_paths("diffusion_models")


def test_modules_say_that_they_lie_where_comfyui_s_do(place: Path) -> None:
    # Packs write below the folder of one: into the user's, never into Weft's own.
    assert module("folder_paths").__file__ == str(place / "folder_paths.py")
    assert module("comfy").__file__ == str(place / "comfy" / "__init__.py")
    assert module("comfy.utils").__file__ == str(place / "comfy" / "utils.py")
    compat.install(compat.Host(Registry.discover(), folders(place / "elsewhere"), Settings()))
    assert module("comfy.utils").__file__ == str(place / "elsewhere" / "comfy" / "utils.py")


def test_the_folders_of_packs_are_those_of_the_session(place: Path) -> None:
    paths = module("folder_paths")
    assert paths.get_folder_paths("custom_nodes") == [str(place / "custom_nodes")]
    for name in ("a/one/__init__.py", "b/two.py"):
        (place / name).parent.mkdir(parents=True)
        (place / name).touch()
    settings = Settings(custom_nodes=[place / "a", place / "b" / "two.py"])
    compat.install(compat.Host(Registry.discover(), folders(place / "other"), settings))
    assert paths.folder_names_and_paths["custom_nodes"][0] == [str(place / "a"), str(place / "b")]


def test_names_of_files_stay_files_where_a_pack_puts_its_own_in_front(place: Path) -> None:
    paths = module("folder_paths")
    names = paths.get_filename_list("loras")
    names.insert(0, "None")
    for choices in (names, ["None"] + paths.get_filename_list("loras")):  # noqa: RUF005  # as packs write
        socket = socket_from(choices, {})
        assert isinstance(socket, Files) and socket.extra_choices == ("None",)
    names.remove("styles/a.safetensors")
    assert not isinstance(socket_from(names, {}), Files) and ["x"] + names == ["x", *names]  # noqa: RUF005


def test_a_method_takes_the_path_of_a_file_for_its_name(place: Path) -> None:
    nodes, paths = module("nodes"), module("folder_paths")
    with pytest.raises(Exception, match="a.safetensors") as failure:
        nodes.LoraLoader().load_lora(None, None, paths.get_full_path("loras", "styles/a.safetensors"), 1.0, 1.0)
    assert "leaves its folder" not in str(failure.value)


def test_a_pack_may_add_a_kind_in_either_way(place: Path) -> None:
    paths = module("folder_paths")
    (place / "luts").mkdir()
    (place / "luts/warm.cube").touch()
    paths.folder_names_and_paths["luts"] = ([str(place / "luts")], {".cube"})
    paths.add_model_folder_path("loras", str(place / "luts"))
    names = ["None", *paths.get_filename_list("luts")]
    assert names == ["None", "warm.cube"]
    listed = ["None"] + paths.get_filename_list("luts")  # noqa: RUF005  # as packs write
    socket = socket_from(listed, {"default": "None"})
    assert isinstance(socket, Files) and (socket.folder, socket.extra_choices) == ("luts", ("None",))
    assert compat.host().folders.find("luts", "warm.cube") == place / "luts/warm.cube"
    assert str(place / "luts") in paths.get_folder_paths("loras")


def test_input_files_may_say_where_they_are(place: Path) -> None:
    paths = module("folder_paths")
    assert paths.annotated_filepath("a.png [output]") == ("a.png", str(place / "output"))
    assert paths.get_annotated_filepath("x.png") == str(place / "input/x.png")
    assert paths.exists_annotated_filepath("x.png") and not paths.exists_annotated_filepath("x.png [temp]")
    assert paths.filter_files_content_types(["a.png", "b.mp4", "c.glb", "d.txt"], ["image", "model"]) == [
        "a.png",
        "c.glb",
    ]


def test_without_a_folder_of_input_files_there_is_nothing_in_it(place: Path) -> None:
    paths = module("folder_paths")
    (place / "input/x.png").unlink()
    (place / "input").rmdir()
    assert list(Path(paths.get_input_directory()).iterdir()) == [] and not (place / "input").exists()
    assert paths.get_annotated_filepath("x.png") == str(place / "input/x.png")


def test_new_files_are_numbered_on_within_the_folder(place: Path) -> None:
    paths = module("folder_paths")
    (place / "output/sub").mkdir()
    (place / "output/sub/x_00007_.png").touch()
    found = paths.get_save_image_path("sub/x", str(place / "output"), 64, 32)
    assert found == (str(place / "output/sub"), "x", 8, "sub", "sub/x")
    assert paths.get_save_image_path("w%width%", str(place / "output"), 64, 32)[1] == "w64"
    with pytest.raises(ValueError, match="outside"):
        paths.get_save_image_path("../x", str(place / "output"))


def test_weft_s_classes_are_comfyui_s(place: Path) -> None:
    nodes = module("nodes")
    required = nodes.LoraLoader.INPUT_TYPES()["required"]
    assert list(required) == ["model", "clip", "lora_name", "strength_model", "strength_clip"]
    assert required["lora_name"][0] == ["styles/a.safetensors", "weft-pixel.safetensors"]
    assert required["strength_model"][0] == "FLOAT" and required["strength_model"][1]["default"] == 1.0
    assert nodes.LoraLoader.RETURN_TYPES == ("MODEL", "CLIP") and nodes.LoraLoader.FUNCTION == "load_lora"
    assert nodes.NODE_CLASS_MAPPINGS["LoraLoader"] is nodes.LoraLoader
    assert "NoSuchClass" not in nodes.NODE_CLASS_MAPPINGS and nodes.NODE_CLASS_MAPPINGS.get("NoSuchClass") is None
    assert not hasattr(nodes, "NoSuchClass")
    assert nodes.NODE_DISPLAY_NAME_MAPPINGS["KSampler"] == "KSampler"
    assert module("comfy_extras.nodes_latent").LatentBatch.__module__ == "comfy_extras.nodes_latent"


def test_a_method_takes_its_inputs_in_comfyui_s_order_on_object_and_class(place: Path) -> None:
    nodes = module("nodes")
    image = torch.rand(1, 4, 6, 3)
    scaled = nodes.ImageScale().upscale(image, "nearest-exact", 3, 2, "disabled")
    assert scaled[0].shape == (1, 2, 3, 3) and scaled.result == scaled.args == tuple(scaled)
    assert (nodes.ImageInvert.execute(image=image)[0] == 1 - image).all()
    assert nodes.EmptyLatentImage().generate(64, 32)[0]["samples"].shape == (1, 4, 4, 8)
    with pytest.raises(TypeError, match="got 'image' twice"):
        nodes.ImageInvert().invert(image, image=image)

    class Mine(nodes.ImageBatch):
        def batch(self, image1: Any, image2: Any) -> Any:
            return (super().batch(image1, image2)[0], "more")

    assert Mine().batch(image, image)[0].shape[0] == 2


def test_the_table_of_methods_names_what_is_there(place: Path) -> None:
    registry = compat.host().registry
    for class_type, facts in METHODS.items():
        parameters = facts.split()[1:]
        if class_type in registry and parameters:
            assert set(parameters) == set(registry[class_type].by_name), class_type


def test_a_picture_is_saved_where_the_attributes_say(place: Path) -> None:
    nodes = module("nodes")
    context = RunContext(folders=compat.host().folders, settings=Settings())
    with context.entered():
        saver = nodes.SaveImage()
        assert saver.save_images(torch.zeros(1, 8, 8, 3), "x")["ui"]["images"] == [
            {"filename": "x_00001_.png", "subfolder": "", "type": "output"}
        ]
        saver.output_dir, saver.type, saver.prefix_append = str(place / "temp"), "temp", "_mine"
        shown = saver.save_images(torch.zeros(1, 8, 8, 3), "x")["ui"]["images"]
        assert shown == [{"filename": "x_mine_00001_.png", "subfolder": "", "type": "temp"}]
        saver.output_dir = str(place / "elsewhere")
        saver.save_images(torch.zeros(1, 8, 8, 3), "y")
    assert [file.relative_to(place).as_posix() for file in context.files] == [
        "output/x_00001_.png", "temp/x_mine_00001_.png", "elsewhere/y_mine_00001_.png",
    ]  # fmt: skip


def test_a_class_that_names_input_files_changes_with_them(place: Path) -> None:
    nodes = module("nodes")
    before = nodes.LoadImage.IS_CHANGED(image="x.png")
    (place / "input/x.png").write_bytes(b"2")
    assert nodes.LoadImage.IS_CHANGED(image="x.png") != before


def test_classes_that_a_pack_puts_into_the_mapping_are_the_session_s(place: Path) -> None:
    nodes = module("nodes")

    class PutIn:
        RETURN_TYPES = ()
        FUNCTION = "go"

        @classmethod
        def INPUT_TYPES(cls) -> Any:
            return {"required": {}}

        def go(self) -> Any:
            return ()

    nodes.NODE_CLASS_MAPPINGS["PutIn"] = PutIn
    assert compat.host().registry["PutIn"].class_type == "PutIn"
    del nodes.NODE_CLASS_MAPPINGS["PutIn"]
    nodes.NODE_CLASS_MAPPINGS["KSampler"] = object
    assert compat.host().registry["KSampler"].python_module == "nodes"
    del nodes.NODE_CLASS_MAPPINGS["KSampler"]


def test_a_server_is_spoken_to_by_packs_that_import_its_module_later(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Serves:
        client_id, prompt_id = "a client", "a prompt"

    monkeypatch.delitem(sys.modules, "weft.nodes.compat.modules.server", raising=False)
    compat.serve(Serves())  # type: ignore[arg-type]
    try:
        instance = module("server").PromptServer.instance
        assert (instance.client_id, instance.last_prompt_id) == ("a client", "a prompt")
    finally:
        compat.serve(None)
    assert (instance.client_id, instance.last_prompt_id) == ("weft", "")


def test_routes_are_recorded_and_messages_go_nowhere(place: Path) -> None:
    server = module("server")
    instance = server.PromptServer.instance

    @instance.routes.post("/mine")
    async def mine(request: Any) -> Any:
        return server.web.json_response({"a": 1}, status=201)

    assert asyncio.run(mine(None)).status == 201
    assert any(getattr(route, "path", "") == "/mine" for route in instance.routes)
    instance.app.router.add_get("/other", mine)
    instance.send_sync("event", {}, instance.client_id)
    assert instance.prompt_queue.get_current_queue() == ([], []) and instance.last_node_id is None
    context = RunContext(folders=compat.host().folders, settings=Settings()).for_node("7")
    with context.entered():
        assert instance.last_node_id == "7"


def test_prompts_are_judged_and_not_run(place: Path) -> None:
    execution = module("execution")
    prompt = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
              "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}  # fmt: skip
    assert asyncio.run(execution.validate_prompt("id", prompt)) == (True, None, ["2"], {})
    prompt["1"]["inputs"]["width"] = 0  # type: ignore[index]
    valid, error, _, by_node = asyncio.run(execution.validate_prompt("id", prompt))
    assert not valid and error["type"] == "value_smaller_than_min" and list(by_node) == ["1"]
    with pytest.raises(RuntimeError, match=r"weft\.run"):
        execution.PromptExecutor().execute({}, "id")


def test_small_modules(place: Path) -> None:
    helpers, graph = module("node_helpers"), module("comfy_execution.graph")
    conditioning = [[1, {"a": [1]}]]
    assert helpers.conditioning_set_values(conditioning, {"b": 2}) == [[1, {"a": [1], "b": 2}]]
    assert helpers.conditioning_set_values(conditioning, {"a": [2]}, append=True) == [[1, {"a": [1, 2]}]]
    assert conditioning == [[1, {"a": [1]}]]
    assert graph.ExecutionBlocker is ExecutionBlocker
    args = module("comfy.cli_args").args
    assert args.disable_api_nodes is True and args.lowvram is False and args.output_directory == str(place / "output")
    image = (
        module("latent_preview").Latent2RGBPreviewer([[1.0, 0, 0]] * 4).decode_latent_to_preview(torch.ones(1, 4, 2, 3))
    )
    assert image.size == (3, 2)
    with pytest.raises(compat.MissingName, match="draws no previews"):
        module("latent_preview").Latent2RGBPreviewer(module("comfy.latent_formats").SD15().latent_rgb_factors)
    fixed = helpers.image_alpha_fix(torch.ones(1, 2, 2, 4), torch.zeros(1, 2, 2, 3))
    assert fixed[1].shape == (1, 2, 2, 4) and fixed[1][..., 3].min() == 1


def test_without_a_session_nothing_is_meant() -> None:
    compat.uninstall()
    with pytest.raises(RuntimeError, match="no packs are in use"):
        classes.class_of("KSampler")
