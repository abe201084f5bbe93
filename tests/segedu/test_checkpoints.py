"""Weights come back as they were; a crash at any byte loses nothing; a foreign or damaged file is named."""

import json
import stat
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import distributed, nn

import segedu
from segedu.labels import OBJECTS, STREET
from segedu.models import SmallNet
from segedu.training.checkpoints import CheckpointError, read
from tests.tiny import BOXES, Boxes


def net(seed=0):
    torch.manual_seed(seed)
    return SmallNet(3, width=8)


def test_a_model_comes_back_in_eval_mode_with_its_labels(tmp_path):
    model = net()
    model(torch.rand(2, 3, 32, 32))  # moves the batch-norm statistics off their start
    path = segedu.save(tmp_path / "net.safetensors", model, labels=BOXES)
    loaded = segedu.load(path)
    assert isinstance(loaded, SmallNet) and not loaded.training and loaded.labels == BOXES
    assert loaded.config == model.config
    image = torch.rand(1, 3, 40, 50)
    torch.testing.assert_close(loaded(image), model.eval()(image))
    assert segedu.load(segedu.save(tmp_path / "again.safetensors", loaded)).labels == BOXES


def test_the_header_is_json_that_says_what_the_file_is(tmp_path):
    path = segedu.save(tmp_path / "net.safetensors", net(), labels=BOXES, notes={"score": 0.5})
    _, header = read(path)
    assert header["class"] == "SmallNet" and header["config"]["width"] == 8
    assert header["notes"] == {"score": 0.5} and header["labels"]["names"][1] == "bright box"
    assert header["precision"] == "float32" and header["threads"] == torch.get_num_threads()
    json.dumps(header)


def test_a_file_cut_anywhere_is_named_and_what_was_there_stays(tmp_path, monkeypatch):
    path = segedu.save(tmp_path / "net.safetensors", net(0))
    good = path.read_bytes()
    newer = segedu.save(tmp_path / "newer.safetensors", net(1)).read_bytes()
    for cut in [0, 1, 7, 8, 9, 100, len(newer) // 2, len(newer) - 1]:

        def crash(path, content, cut=cut):
            with open(path, "wb") as file:
                file.write(newer[:cut])
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(Path, "write_bytes", crash)
            segedu.save(path, net(1))
        assert path.read_bytes() == good
        assert sorted(file.name for file in tmp_path.iterdir()) == ["net.safetensors", "newer.safetensors"]
        damaged = tmp_path / "damaged.safetensors"
        damaged.write_bytes(newer[:cut])
        with pytest.raises(CheckpointError, match="damaged.safetensors is not a whole"):
            segedu.load(damaged)
        damaged.unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_a_class_can_read_what_its_teacher_saved(tmp_path):
    (tmp_path / "usual").write_text("")
    path = segedu.save(tmp_path / "net.safetensors", net())
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_an_unknown_name_lists_what_ships():
    with pytest.raises(FileNotFoundError, match="no shipped weights of that name; shipped are: "):
        segedu.load("no_such_weights")


def test_a_foreign_file_and_a_foreign_class(tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(2)}, foreign)
    with pytest.raises(CheckpointError, match="was not written by segedu.save"):
        segedu.load(foreign)

    class Mine(nn.Sequential):
        pass

    mine = Mine(nn.Conv2d(3, 2, 1))
    path = segedu.save(tmp_path / "mine.safetensors", mine)
    with pytest.raises(CheckpointError, match="'Mine'.*model=your_model"):
        segedu.load(path)
    loaded = segedu.load(path, Mine(nn.Conv2d(3, 2, 1)))
    assert torch.equal(loaded[0].weight, mine[0].weight)
    with pytest.raises(CheckpointError, match="do not fit this Mine"):
        segedu.load(path, Mine(nn.Conv2d(3, 4, 1)))


def test_what_load_would_not_take_is_not_saved(tmp_path):
    sparse = nn.Conv2d(1, 1, 1)
    sparse.register_buffer("table", torch.zeros(2, 2).to_sparse())
    small = SmallNet(2, width=4)
    for model, options, words in (
        (small, {"notes": ["best"]}, "notes= takes a dict"),
        (small, {"tensors": [torch.zeros(2)]}, "tensors= takes a dict"),
        (nn.LazyConv2d(2, 1), {}, "run the model once"),
        (nn.Conv2d(1, 1, 1, device="meta"), {}, "empty"),
        (sparse, {}, "to_dense"),
        (nn.Conv2d(1, 1, 1).to(torch.float8_e4m3fn), {}, r"model.float\(\)"),
    ):
        with pytest.raises(CheckpointError, match=words):
            segedu.save(tmp_path / "model.safetensors", model, **options)
    with pytest.raises(CheckpointError, match="is a folder; name a file in it"):
        segedu.save(tmp_path, small)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrap", [lambda net: net, nn.DataParallel])
def test_a_class_table_has_one_name_a_class(tmp_path, wrap):
    with pytest.raises(CheckpointError, match="has 11 names .sky, .* this SmallNet 3 classes"):
        segedu.save(tmp_path / "net.safetensors", wrap(net()), labels=STREET)
    model = net()
    model.labels = OBJECTS
    with pytest.raises(CheckpointError, match="has 2 names"):
        segedu.save(tmp_path / "net.safetensors", wrap(model))
    assert not list(tmp_path.iterdir())
    one_logit = segedu.save(tmp_path / "one.safetensors", wrap(SmallNet(1, width=4)), labels=OBJECTS)
    assert segedu.load(one_logit).labels == OBJECTS


def test_fit_sees_a_wrong_class_table_before_it_learns(tmp_path):
    model, before = net(), net()
    model.labels = OBJECTS
    with pytest.raises(CheckpointError, match="has 2 names"):
        segedu.fit(model, Boxes(), steps=2, batch_size=4, checkpoint=tmp_path / "run.safetensors", progress=False)
    assert torch.equal(model.score.weight, before.score.weight)


@pytest.mark.skipif(not distributed.is_available(), reason="this torch is built without it")
def test_a_network_in_distributed_data_parallel_is_saved_and_predicts(tmp_path):
    model, image = net(), torch.rand(3, 40, 50)
    model(torch.rand(2, 3, 32, 32))
    expected = segedu.semantic_segmentation(model, image)
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(model)
        assert (segedu.semantic_segmentation(wrapped, image) == expected).all()
        history = segedu.fit(wrapped, Boxes(), steps=2, batch_size=4, progress=False)
        path = segedu.save(tmp_path / "net.safetensors", wrapped, labels=BOXES)
        learnt = segedu.semantic_segmentation(wrapped, image)
    finally:
        distributed.destroy_process_group()
    assert len(history.loss) == 2 and not torch.equal(model.score.weight, net().score.weight)
    loaded = segedu.load(path)
    assert loaded.labels == BOXES and (segedu.semantic_segmentation(loaded, image) == learnt).all()
