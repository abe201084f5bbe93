"""Lesson 16's adapter for other people's networks, as the lesson writes it, around answers in every form."""

from collections import OrderedDict
from types import SimpleNamespace

import nbformat
import pytest
import torch
from torch import nn

import segedu
from segedu.labels import STREET
from segedu.models.layers import Normalise
from tools.cells import ROOT, code


@pytest.fixture(scope="module")
def borrowed():
    lesson = nbformat.read(ROOT / "notebooks" / "16_out_of_the_classroom.ipynb", 4)
    (source,) = (cell.source for cell in code(lesson) if "class Borrowed(" in cell.source)
    names = {"Normalise": Normalise}
    exec(source, names)
    return names["Borrowed"]


class Theirs(nn.Module):
    """A network of another library: pictures that are normalised in, logits at a part of the size in a wrapping."""

    def __init__(self, stride, wrap):
        super().__init__()
        self.layer, self.wrap = nn.Conv2d(3, 11, stride, stride=stride), wrap

    def forward(self, image):
        self.seen = image.detach()
        return self.wrap(self.layer(image))


FORMS = {
    "smp": (1, lambda logits: logits),
    "torchvision": (1, lambda logits: OrderedDict(out=logits, aux=logits[:, :1])),
    "Hugging Face": (4, lambda logits: SimpleNamespace(logits=logits, loss=None)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_fitted_scored_saved_and_gives_a_map_of_the_pictures_size(borrowed, form, tmp_path):
    torch.manual_seed(0)
    network = borrowed(Theirs(*FORMS[form]), 11, STREET)
    images = torch.rand(2, 3, 40, 56)
    assert network(images).shape == (2, 11, 40, 56)
    assert network.network.seen.min() < -1  # it was shown normalised pictures
    data = [(image, torch.randint(0, 11, (40, 56))) for image in images]
    segedu.fit(network, data, steps=2, batch_size=2, progress=False)
    assert segedu.evaluate(network, data).counts.sum() == 2 * 40 * 56
    ids = segedu.semantic_segmentation(network, images[0])
    assert ids.shape == (40, 56)
    path = segedu.save(tmp_path / "theirs.safetensors", network)
    again = segedu.load(path, model=borrowed(Theirs(*FORMS[form]), 11))
    assert again.labels == STREET and (segedu.semantic_segmentation(again, images[0]) == ids).all()


def test_a_set_of_masks_is_refused_in_words(borrowed):
    network = borrowed(Theirs(4, lambda logits: {"masks": logits, "class_logits": logits}), 11)
    with pytest.raises(TypeError, match="wanted are logits"):
        network(torch.rand(1, 3, 40, 56))
