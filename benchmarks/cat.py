"""What SqueezeNet says of scikit-image's cat: lesson 05 shows it where its weights are not at hand.

    python -m benchmarks.cat [--dry]

Writes data/results/cat.safetensors: `answer` (1000,), the classifier's scores, and `cats` (5, h, w), its scores at
every place for ImageNet's five kinds of domestic cat, before their mean is taken.
"""

from __future__ import annotations

import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import squeezenet1_0

from benchmarks.lesson_05_transfer import imagenet_weights
from benchmarks.storing import RESULTS, command_line
from segedu import resources
from segedu.datasets import Photographs
from segedu.models.layers import Normalise

FILE = RESULTS / "cat.safetensors"
SIZE = (240, 360)  # height and width of the photograph
CATS = slice(281, 286)  # tabby, tiger cat, Persian, Siamese, Egyptian


def scores() -> dict[str, torch.Tensor]:
    """{"answer": (1000,), "cats": (5, h, w)} of the photograph."""
    network = squeezenet1_0()
    network.load_state_dict(imagenet_weights())
    network.eval()
    picture, _ = Photographs(size=SIZE)["chelsea"]
    with torch.inference_mode():
        features = network.features(Normalise(3)(picture[None]))
        at_places = nn.Sequential(*network.classifier[:-1])(features)[0]
        return {"answer": network.classifier(features).flatten(), "cats": at_places[CATS].contiguous()}


def main() -> None:
    """Compute and store them."""
    options = command_line(__doc__).parse_args()
    found = scores()
    best = found["answer"].argmax().item()
    print(f"highest of {len(found['answer'])} classes: {best}; map {tuple(found['cats'].shape)}")
    if not options.dry:
        with resources.atomic_write(FILE) as temporary:
            save_file(found, temporary, metadata={"command": "python -m benchmarks.cat"})


if __name__ == "__main__":
    sys.exit(main())
