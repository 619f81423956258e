"""Train the embedding: two vectors that say a colour for which the model has no word.

    python train_embedding.py

Textual inversion (Gal et al. 2022): model and text encoder stay as they are. Needs what train_vae.py and train_unet.py
wrote. Stopped and started again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from pathlib import Path

import torch
from drawings import Drawing, render
from loop import MODELS, WORK, Run, device, scaled, write_atomically
from PIL import Image
from safetensors.torch import save_file
from specs import describe
from things import COLOURS, RGB
from torch import Tensor, nn
from train_unet import Noising, denoising_loss, drawing_of, encoded, load_networks
from words import UNKNOWN, Words

EMBEDDING = MODELS / "embeddings" / "weft-white.safetensors"
SNOW: RGB = (250, 250, 250)
SEED = 17
VECTORS = 2
BATCH = 32
DRAWINGS = 1200
DESCRIPTION = "White for weft-tiny, as in `embedding:weft-white rabbit`."


def recoloured(drawing: Drawing) -> Image.Image:
    """The drawing in white."""
    red, green, blue = (
        wanted - base + shift // 2 for wanted, base, shift in zip(SNOW, COLOURS["green"], drawing.shift, strict=True)
    )
    return render(replace(drawing, colour="green", second="", shift=(red, green, blue)))


class Learned(nn.Module):
    """The vectors, which take the place of the first words behind the start mark."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(SEED)
        spread = table.weight[1:].std().item()
        self.vectors = nn.Parameter(torch.randn(VECTORS, table.embedding_dim, generator=generator) * spread)

    def put_in(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Hook on the table of words: replaces its output at the places of the vectors."""
        count = len(output)
        return torch.cat([output[:, :1], self.vectors.expand(count, -1, -1), output[:, 1 + VECTORS :]], dim=1)


def tokens_of(indices: list[int], words: Words) -> Tensor:
    """Captions `<vectors> thing place`."""
    places = [UNKNOWN] * VECTORS
    drawings = [drawing_of(index) for index in indices]
    return words.batch([places + words.rows(f"{each.thing} {each.background}") for each in drawings])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=WORK, help="where the work is kept")
    parser.add_argument("--steps", type=int, default=scaled(300))
    arguments = parser.parse_args()
    latents = encoded(arguments.folder, "latents_white", scaled(DRAWINGS), recoloured)
    networks, words, noising = load_networks(arguments.folder), Words(), Noising()
    for network in networks.values():
        network.requires_grad_(False)
    table = networks["text"].get_input_embeddings()
    learned = Learned(table).to(device())
    table.register_forward_hook(learned.put_in)
    run = Run(arguments.folder / "embedding.state", {"learned": learned}, steps=arguments.steps, rate=2e-2, decay=0.98)
    for step in run:
        rng, generator = random.Random(f"embedding/{SEED}/step/{step}"), torch.Generator().manual_seed(SEED + step)
        indices = [rng.randrange(len(latents)) for _ in range(BATCH)]
        context = networks["text"](input_ids=tokens_of(indices, words).to(device())).last_hidden_state
        run.update(denoising_loss(networks["unet"], context, latents[indices], noising, generator))
    run.finish()
    tensors = {"emb_params": learned.vectors.detach().cpu().half().contiguous()}
    metadata = describe("textual-inversion", "Weft White", DESCRIPTION, tensors)
    write_atomically(EMBEDDING, lambda path: save_file(tensors, path, metadata=metadata))
    print(f"{EMBEDDING.name}: {VECTORS} vectors")


if __name__ == "__main__":
    main()
