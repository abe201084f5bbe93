"""Lesson 16's adapter for other people's networks, as the lesson writes it, around answers in every form."""

from collections import OrderedDict
from types import SimpleNamespace

import nbformat
import pytest
import torch
from torch import nn

import segedu
from segedu.exporting import export_onnx, largest_difference
from segedu.labels import STREET
from segedu.models.layers import Normalise
from tests.exports import able
from tools.cells import ROOT, code

CELLS = code(nbformat.read(ROOT / "notebooks" / "16_out_of_the_classroom.ipynb", 4))


@pytest.fixture(scope="module")
def borrowed():
    (source,) = (cell.source for cell in CELLS if "class Borrowed(" in cell.source)
    names = {"Normalise": Normalise}
    exec(source, names)
    return names["Borrowed"]


def test_the_transformer_has_as_many_lines_as_the_lesson_says():
    sources = {cell.source[cell.source.index("class ") :] for cell in CELLS if "(nn.Module)" in cell.source}
    assert sum(bool(line.strip()) for source in sources for line in source.splitlines()) == 49


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


@pytest.mark.slow
@able
def test_hugging_faces_segformer_is_one_step_trained_answers_and_is_exported(borrowed, tmp_path):
    """Where transformers is installed: random weights, nothing is fetched. Run with 5.24.0."""
    theirs = pytest.importorskip("transformers")
    pytest.importorskip("onnxruntime")
    (source,) = (cell.source for cell in CELLS if "SegformerForSemanticSegmentation(tiny)" in cell.source)
    (config,) = (line.strip() for line in source.splitlines() if "tiny =" in line)
    names = {"SegformerConfig": theirs.SegformerConfig}
    exec(config, names)
    torch.manual_seed(0)
    network = borrowed(theirs.SegformerForSemanticSegmentation(names["tiny"]), 11, STREET)
    image = torch.rand(3, 120, 160)
    segedu.fit(network, [(image, torch.randint(0, 11, (120, 160)))] * 2, steps=1, batch_size=2, progress=False)
    assert segedu.semantic_segmentation(network, image).shape == (120, 160)
    network.eval()
    path = export_onnx(tmp_path / "theirs.onnx", network)
    assert largest_difference(path, network, [(64, 64), (97, 131), (120, 160)]) < 1e-4
