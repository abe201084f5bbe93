"""What every architecture owes: a file or a config brings the same network back."""

import torch

import segedu


def assert_comes_back_from_a_file(model, labels, folder):
    loaded = segedu.load(segedu.save(folder / "net.safetensors", model, labels=labels))
    assert isinstance(loaded, type(model)) and loaded.config == model.config and loaded.labels == labels
    picture = torch.rand(1, model.config["in_channels"], 45, 61)
    assert torch.equal(loaded(picture), model(picture))


def assert_known_to_load(model):
    """Whether the file's loader finds the class by its name, and its config rebuilds it."""
    assert getattr(segedu.models, type(model).__name__)(**model.config).config == model.config
