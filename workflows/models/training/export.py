"""Write the trained networks as one checkpoint in the layout of SD1.x, float16.

python export.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from loop import MODELS, WORK, load, write_atomically
from networks import GROUPS, TEXT, UNET, VAE, new_vae
from safetensors.torch import save_file
from specs import describe
from torch import Tensor, nn
from train_unet import load_networks
from words import known_tokens, whole_table

from weft.nodes.diffusion.families.sd.keymaps import unet_keymap, vae_landings
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX as UNET_PREFIX
from weft.nodes.diffusion.families.sd.keymaps.vae import PREFIX as VAE_PREFIX
from weft.nodes.diffusion.families.sd.networks import text_landings
from weft.nodes.diffusion.families.sd.releases import CLIP_L
from weft.nodes.diffusion.families.sd.sizes import CONFIG_KEY
from weft.nodes.diffusion.weights.landings import as_landed

CHECKPOINT = MODELS / "checkpoints" / "weft-tiny.safetensors"
DESCRIPTION = (
    "A tiny latent diffusion model that draws one of twelve things in one of eight colours, trained from nothing on "
    "procedural drawings; for demos and tests of Weft."
)


def unet_tensors(unet: nn.Module) -> dict[str, Tensor]:
    """A denoiser by the names of the file."""
    return {UNET_PREFIX + old: unet.get_parameter(new) for old, new in unet_keymap(UNET).items()}


def vae_tensors(vae: nn.Module) -> dict[str, Tensor]:
    """An autoencoder by the names of the file."""
    config = {**VAE, "in_channels": 3, "out_channels": 3}
    return {VAE_PREFIX + old: as_landed(parts, vae.get_parameter) for old, parts in vae_landings(config).items()}


def text_tensors(text: nn.Module) -> dict[str, Tensor]:
    """A text encoder by the names of the file, with CLIP's whole vocabulary."""
    tensors = {
        CLIP_L.prefixes[0] + old: as_landed(parts, text.get_parameter)
        for old, parts in text_landings(text, TEXT, "hf").items()
    }
    tensors[CLIP_L.prefixes[0] + "embeddings.token_embedding.weight"] = whole_table(text, known_tokens())
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=WORK, help="where the work is kept")
    folder = parser.parse_args().folder
    networks, vae = load_networks(folder), new_vae()
    # Before its own training the decoder is that of the first phase.
    trained = folder / "decoder.pt"
    vae.load_state_dict(load(trained if trained.is_file() else folder / "vae.pt"))
    tensors = unet_tensors(networks["unet"]) | vae_tensors(vae) | text_tensors(networks["text"])
    tensors = {key: tensor.detach().cpu().half().contiguous() for key, tensor in tensors.items()}
    metadata = describe("", "Weft Tiny", DESCRIPTION, tensors, prediction_type="epsilon", timestep_range="0,1000")
    metadata[CONFIG_KEY] = json.dumps({"vae": {"norm_num_groups": GROUPS}})
    write_atomically(CHECKPOINT, lambda path: save_file(tensors, path, metadata=metadata))
    print(f"{CHECKPOINT.name}: {CHECKPOINT.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
