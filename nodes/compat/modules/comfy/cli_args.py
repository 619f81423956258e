"""`comfy.cli_args`: the options of ComfyUI's command line, as they are where none was given; folders are the run's."""

from __future__ import annotations

import enum
from typing import Any


class LatentPreviewMethod(enum.Enum):
    """How a sampler shows what it is at."""

    NoPreviews = "none"
    Auto = "auto"
    Latent2RGB = "latent2rgb"
    TAESD = "taesd"

    @classmethod
    def from_string(cls, value: str) -> LatentPreviewMethod | None:
        """The method that is called so; None for another text."""
        return next((each for each in cls if each.value == value), None)


class PerformanceFeature(enum.Enum):
    """What `--fast` may name."""

    Fp16Accumulation = "fp16_accumulation"
    Fp8MatrixMultiplication = "fp8_matrix_mult"
    CublasOps = "cublas_ops"
    AutoTune = "autotune"


class _Arguments:
    """An option that ComfyUI has and that is not listed here is off: False."""

    def __init__(self) -> None:
        self.listen = "127.0.0.1"
        self.port = 8188
        self.preview_method = LatentPreviewMethod.NoPreviews
        self.preview_size = 512
        self.default_hashing_function = "sha256"
        self.max_upload_size = 100
        self.fast: set[PerformanceFeature] = set()
        self.verbose = "INFO"
        self.reserve_vram = None
        self.cache_lru = 0
        self.base_directory = None
        self.extra_model_paths_config = None
        self.front_end_version = "comfyanonymous/ComfyUI@latest"
        self.disable_api_nodes = True
        self.enable_cors_header = None
        self.tls_keyfile = self.tls_certfile = None
        self.whitelist_custom_nodes: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in _FOLDERS:
            from weft.nodes.compat.modules import folder_paths

            return getattr(folder_paths, _FOLDERS[name])()
        if name.startswith("_"):
            raise AttributeError(name)
        return False


_FOLDERS = {
    "output_directory": "get_output_directory",
    "input_directory": "get_input_directory",
    "temp_directory": "get_temp_directory",
    "user_directory": "get_user_directory",
}

args: Any = _Arguments()


def enables_dynamic_vram() -> bool:
    """Weft decides where weights lie."""
    return False
