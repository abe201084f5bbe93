"""The one door of ids: each form that people bring gives the right value, or a sentence whose advice works."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from segedu import metrics
from segedu.ids import NOTHING, class_ids, consecutive, ignored_id, map_list, map_pairs, object_ids
from segedu.inference import track
from segedu.inputs import whole_number
from segedu.labels import CELLS, STREET
from segedu.masks import MaskError, object_classes, validate_mask, void_border
from segedu.metrics.video import IdMetrics

IDS = np.array([[0, 1, 2], [3, 1, 0]])
TRUE = np.zeros((40, 40), int)
TRUE[2:20, 2:20], TRUE[22:38, 22:38] = 1, 2
FOUND = np.zeros((40, 40), int)
FOUND[2:20, 2:16], FOUND[22:38, 24:38], FOUND[30:34, 2:6] = 1, 2, 3


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


FORMS = {
    "big endian": IDS.astype(">u2"),
    "negative strides": IDS[:, ::-1].copy()[:, ::-1],
    "read-only": read_only(IDS),
    "uint16": IDS.astype(np.uint16),
    "uint32": IDS.astype(np.uint32),
    "uint64": IDS.astype(np.uint64),
    "int8": IDS.astype(np.int8),
    "Fortran": np.asfortranarray(IDS),
    "list": IDS.tolist(),
    "list of rows": list(IDS),
    "list of tensors": list(torch.from_numpy(IDS)),
    "tensor": torch.from_numpy(IDS),
    "uint16 tensor": torch.from_numpy(IDS.astype(np.uint16)),
    "with gradient elsewhere": torch.from_numpy(IDS).int(),
    "unmasked": np.ma.masked_equal(IDS, 99),
    "picture": Image.fromarray(IDS.astype(np.uint8)),
    "16 bits": Image.fromarray(IDS.astype(np.uint16)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_ids_is_the_same_ids(form):
    given = FORMS[form]
    assert class_ids(given).tolist() == IDS.tolist() and class_ids(given).dtype.isnative
    validate_mask(given, 4)
    assert metrics.ConfusionMatrix(4).update(given, IDS).pixel_accuracy() == 1
    assert metrics.ConfusionMatrix(4).update(IDS, given).counts.sum() == 6
    assert metrics.average_precision([given], [IDS]).mean() == 1
    assert track([given]).shape == (1, 2, 3) and metrics.id_metrics([IDS], [given]).idf1() == 1
    assert object_classes(given, given) == {1: 1, 2: 2, 3: 3}
    assert metrics.rand_error(IDS, IDS) == metrics.rand_error(IDS, np.asarray(IDS))
    assert metrics.border_band(given, 1).all()
    assert void_border(given, instances=given).dtype == np.uint8


def test_booleans_are_zero_and_one():
    assert class_ids(IDS > 0).tolist() == (IDS > 0).astype(int).tolist()
    assert metrics.ConfusionMatrix(2).update(IDS > 0, torch.from_numpy(IDS > 0)).mean_iou() == 1


@pytest.mark.parametrize(
    ("given", "says", "advice"),
    [
        (np.ma.masked_equal(np.uint8([[0, 2]]), 2), "1 of 2 pixels", lambda m: m.filled(255)),
        (np.ma.masked_equal(np.int8([[0, 2]]), 2), r"astype\(int\).filled\(255\)", lambda m: m.astype(int).filled(255)),
        (np.float32([[0, 2]]), r'such as 2.0: mask = mask.astype\("uint8"\)', lambda m: m.astype("uint8")),
        (np.float32([[0, 300]]), r'mask.astype\("int64"\)', lambda m: m.astype("int64")),
        (np.float16([[0, 3]]), "float16 .*uint8", lambda m: m.astype("uint8")),
        (torch.tensor([[0.0, 3]]).bfloat16(), r"bfloat16 .*mask.long\(\)", lambda m: m.long()),
        (np.array([[np.nan, 1]]), "NaN", lambda m: np.where(np.isnan(m), 255, m).astype("int64")),
        (np.array([[0.31, 0.9]]), "mask >= 0.5", lambda m: m >= 0.5),
        (IDS[None], "squeeze", lambda m: m.squeeze()),
        (IDS[..., None], "squeeze", lambda m: m.squeeze()),
        (IDS[None, :1], r"mask\[0\]", lambda m: m[0]),
    ],
)
def test_what_is_refused_is_refused_with_advice_that_works(given, says, advice):
    with pytest.raises(MaskError, match=says):
        class_ids(given)
    assert class_ids(advice(given)).ndim == 2


@pytest.mark.parametrize(("kind", "limit"), [(np.float16, 2048), (np.float32, 2**24), (torch.bfloat16, 256)])
def test_floats_that_have_lost_ids_are_not_made_whole(kind, limit):
    values = torch.tensor([[0, limit + 1]]).to(kind) if isinstance(kind, torch.dtype) else kind([[0, limit + 1]])
    with pytest.raises(MaskError, match=f"From {limit} on"):
        class_ids(values)


def test_masked_pixels_are_nowhere_a_class():
    truth = np.ma.masked_equal(np.uint8([[0, 1], [2, 2]]), 2)
    for call in (
        lambda: validate_mask(truth, 3),
        lambda: metrics.ConfusionMatrix(3).update(truth.data, truth),
        lambda: metrics.ConfusionMatrix(3).update(truth.data[None], [truth]),
        lambda: metrics.average_precision([truth], [truth]),
        lambda: track([truth]),
    ):
        with pytest.raises(MaskError, match="masked array"):
            call()


def test_large_ids_stay_apart():
    ids = np.array([[2**24, 2**24 + 1, 2**40, 2**62 + 1]])
    of_unsigned = object_classes(np.array([[1, 2, 3, 4]]), ids.astype(np.uint64))
    assert of_unsigned == dict(zip(ids[0].tolist(), (1, 2, 3, 4), strict=True))
    assert metrics.border_band(ids, 1).all()
    one = [(np.ones((1, 4), int), ids)]
    assert metrics.panoptic_quality(one, one, CELLS).matched.tolist() == [0, 4]
    with pytest.raises(MaskError, match="negative id stored without sign"):
        class_ids(np.array([[2**64 - 1, 0]], np.uint64))


def test_ids_below_zero_are_nowhere_an_object():
    ids = np.array([[-1, 1]])
    for call in (
        lambda: object_ids(ids),
        lambda: object_classes(abs(ids), ids),
        lambda: void_border(abs(ids), instances=ids),
        lambda: metrics.size_stratified_iou(abs(ids), abs(ids), ids, 1),
        lambda: metrics.average_precision(ids, ids),
        lambda: metrics.panoptic_quality((abs(ids), ids), (abs(ids), ids), CELLS),
    ):
        with pytest.raises(ValueError, match="holds -1"):
            call()
    assert object_ids(np.where(ids < 0, 0, ids)).tolist() == [[0, 1]]


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.uint64])
def test_consecutive_ids_keep_their_order_and_zero(kind):
    assert consecutive(np.array([[9, 0], [7, 200]], kind)).tolist() == [[2, 0], [1, 3]]
    assert consecutive(np.array([[9, 7]], kind)).tolist() == [[2, 1]], "without a 0 the ids begin at 1, too"
    assert consecutive(np.array([[2**40 + 1, 2**40]])).tolist() == [[2, 1]]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_the_smaller_class_wins_a_tie_whatever_the_dtype(kind):
    assert object_classes(np.uint8([[0, 0, 5, 5]]), np.ones((1, 4), kind)) == {1: 0}


# One map, a list of maps, a stack


def test_one_map_alone_is_a_list_of_one():
    expected = metrics.average_precision([FOUND], [TRUE]).mean()
    assert expected == pytest.approx(0.43366, abs=1e-5)
    for found, true in ((FOUND, TRUE), (FOUND[None], TRUE[None]), (iter([FOUND]), torch.from_numpy(TRUE))):
        assert metrics.average_precision(found, true).mean() == expected
    scores = {1: 0.9, 2: 0.8, 3: 0.1}
    with_scores = metrics.average_precision(FOUND, TRUE, scores=scores).mean()
    assert with_scores == metrics.average_precision([FOUND], [TRUE], scores=[scores]).mean()
    assert metrics.id_metrics(FOUND, TRUE) == metrics.id_metrics([FOUND], [TRUE]) == IdMetrics(2, 3, 2, 2, 0)
    assert math.isnan(metrics.temporal_consistency(FOUND, TRUE))
    assert np.array_equal(track(FOUND), track([FOUND]))
    pair = (np.minimum(TRUE, 1), TRUE)
    assert metrics.panoptic_quality(pair, pair, CELLS).matched.tolist() == [1, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.average_precision(FOUND[..., None], TRUE[..., None]),
        lambda: metrics.average_precision(FOUND.tolist(), TRUE.tolist()),
        lambda: metrics.id_metrics([FOUND[None]], [TRUE[None]]),
        lambda: metrics.id_metrics([FOUND], []),
        lambda: metrics.temporal_consistency([FOUND, FOUND], [TRUE]),
        lambda: metrics.boundary_iou(FOUND[..., None], TRUE[..., None], 4),
        lambda: metrics.border_band(FOUND[..., None], 1),
        lambda: metrics.rand_error([FOUND, FOUND], [TRUE, TRUE]),
        lambda: metrics.panoptic_quality(np.stack([TRUE, TRUE]), np.stack([TRUE, TRUE]), CELLS),
        lambda: metrics.panoptic_quality(np.stack([[TRUE] * 2] * 2), np.stack([[TRUE] * 2] * 2), CELLS),
        lambda: track(FOUND[..., None]),
        lambda: list(map_pairs([FOUND], [TRUE, TRUE])),
    ],
)
def test_what_could_mean_two_things_is_refused(call):
    with pytest.raises(ValueError, match=r"shape|no (prediction|target) \d|list|pair"):
        call()


def test_map_list_is_no_list_of_letters():
    for nothing in ("abc", 3, {1: FOUND}):
        with pytest.raises(TypeError, match="should be a list of maps"):
            map_list(nothing)


# What is ignored


def test_nothing_one_value_or_a_class_may_be_ignored():
    ids = torch.tensor([[0, 1, 2, 0]])
    assert ignored_id(None) == NOTHING and ignored_id(np.uint8(255)) == 255
    assert metrics.ConfusionMatrix(3, None).update(ids, ids).counts.sum() == 4
    assert metrics.ConfusionMatrix(3, 0).update(ids, ids).counts.sum() == 2
    with pytest.raises(ValueError, match="nothing is ignored"):
        metrics.ConfusionMatrix(3, None).update(ids, ids + 253)
    for several in ([0, 255], 0.5, "255"):
        with pytest.raises(TypeError, match=r"one whole number, or None.*np.isin"):
            metrics.ConfusionMatrix(3, several)
    for call in (metrics.boundary_iou, metrics.trimap_curve):
        call(ids, ids, 3, ignore_index=None)
        with pytest.raises(TypeError, match="one whole number"):
            call(ids, ids, 3, ignore_index=[0, 255])


def test_an_ignored_class_has_no_band_and_no_objects():
    true = torch.zeros(20, 20, dtype=torch.int64)
    true[5:15, 5:15] = 1
    scores = metrics.boundary_iou(true, true, 2, ignore_index=0)
    assert scores[0].isnan() and scores[1] == 1
    found = torch.zeros_like(true)
    found[5:15, 7:17] = 1
    assert metrics.boundary_iou(found, true, 2, ignore_index=0)[0] == 0, "class 0 is predicted where it is not true"
    assert metrics.size_stratified_iou(true, true, true, 1, ignore_index=1).isnan().all()


def test_a_number_of_pixels_is_whole():
    assert whole_number(np.int64(3), "width", 1) == 3
    for wrong in (0, 1.5, "2", None):
        with pytest.raises(ValueError, match="width=.* whole number of at least 1"):
            whole_number(wrong, "width", 1)
    with pytest.raises(ValueError, match="width=0.5"):
        metrics.border_band(IDS, 0.5)
    with pytest.raises(ValueError, match="width=-1"):
        void_border(IDS, -1)


# What validate_mask advises


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_negative_values_become_void_as_advised(kind):
    for mask, advised in (
        (kind([[-1, 2]]), None),
        (read_only(kind([[-1, 2]])), "np.where(mask < 0, 255, mask.astype(int))"),
    ):
        with pytest.raises(MaskError, match="mask < 0") as caught:
            validate_mask(mask, STREET)
        line = str(caught.value).rsplit(": ", 1)[1]
        names = {"mask": mask, "np": np}
        exec(line, names)  # the advice itself
        assert names["mask"].tolist() == [[255, 2]] and (advised is None or advised in line)


def test_ids_from_one_with_void_at_zero_are_recognised():
    mask = np.array([[0, 1, 17, 150]], np.uint8)
    with pytest.raises(MaskError, match="0 is void and the classes are 1, 2") as caught:
        validate_mask(mask, 150)
    line = str(caught.value).rsplit("ADE20K: ", 1)[1].removesuffix(", in every mask of the set.")
    names = {"mask": mask, "np": np}
    exec(line, names)
    assert names["mask"].tolist() == [[255, 0, 16, 149]]
    validate_mask(names["mask"], np.int64(150))


def test_exchanged_sides_name_exif_and_pils_order():
    stored = (np.arange(48).reshape(6, 8) % 5).astype(np.uint8)
    with pytest.raises(MaskError, match=r"image.size\[::-1\].*EXIF.*np.rot90\(mask, -1\) for orientation 6.*mask.T"):
        validate_mask(stored, 5, size=(8, 6))
