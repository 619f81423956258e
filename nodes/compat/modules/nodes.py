"""`nodes`: ComfyUI's core classes, and the registry of all classes. A class is made when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from weft.engine.schema.packs import Pack
from weft.nodes.compat import classes
from weft.nodes.compat.classes import BuiltIn
from weft.nodes.compat.host import context, host

MAX_RESOLUTION = 16384
"""The largest side of a picture that ComfyUI's nodes take."""

EXTENSION_WEB_DIRS: dict[str, str] = {}
"""The packs' parts in the browser, which nobody asks for here."""
LOADED_MODULE_DIRS: dict[str, str] = {}


class _Classes(MutableMapping[str, Any]):
    """All classes by class_type, live: Weft's own as ComfyUI's classes, those of packs as they are.

    What a pack puts here is a class of the session, unless Weft has one of that name.
    """

    def __init__(self) -> None:
        self._put: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name in self._put:
            return self._put[name]
        registry = host().registry
        if name not in registry:
            raise KeyError(name)
        source = registry.source(name)
        return source if isinstance(source, type) else classes.class_of(name)

    def __setitem__(self, name: str, cls: Any) -> None:
        self._put[name] = cls
        if name not in set(host().registry):
            host().registry.adopt(Pack(nodes={name: cls}, name="NODE_CLASS_MAPPINGS"))

    def __delitem__(self, name: str) -> None:
        self._put.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*host().registry, *self._put]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._put or name in host().registry


class _Titles(MutableMapping[str, str]):
    """What the editor calls the classes, by class_type."""

    def __init__(self) -> None:
        self._put: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name in self._put:
            return self._put[name]
        if name not in host().registry:
            raise KeyError(name)
        return host().registry[name].display_name or name

    def __setitem__(self, name: str, title: str) -> None:
        self._put[name] = title

    def __delitem__(self, name: str) -> None:
        self._put.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(host().registry)

    def __len__(self) -> int:
        return len(host().registry)


NODE_CLASS_MAPPINGS = _Classes()
NODE_DISPLAY_NAME_MAPPINGS = _Titles()


def common_ksampler(
    model: Any,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent: Any,
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
) -> tuple[Any]:
    """Sample a latent as KSampler and KSampler (Advanced) do; the latent that comes out, in a tuple.

    As `comfy.sample.sample`, with the latent's own noise mask and batch index.
    """
    from weft.nodes.compat.modules import latent_preview
    from weft.nodes.compat.modules.comfy import sample as comfy_sample

    samples = comfy_sample.fix_empty_latent_channels(model, latent["samples"])
    if disable_noise:
        noise = samples.new_zeros(samples.shape)
    else:
        noise = comfy_sample.prepare_noise(samples, seed, latent.get("batch_index"))
    done = comfy_sample.sample(
        model, noise, steps, cfg, sampler_name, scheduler, positive, negative, samples,
        denoise=denoise, disable_noise=disable_noise, start_step=start_step, last_step=last_step,
        force_full_denoise=force_full_denoise, noise_mask=latent.get("noise_mask"),
        callback=latent_preview.prepare_callback(model, steps), seed=seed,
    )  # fmt: skip
    return ({**latent, "samples": done},)


def interrupt_processing(value: bool = True) -> None:
    """Ask the run to stop, at its next step or node."""
    if value:
        context().cancel()


def before_node_execution() -> None:
    """Stop here, if the run is to stop. Raises Interrupted."""
    context().checkpoint()


class SaveImage(BuiltIn):
    """ComfyUI's SaveImage, whose attributes say where to: packs derive previews from it."""

    class_type = "SaveImage"
    RETURN_TYPES = ()
    FUNCTION = "save_images"
    OUTPUT_NODE = True
    CATEGORY = "image"
    RELATIVE_PYTHON_MODULE = "nodes"

    def __init__(self) -> None:
        from weft.nodes.compat.modules import folder_paths

        self.output_dir = folder_paths.get_output_directory()
        self.type = "output"
        self.prefix_append = ""
        self.compress_level = 4

    def save_images(
        self, images: Any, filename_prefix: str = "ComfyUI", prompt: Any = None, extra_pnginfo: Any = None
    ) -> Any:
        """Write pictures [B,H,W,C] in 0..1 as PNG: `{"ui": {"images": [{filename, subfolder, type}, ...]}}`."""
        from weft.engine.folders import Folders
        from weft.nodes.core.image import save_images

        run = own = context()
        kind = "temp" if self.type == "temp" else "output"
        if self.output_dir != str(run.folders.output_folder(kind)):
            there = run.folders
            run = run.for_node(run.node_id, run.display_id)
            place: dict[str, Any] = {
                "models": there.models,
                "input": there.input,
                "output": there.output,
                "temp": there.temp,
            }
            run.folders = Folders(**{**place, kind: Path(self.output_dir)})
        metadata = {"prompt": prompt, **(extra_pnginfo or {})} if prompt is not None else dict(extra_pnginfo or {})
        prefix = f"{filename_prefix}{self.prefix_append}"
        shown = save_images(images, prefix, kind, metadata, self.compress_level, run)
        if run is not own:
            own.files.extend(run.files)
        return {"ui": {"images": [{**image, "type": self.type} for image in shown["images"]]}}


class PreviewImage(SaveImage):
    """ComfyUI's PreviewImage: pictures in the folder for temporary files."""

    class_type = "PreviewImage"

    def __init__(self) -> None:
        import random

        from weft.nodes.compat.modules import folder_paths

        self.output_dir = folder_paths.get_temp_directory()
        self.type = "temp"
        letters = random.Random().choices("abcdefghijklmnopqrstupvxyz", k=5)
        self.prefix_append = "_temp_" + "".join(letters)
        self.compress_level = 1


def __getattr__(name: str) -> Any:
    found = classes.find(name)
    if found is None:
        raise AttributeError(name)
    return found
