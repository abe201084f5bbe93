"""A weights file may be a stranger's: whatever it says, it takes little memory, runs nothing, and gets a sentence."""

import contextlib
import io
import json
import math
import os
import pickle
import random
import re
import sys
import time
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import segedu
from segedu import models
from segedu.models.layers import unwrapped, whole
from segedu.training.checkpoints import CheckpointError, read
from tests.tiny import BOXES, Boxes

MEMORY = 2**30  # bytes more than a process has when a file is opened; a network of width 3000 would take 30 times that


@contextlib.contextmanager
def little_memory_and_time():
    """Where the system can, an end to the memory; everywhere, a look at the clock."""
    start = time.perf_counter()
    if sys.platform == "linux":
        import resource

        before = resource.getrlimit(resource.RLIMIT_AS)
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, before[1]))
    try:
        yield
    finally:
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, before)
    assert time.perf_counter() - start < 30, "it should take a fraction of a second"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The tensors and the header of a sound file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("saved") / "net.safetensors"
    return read(segedu.save(path, models.SmallNet(3, width=8), labels=BOXES))


def written(path, tensors, header):
    text = header if isinstance(header, str) else json.dumps(header)
    safetensors.torch.save_file(tensors, path, metadata={"segedu": text})
    return path


def refused(path, model=None) -> str:
    """The sentence that a file gets: it names the file, is no longer than a paragraph, and ends as a sentence does."""
    with little_memory_and_time(), pytest.raises(CheckpointError) as caught:
        segedu.load(path, model)
    sentence = str(caught.value)
    assert str(path) in sentence and len(sentence) < len(str(path)) + 900 and sentence.endswith(".")
    return sentence


def config(**changes):
    return lambda header: header | {"config": header["config"] | changes}


def of(name, **config):
    return lambda header: header | {"class": name, "config": config}


def labels(**changes):
    return lambda header: header | {"labels": header["labels"] | changes}


def without(*keys):
    return lambda header: {key: value for key, value in header.items() if key not in keys}


UNET = {"num_classes": 3, "in_channels": 3, "width": 8}
HEADERS = {
    "wide": (config(width=3000), "'model.*' has the shape .*is wanted"),
    "wider": (config(width=65536), "is wanted"),
    "too wide": (config(width=65537), "width=65537 should be a whole number from 2 to 65536"),
    "as wide as can be": (config(width=10**400), "width=1000.*should be a whole number"),
    "no width": (config(width=0), "width=0 should be"),
    "less than none": (config(width=-8), "width=-8 should be"),
    "a width of text": (config(width="8"), "'width' is '8'"),
    "a float": (config(width=8.0), "'width' is 8.0"),
    "true": (config(width=True), "'width' is True"),
    "null": (config(width=None), "'width' is None"),
    "nan": (config(width=math.nan), "'width' is nan"),
    "infinite": (config(width=math.inf), "'width' is inf"),
    "a dict": (config(width={"width": {"width": 8}}), "'width' is {'width"),
    "a million": (config(width=[8] * 10**6), r"'width' is \[8, 8"),
    "many channels": (config(in_channels=10**9), "in_channels=1000000000 should be"),
    "many classes": (config(num_classes=10**9), "num_classes=1000000000 should be"),
    "an unknown key": (config(device="cuda"), "the config of this SmallNet has 'device', which this segedu"),
    "self": (config(self=1), "has 'self'"),
    "no classes": (lambda h: h | {"config": {"width": 8}}, "the config of this SmallNet lacks 'num_classes'"),
    "an empty config": (lambda h: h | {"config": {}}, "lacks 'num_classes'"),
    "a list as config": (lambda h: h | {"config": [3, 3, 8]}, "'config' is .3, 3, 8."),
    "deep": (of("UNet", **UNET, depth=10**9), "depth=1000000000 should be a whole number from 1 to 16"),
    "deep and wide": (
        of("QuickUNet", **UNET | {"width": 65536}, depth=16, convolutions=16),
        "cannot be built|the file",
    ),
    "many convolutions": (of("QuickUNet", **UNET, convolutions=10**9), "convolutions=1000000000 should be"),
    "a stem": (of("QuickUNet", **UNET, stem="x" * 10**6), "stem='xxx"),
    "a stem too narrow": (of("QuickUNet", **UNET | {"width": 2}, stride=8, stem="strided"), "width=2 is too small"),
    "dropout": (of("UNet", **UNET, dropout=2), "cannot be built: dropout"),
    "dropout nan": (of("UNet", **UNET, dropout=math.nan), "'dropout' is nan"),
    "padding": (of("UNet", **UNET, padding=1), "'padding' is 1"),
    "a stride": (of("FCN", num_classes=3, stride=0), "stride=0 should be"),
    "a head": (of("DeepLab", num_classes=3, head="v4"), "head='v4' is unknown"),
    "rates": (of("DeepLab", num_classes=3, rates=[1] * 10**6), r"rates=\[1, 1, .* should be whole numbers"),
    "negative rates": (of("PanopticDeepLab", num_classes=3, rates=[-1]), r"rates=\[-1\] should be"),
    "rates of rates": (of("DeepLab", num_classes=3, rates=[[1]]), r"'rates' is \[\[1\]\]"),
    "inputs": (of("PaperFCN", num_classes=3, inputs="x"), "inputs='x' is unknown"),
    "another of ours": (of("FCN", num_classes=3, width=8), "do not fit this FCN: the file lacks"),
    "a huge one of ours": (of("PaperFCN", num_classes=3), "do not fit this PaperFCN: the file lacks"),
    "a tuple's class": (of("PanopticOutput", logits=1), "class 'PanopticOutput' that segedu.models does not know"),
    "a module": (of("unet"), "class 'unet' that"),
    "torch's": (of("nn"), "class 'nn' that"),
    "dunder": (of("__class__"), "class '__class__' that"),
    "builtins": (of("__builtins__"), "class '__builtins__' that"),
    "a path": (of("os.system", command="true"), "class 'os.system' that"),
    "a class of numbers": (of(7), "'class' is 7"),
    "a class of lists": (of(["SmallNet"]), r"'class' is \['SmallNet'\]"),
    "no class": (without("class"), "the header lacks 'class'"),
    "no config": (without("config"), "the header lacks 'config'"),
    "no labels": (without("labels"), "the header lacks 'labels'"),
    "no notes": (without("notes", "torch", "threads"), "the header lacks 'threads'"),
    "more than is known": (lambda h: h | {"extra": 1}, "the header has 'extra', which this segedu does not know"),
    "an unknown precision": (lambda h: h | {"precision": "float31"}, "the precision 'float31' is unknown"),
    "a precision of lists": (lambda h: h | {"precision": ["float32"]}, "'precision' is"),
    "another precision": (lambda h: h | {"precision": "float16"}, None),  # parts of a half network may be float32
    "notes of text": (lambda h: h | {"notes": "none"}, "'notes' is 'none'"),
    "labels of text": (lambda h: h | {"labels": "none"}, "'labels' is 'none'"),
    "too few colours": (labels(colours=[[0, 0, 0]]), "one colour a name, got 3 names and 1 colours"),
    "colours of two": (labels(colours=[[0, 0], [1, 1], [2, 2]]), "colours are"),
    "colours beyond": (labels(colours=[[0, 0, 0], [1, 1, 1], [256, 0, 0]]), "colours are"),
    "colours true": (labels(colours=[[0, 0, 0], [1, 1, 1], [True, 0, 0]]), "colours are"),
    "colours of text": (labels(colours="red"), "colours are 'red'"),
    "names of numbers": (labels(names=[1, 2, 3]), "names are .1, 2, 3., not texts"),
    "names twice": (labels(names=["a", "a", "b"]), "'a' stands twice"),
    "a million names": (labels(names=[str(n) for n in range(10**6)]), "got 1000000 names"),
    "strange things": (labels(things=["dragon"]), "'dragon' is among the things"),
    "things null": (labels(things=None), "things are None"),
    "another key": (labels(palette=[]), "the class table has 'palette'"),
    "no names": (lambda h: h | {"labels": {"colours": [], "things": []}}, "the class table lacks 'names'"),
    "not JSON": (lambda h: "SmallNet", "it is not JSON"),
    "empty": (lambda h: "", "it is not JSON"),
    "half of it": (lambda h: json.dumps(h)[:100], "it is not JSON"),
    "a list": (lambda h: "[]", r"it is \[\], not an object"),
    "a number": (lambda h: "NaN", "it is nan, not an object"),
    "a deep one": (lambda h: "[" * 10**5 + "]" * 10**5, "it is not JSON"),
    "many digits": (lambda h: "9" * 10**5, "it is not JSON"),
    "keys twice": (lambda h: json.dumps(h).replace('"width"', '"width": 8, "width"', 1), "a key stands twice"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADERS)
def test_a_made_header_gets_a_sentence_soon_and_in_little_memory(kind, saved, tmp_path):
    tensors, header = saved
    change, says = HEADERS[kind]
    path = written(tmp_path / "made.safetensors", tensors, change(header))
    if says is None:
        assert isinstance(segedu.load(path), models.SmallNet)
        return
    assert re.search(says, refused(path))


def bias(tensor):
    return lambda tensors: tensors.update({"model.score.bias": tensor})


TENSORS = {
    "one lacks": (lambda t: t.pop("model.score.bias"), "the file lacks 'model.score.bias'"),
    "one too many": (lambda t: t.update({"model.os": torch.zeros(1)}), "the file has, and .*, 'model.os'"),
    "none": (lambda t: t.clear(), "the file lacks 'model.down.* more"),
    "a shape": (bias(torch.zeros(3, 1)), r"'model.score.bias' has the shape \(3, 1\)"),
    "no number": (bias(torch.zeros(0)), r"has the shape \(0,\)"),
    "whole": (bias(torch.zeros(3, dtype=torch.int32)), "is of type torch.int32"),
    "true": (bias(torch.zeros(3, dtype=torch.bool)), "is of type torch.bool"),
    "double": (bias(torch.zeros(3, dtype=torch.float64)), "torch.float64, not float32"),
    "half": (bias(torch.zeros(3, dtype=torch.bfloat16)), "torch.bfloat16, not float32"),
    "eight bits": (bias(torch.zeros(3).to(torch.float8_e5m2)), "is of type F8_E5M2"),
    "a count": (lambda t: t.update({n: v.float() for n, v in t.items() if "batches" in n}), "torch.int64 is wanted"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_that_are_not_the_networks_are_named(kind, saved, tmp_path):
    tensors, header = dict(saved[0]), saved[1]
    change, says = TENSORS[kind]
    change(tensors)
    try:
        path = written(tmp_path / "made.safetensors", tensors, header)
    except KeyError:
        pytest.skip("this version of safetensors does not write such numbers")
    assert re.search(f"{says}|is not a whole safetensors file" if kind == "none" else says, refused(path))


def test_a_file_damaged_anywhere_loads_or_gets_a_sentence(saved, tmp_path):
    good = written(tmp_path / "good.safetensors", *saved).read_bytes()
    start = 8 + int.from_bytes(good[:8], "little")
    chance, path = random.Random(0), tmp_path / "damaged.safetensors"
    cuts = [good[:n] for n in [*range(0, start, 41), *range(start, len(good), 997), len(good) - 1]]
    longer = [n.to_bytes(8, "little") + good[8:] for n in (0, 1, len(good), 10**8, 2**63, 2**64 - 1)]
    flipped = []
    for _ in range(300):
        other = bytearray(good)
        other[chance.randrange(start)] = chance.randrange(256)
        flipped.append(bytes(other))
    for damaged in [*cuts, *longer]:
        path.write_bytes(damaged)
        refused(path)
    sentences = 0
    for damaged in flipped:
        path.write_bytes(damaged)
        try:
            assert isinstance(segedu.load(path), models.SmallNet)
        except CheckpointError as error:
            assert str(path) in str(error)
            sentences += 1
    assert sentences > 200


class Trap:
    def __reduce__(self):
        return sys.exit, ("it was unpickled",)


def test_files_of_torch_are_never_opened_and_the_way_out_leads_there(tmp_path):
    torch.manual_seed(0)
    net, path = models.SmallNet(2, width=8), tmp_path / "best.pth"
    for new in (True, False):
        torch.save(net.state_dict(), path, _use_new_zipfile_serialization=new)
        for model in (None, net):
            sentence = refused(path, model)
            assert "torch.save writes it" in sentence
        fresh = models.SmallNet(2, width=8)
        exec(sentence[sentence.index("model.load_state_dict") :].split(" (with")[0], {"model": fresh, "torch": torch})
        loaded = segedu.load(segedu.save(tmp_path / "new.safetensors", fresh))
        assert torch.equal(loaded.score.weight, net.score.weight)
        torch.save({"state": Trap()}, path, _use_new_zipfile_serialization=new)
        refused(path)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(Trap(), protocol))
        refused(path)


def test_other_kinds_of_files_get_a_sentence(tmp_path):
    path = tmp_path / "net.safetensors"
    assert "is a folder" in refused(tmp_path)
    for content in (b"", b"version https://git-lfs.github.com/spec/v1\n", b"<!DOCTYPE html>" * 100, b"{}", bytes(1000)):
        path.write_bytes(content)
        assert "is not a whole safetensors file" in refused(path)
    np.savez(archive := io.BytesIO(), a=np.zeros(3))
    path.write_bytes(archive.getvalue())
    assert "is a ZIP archive" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net.safetensors", b"")
    assert "unpack it" in refused(path)
    for metadata in (None, {"format": "pt"}, {"modelspec.title": "x"}):
        safetensors.torch.save_file({"a": torch.zeros(2)}, path, metadata=metadata)
        assert "was not written by segedu.save" in refused(path)
    with pytest.raises(FileNotFoundError, match="shipped are"):
        segedu.load(tmp_path / "nothing.safetensors")


def wrapped(net):
    return {
        "DataParallel": nn.DataParallel(net),
        "compiled": torch.compile(net, backend="eager"),
        "both": nn.DataParallel(torch.compile(net, backend="eager")),
    }


@pytest.mark.parametrize("kind", ["DataParallel", "compiled", "both"])
def test_a_wrapped_network_is_saved_as_itself_and_filled_in_place(kind, tmp_path):
    torch.manual_seed(0)
    net = models.SmallNet(3, in_channels=1, width=8)
    net.labels = BOXES
    path = segedu.save(tmp_path / "net.safetensors", wrapped(net)[kind])
    loaded = segedu.load(path)
    assert type(loaded) is models.SmallNet and loaded.config == net.config and loaded.labels == BOXES
    assert all(torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), net.state_dict().values(), strict=True))
    other = wrapped(inner := models.SmallNet(3, in_channels=1, width=8))[kind]
    assert segedu.load(path, model=other) is other and torch.equal(inner.score.weight, net.score.weight)
    assert unwrapped(other) is inner and inner.labels == BOXES and not inner.training


def test_a_network_in_a_row_is_ones_own(tmp_path):
    row = nn.Sequential(models.SmallNet(3, width=8))
    path = segedu.save(tmp_path / "row.safetensors", row)
    assert "class 'Sequential' that segedu.models does not know" in refused(path)
    loaded = segedu.load(path, model=nn.Sequential(models.SmallNet(3, width=8)))
    assert torch.equal(loaded[0].score.weight, row[0].score.weight)


def test_a_class_of_ones_own_may_have_a_name_of_ours_and_any_config(tmp_path):
    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.score, self.config, self.labels = nn.Conv2d(3, 2, 1), {"of": {1, 2}}, ["a", "b"]

    path = segedu.save(tmp_path / "net.safetensors", net := UNet())
    assert "class 'UNet' that segedu.models does not know" in refused(path)
    assert torch.equal(segedu.load(path, model=UNet()).score.weight, net.score.weight)


def test_what_cannot_be_saved_gets_a_sentence(tmp_path):
    net, path = models.SmallNet(3, width=8), tmp_path / "net.safetensors"
    for says, arguments, options in (
        ("This Identity has no weights", [nn.Identity()], {}),
        ("takes a model .nn.Module., got OrderedDict", [net.state_dict()], {}),
        ("labels must be a .*LabelTable, got list", [net], {"labels": ["a", "b"]}),
        ("must not start with 'model.', as 'model.x'", [net], {"tensors": {"model.x": torch.zeros(1)}}),
        ("'x' is of type list", [net], {"tensors": {"x": [1.0]}}),
        ("notes= must be what JSON can hold", [net], {"notes": {"score": np.zeros(3)}}),
    ):
        with pytest.raises(CheckpointError, match=says):
            segedu.save(path, *arguments, **options)
        assert not path.exists()
    net = models.SmallNet(np.int64(3), width=np.uint8(200))
    segedu.save(path, net, notes={"step": np.int64(3), "score": torch.tensor(0.5), "iou": np.float32(0.25)})
    assert read(path)[1]["notes"] == {"step": 3, "score": 0.5, "iou": 0.25}
    assert segedu.load(path).config == {"num_classes": 3, "in_channels": 3, "width": 200}


def test_a_network_in_halves_or_doubles_comes_in_float32(tmp_path):
    for half in (torch.float16, torch.bfloat16, torch.float64):
        net = models.SmallNet(3, width=8).to(half)
        net.look_around.float()  # as those do who keep batch normalisation exact
        path = segedu.save(tmp_path / "net.safetensors", net)
        if half != torch.float64:
            assert read(path)[1]["precision"] == str(half).removeprefix("torch.")
            loaded = segedu.load(path)
        else:  # neither precision is the whole file's: its owner has to build it
            assert "torch.float64, not float32" in refused(path)
            loaded = segedu.load(path, model=models.SmallNet(3, width=8))
        assert {t.dtype for t in loaded.state_dict().values()} == {torch.float32, torch.int64}
        assert torch.equal(loaded.score.weight, net.score.weight.float())


@pytest.mark.parametrize("size", [0, 65537, 1.0, "1", None, True, np.bool_(True), [1], math.nan, torch.zeros(2)])
def test_a_size_is_a_whole_number(size):
    with pytest.raises(ValueError, match="width=.* should be a whole number from 1 to 65536"):
        whole(width=size)
    assert whole(width=np.uint8(255), depth=torch.tensor(2)) == (255, 2)


def notes(**changes):
    return lambda tensors, notes: (tensors, notes | changes)


RUNS = {
    "weights alone": (lambda t, n: (t, {}), "notes lacks 'budget'"),
    "another key": (notes(more=1), "notes has an unknown 'more'"),
    "threads of text": (notes(threads="2"), "notes.'threads'. cannot be '2'"),
    "a recipe of text": (notes(recipe="slow"), "cannot be 'slow'"),
    "no groups": (notes(groups=[]), "0 groups of parameters, not 1"),
    "a group of text": (notes(groups=["lr"]), "an entry of notes.'groups'. cannot be 'lr'"),
    "a rate of text": (lambda t, n: (t, n | {"groups": [n["groups"][0] | {"lr": "fast"}]}), "cannot be 'fast'"),
    "parameters": (lambda t, n: (t, n | {"groups": [n["groups"][0] | {"params": [0]}]}), "an unknown 'params'"),
    "a schedule": (lambda t, n: (t, n | {"scheduler": n["scheduler"] | {"optimizer": 1}}), "an unknown 'optimizer'"),
    "a schedule of lists": (notes(scheduler=[]), r"cannot be \[\]"),
    "a history of text": (lambda t, n: (t, n | {"history": n["history"] | {"loss": "abc"}}), "cannot be 'abc'"),
    "losses of text": (lambda t, n: (t, n | {"history": n["history"] | {"loss": ["a"] * 2}}), "cannot be 'a'"),
    "losses true": (lambda t, n: (t, n | {"history": n["history"] | {"loss": [True] * 2}}), "cannot be True"),
    "fewer losses": (lambda t, n: (t, n | {"history": n["history"] | {"loss": []}}), "not as many learning rates"),
    "a score": (lambda t, n: (t, n | {"history": n["history"] | {"validations": [{"step": 1}]}}), "lacks 'mean_iou'"),
    "more history": (lambda t, n: (t, n | {"history": n["history"] | {"x": 1}}), "has an unknown 'x'"),
    "best lacks": (lambda t, n: ({k: v for k, v in t.items() if k != "best.score.bias"}, n), "lacks 'best.score.bias'"),
    "a slot": (lambda t, n: (t | {"optimizer.x.exp_avg": torch.zeros(1)}, n), "fits no parameter"),
    "beyond": (lambda t, n: (t | {"optimizer.999.exp_avg": torch.zeros(1)}, n), "fits no parameter"),
    "its shape": (lambda t, n: (t | {"optimizer.0.exp_avg": torch.zeros(7)}, n), "of shape .7,. fits no parameter"),
}  # fmt: skip


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.safetensors"
    segedu.fit(models.SmallNet(3, width=8), Boxes(4), Boxes(2), **RUN, checkpoint=path)
    return read(path)


RUN = {"steps": 2, "batch_size": 2, "progress": False}


@pytest.mark.parametrize("kind", RUNS)
def test_a_training_that_cannot_be_gone_on_with_gets_a_sentence(kind, run_file, tmp_path):
    tensors, header = run_file
    change, says = RUNS[kind]
    tensors, changed = change(tensors, header["notes"])
    path = written(tmp_path / "run.safetensors", tensors, header | {"notes": changed})
    with pytest.raises(CheckpointError, match=says) as caught:
        segedu.fit(models.SmallNet(3, width=8), Boxes(4), Boxes(2), **RUN, checkpoint=path, resume=True)
    assert str(path) in str(caught.value)
