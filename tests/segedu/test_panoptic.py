"""Panoptic-DeepLab: its loss by hand, every part learns, one picture is learnt to its last object; files."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import segedu
from segedu.centres import centre_targets
from segedu.datasets.base import SegmentationDataset
from segedu.labels import LabelTable
from segedu.losses import panoptic_loss
from segedu.metrics import average_precision, panoptic_quality
from segedu.models import PanopticDeepLab, PanopticOutput

LABELS = LabelTable(("wall", "box", "stripe"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)), ("box",))


class OnePicture(SegmentationDataset):
    """Grey boxes before a wall with a stripe; two of them touch and differ a little, one is cut by the edge."""

    labels = LABELS

    def __init__(self):
        super().__init__(instances=True)

    def __len__(self):
        return 8

    def _read(self, index):
        ids, mask = np.zeros((48, 64), np.int32), np.zeros((48, 64), np.uint8)
        mask[38:] = 2
        for number, (top, left) in enumerate(((4, 4), (4, 16), (20, 30), (16, 56), (26, 8)), start=3):
            ids[top : top + 12, left : left + 12] = number
        mask[ids > 0] = 1
        image = np.choose(mask, [40, 130, 220])[..., None] + np.zeros(3)
        image[..., 0] += 9 * ids
        return np.clip(image, 0, 255).astype(np.uint8), mask, ids


def net(**options) -> PanopticDeepLab:
    torch.manual_seed(0)
    return PanopticDeepLab(3, **{"width": 4} | options)


@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("size", [(32, 32), (47, 61)])
def test_every_size_comes_back_at_its_size(stride, size):
    output = net(output_stride=stride)(torch.rand(2, 3, *size))
    assert [tuple(part.shape) for part in output] == [(2, channels, *size) for channels in (3, 1, 2)]
    with pytest.raises(ValueError, match="output_stride=4 is unknown"):
        net(output_stride=4)


def test_the_loss_by_hand():
    ids = torch.zeros(2, 8, 8, dtype=torch.int64)
    ids[0, 1:4, 1:4] = 5
    mask = (ids > 0).long()
    mask[:, 7] = 255
    torch.manual_seed(0)
    output = PanopticOutput(torch.randn(2, 3, 8, 8), torch.randn(2, 1, 8, 8), torch.randn(2, 2, 8, 8))
    heat, offsets = centre_targets(ids, sigma=1.5)
    classes = F.cross_entropy(output.logits, mask, ignore_index=255)
    squares = sum(float((output.centres[n, 0, y, x] - heat[n, 0, y, x]) ** 2) for n, y, x in np.ndindex(2, 8, 8))
    ways = sum(
        abs(float(output.offsets[0, axis, y, x]) - (2 - (y, x)[axis]))
        for axis, y, x in np.ndindex(2, 8, 8)
        if ids[0, y, x]
    )
    expected = classes + 50 * squares / 128 + 0.3 * ways / 18
    assert panoptic_loss(output, mask, ids, sigma=1.5, centre_weight=50, offset_weight=0.3) == pytest.approx(expected)
    weights = torch.tensor([1.0, 5.0, 2.0])
    more = F.cross_entropy(output.logits, mask, ignore_index=255, weight=weights) - classes
    weighted = panoptic_loss(output, mask, ids, sigma=1.5, centre_weight=50, offset_weight=0.3, class_weights=weights)
    assert weighted == pytest.approx(expected + more) and more.abs() > 0.01
    perfect = PanopticOutput(100 * F.one_hot(mask % 255, 3).movedim(3, 1).float(), heat, offsets)
    assert panoptic_loss(perfect, mask, ids, sigma=1.5) < 1e-4
    assert offsets.abs().sum() > 0 and panoptic_loss(output, mask, 0 * ids).isfinite()


def test_what_is_no_object_has_no_say_in_the_offsets_and_every_parameter_learns():
    model, (image, mask, ids) = net(), OnePicture()[0]
    output = model(image[None])
    changed = output._replace(offsets=output.offsets + 9 * (ids == 0))
    value = panoptic_loss(output, mask[None], ids[None])
    torch.testing.assert_close(panoptic_loss(changed, mask[None], ids[None]), value)
    value.backward()
    idle = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert not idle, idle


def test_one_picture_is_learnt_to_its_last_object_and_found_again_by_tiles():
    model, data = net(width=8), OnePicture()
    history = segedu.fit(model, data, steps=90, batch_size=2, loss=panoptic_loss, learning_rate=1e-2, progress=False)
    assert history.loss[-1] < history.loss[0] / 10
    image, mask, ids = data[0]
    model.labels = LABELS
    found = segedu.instance_segmentation(model, image, method="centres", return_scores=True)
    assert sorted(found.scores) == [1, 2, 3, 4, 5] and min(found.scores.values()) > 0.3
    assert set(found.classes.values()) == {1}
    assert average_precision([found.ids], [ids], scores=[found.scores]).at(0.75) == 1
    quality = panoptic_quality([(found.mask, found.ids)], [(mask, ids)], LABELS)
    assert quality.rq().tolist() == [1, 1, 1] and quality.mean_pq() > 0.8
    merged = segedu.instance_segmentation(model, image, method="watershed")
    assert average_precision([merged], [ids]).at(0.75) < 1, "two that touch are one part of the map of classes"
    with pytest.raises(ValueError, match="margin=128"):
        segedu.instance_segmentation(model, image, method="centres", tile=64)


def test_it_comes_back_from_a_file(tmp_path):
    model = net(in_channels=1, rates=(1, 3), output_stride=16).eval()
    again = segedu.load(segedu.save(tmp_path / "net.safetensors", model, labels=LABELS))
    picture = torch.rand(1, 1, 40, 50)
    assert again.labels == LABELS
    torch.testing.assert_close(tuple(again(picture)), tuple(model(picture)))
