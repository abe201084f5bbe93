"""What comes in: samples, data sets, pictures and numbers in the forms in which other libraries have them."""

from functools import partial
from pathlib import PurePath

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, Subset
from torchvision.transforms.functional import center_crop

import segedu
from segedu.datasets import Photographs, ToyStreet
from segedu.masks import MaskError
from segedu.models import SmallNet, UNet
from segedu.pictures import picture_tensor
from segedu.training.first_batch import check_batch
from tests.tiny import Boxes

IMAGE = torch.rand(3, 32, 40, generator=torch.Generator().manual_seed(0))
MASK = (IMAGE[0] > 0.5).long()
PIXELS = np.random.default_rng(0).integers(0, 256, (37, 45, 3), np.uint8)


def fit(data, **options):
    torch.manual_seed(0)
    return segedu.fit(SmallNet(2, width=4), data, **{"steps": 1, "batch_size": 2, "progress": False} | options)


def evaluate(data):
    return segedu.evaluate(SmallNet(2, width=4), data)


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(IMAGE, MASK)])

    def __len__(self):
        return 1


BOTH = {
    "dicts": ([{"image": IMAGE, "mask": MASK}] * 2, TypeError, r"sample\['image'\], sample\['mask'\]"),
    "a DataLoader": (DataLoader([(IMAGE, MASK)] * 2, batch_size=2), TypeError, "loader.dataset, and batch_size=2"),
    "a generator": (iter([(IMAGE, MASK)]), TypeError, r"list\(…\)"),
    "two stacks": ((IMAGE[None], MASK[None]), TypeError, r"list\(zip\(images, masks\)\)"),
    "a folder": ("photographs", TypeError, "of type str"),
    "nothing": ([], ValueError, "no picture"),
    "images only": ([IMAGE] * 2, TypeError, "tuples"),
    "PIL pictures": ([(Image.fromarray(PIXELS), MASK)] * 2, TypeError, "picture_tensor"),
    "file names": ([("a.jpg", "a.png")] * 2, TypeError, "the image is of type str"),
    "no axis of channels": ([(IMAGE[0], MASK)] * 2, ValueError, r"image\[None\]"),
    "values to 255": ([(IMAGE * 255, MASK)] * 2, ValueError, "divide by 255"),
    "bytes": ([((IMAGE * 255).byte(), MASK)] * 2, ValueError, "got uint8"),
    "NaN": ([(IMAGE * torch.nan, MASK)] * 2, ValueError, "nan_to_num"),
    "white objects": ([(IMAGE, MASK * 255)] * 2, MaskError, r"mask == 255"),
    "void only": ([(IMAGE, MASK * 0 + 255)] * 2, MaskError, "255 .ignore. in all"),
    "ids without a class": ([(IMAGE, MASK * 7)] * 2, MaskError, "7 in"),
    "negative ids": ([(IMAGE, MASK - 1)] * 2, MaskError, r"mask.* < 0"),
    "masked masks": (
        [(IMAGE, np.ma.masked_equal(MASK.numpy().astype(np.uint8), 1))] * 2,
        ValueError,
        r"astype\(int\).filled\(255\)",
    ),
    "masked pictures": ([(np.ma.masked_less(IMAGE.numpy(), 0.1), MASK)] * 2, ValueError, r"image.filled\(0\)"),
    "a list of each": (([IMAGE] * 3, [MASK] * 3), TypeError, r"list\(zip\(images, masks\)\)"),
    "an IterableDataset with a length": (Stream(), TypeError, "of type Stream"),
    "channels last": ([(IMAGE.permute(1, 2, 0), MASK)] * 2, ValueError, r"permute\(2, 0, 1\)"),
    "16 bits": ([((IMAGE * 65535).to(torch.uint16), MASK)] * 2, ValueError, "largest value"),
    "an overshooting resize": ([(IMAGE * 1.2 - 0.1, MASK)] * 2, ValueError, r"clip\(0, 1\)"),
    "an infinite value": ([(IMAGE / IMAGE.round(), MASK)] * 2, ValueError, r"nan_to_num\(0, 1, 0\)"),
    "no pixel": ([(IMAGE[:, :0], MASK[:0])] * 2, ValueError, "no pixel"),
    "sparse": ([(IMAGE, MASK.to_sparse())] * 2, TypeError, r"to_dense\(\)"),
    "complex": ([(IMAGE.to(torch.complex64), MASK)] * 2, TypeError, r"abs\(\)"),
    "an axis of 1 first": ([(IMAGE, MASK[None])] * 2, MaskError, r"squeeze\(0\)"),
    "an axis of 1 last": ([(IMAGE, MASK[..., None])] * 2, MaskError, r"squeeze\(2\)"),
    "one-hot": ([(IMAGE, torch.stack([1 - MASK, MASK]))] * 2, MaskError, r"argmax\(0\)"),
    "one-hot, channels last": ([(IMAGE, torch.stack([1 - MASK, MASK], 2))] * 2, MaskError, r"argmax\(2\)"),
    "turned": ([(IMAGE, MASK.T)] * 2, MaskError, "exchanged"),
    "fractions": ([(IMAGE, MASK / 255)] * 2, MaskError, r"255\)"),
}


@pytest.mark.parametrize("name", BOTH)
def test_fit_and_evaluate_refuse_the_same(name):
    data, error, words = BOTH[name]
    for ask in (fit, evaluate):
        with pytest.raises(error, match=words):
            ask(data)


def test_the_data_set_for_validation_is_looked_at_before_anything_is_learnt():
    model, val = SmallNet(2, width=4), [(IMAGE, torch.full_like(MASK, 255))]
    before = model.score.weight.clone()
    with pytest.raises(MaskError, match="picture 0 .* in all of its"):
        segedu.fit(model, [(IMAGE, MASK)] * 2, val, steps=2, batch_size=2, progress=False)
    assert torch.equal(model.score.weight, before)
    segedu.fit(model, [(IMAGE, MASK)] * 2, [*val, (IMAGE, MASK)], steps=2, batch_size=2, progress=False)


def test_a_picture_of_background_and_void_among_others_is_sound():
    empty = torch.zeros_like(MASK)
    assert evaluate([(IMAGE, empty)]).counts.sum() == empty.numel()
    empty[:4] = 255
    assert evaluate([(IMAGE, empty), (IMAGE, MASK)]).counts.sum() == 2 * MASK.numel() - 4 * 40


@pytest.mark.parametrize("kind", [">f4", "float16", "float64"])
def test_arrays_of_numpy_are_samples_too(kind):
    pictures = [(IMAGE.numpy().astype(kind)[:, ::-1], MASK.numpy().astype(np.uint8 if kind == "float16" else ">i8"))]
    same = [(image.astype(np.float32).copy(), mask.astype(np.int64)) for image, mask in pictures]
    model = SmallNet(2, width=4)
    expected = segedu.evaluate(model, [(torch.from_numpy(image), torch.from_numpy(mask)) for image, mask in same])
    assert torch.equal(segedu.evaluate(model, pictures).counts, expected.counts)
    if kind != "float16":
        assert fit(pictures).loss == pytest.approx(fit(same).loss)


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int16, torch.uint16, torch.int32])
def test_masks_of_every_kind_of_whole_numbers_are_learnt(kind):
    assert fit([(IMAGE, MASK.to(kind))] * 2).loss == fit([(IMAGE, MASK)] * 2).loss


def test_a_model_is_a_module():
    for ask in (
        lambda model: segedu.semantic_segmentation(model, PIXELS),
        lambda model: segedu.instance_segmentation(model, PIXELS),
        lambda model: segedu.evaluate(model, [(IMAGE, MASK)]),
        lambda model: segedu.fit(model, [(IMAGE, MASK)], steps=1),
    ):
        for model in ("fcn8s_toystreet", PIXELS, lambda x: x):
            with pytest.raises(TypeError, match=r"segedu\.load\(name\)"):
                ask(model)


def test_what_a_loss_does_not_take_is_told():
    assert evaluate([(IMAGE, MASK, "name.png")]).counts.sum() == MASK.numel()
    with pytest.raises(TypeError, match=r"place 2 .*\[\(image, mask\) for image, mask, \*_ in data\]"):
        fit([(IMAGE, MASK, "name.png")] * 2)
    with pytest.raises(TypeError, match="lambda output, mask"):
        fit([(IMAGE, MASK, MASK)] * 2)
    by_hand = fit([(IMAGE, MASK, MASK)] * 2, loss=lambda output, mask, *rest: segedu.losses.cross_entropy(output, mask))
    assert by_hand.loss == fit([(IMAGE, MASK)] * 2).loss


def test_pictures_of_different_sizes_need_one_size_or_batches_of_one():
    growing = Boxes(4, growing=True)
    model = SmallNet(3, width=4)
    with pytest.raises(ValueError, match=r"resize\(\(128, 160\)\)"):
        segedu.fit(model, growing, steps=1, batch_size=2, progress=False)
    for data, size in ((growing, 1), (Boxes(4, growing=True, transform=segedu.transforms.augment((128, 160))), 2)):
        assert len(segedu.fit(model, data, steps=1, batch_size=size, progress=False).loss) == 1


@pytest.mark.parametrize("whole", [np.int64, np.uint8, torch.tensor, float])
def test_whole_numbers_of_other_libraries_are_whole_numbers(whole, tmp_path):
    data = [(IMAGE, MASK)] * 3
    how = {"batch_size": 2, "seed": 1, "steps": 2}
    other = fit(data, **{k: whole(v) for k, v in how.items()}, checkpoint=tmp_path / "run.safetensors")
    assert other.loss == fit(data, **how).loss
    fit(data, **how, checkpoint=tmp_path / "run.safetensors", resume=True)
    epochs = {"steps": None, "epochs": np.float32(1), "learning_rate": np.float32(1e-3)}
    optimizer = lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=np.float32(0.5))  # noqa: E731
    assert len(fit(data, **epochs, optimizer=optimizer, checkpoint=tmp_path / "epoch.safetensors").loss) == 2
    if whole is not float:
        ids = segedu.semantic_segmentation(SmallNet(2, width=4), PIXELS, tile=whole(64), margin=whole(0))
        assert ids.shape == (37, 45)
        assert torch.equal(Boxes(4)[whole(3)][0], Boxes(4)[3][0])
        street = ToyStreet("train", length=whole(4), seed=whole(2), size=(whole(32), whole(40)))
        assert torch.equal(street[whole(1)][0], ToyStreet("train", seed=2, size=(32, 40))[1][0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        *[({"batch_size": x}, "batch_size=") for x in (0, -1, 2.5, True, "2", None)],
        *[({"seed": x}, "seed=") for x in (-1, 0.5, "0", True)],
        *[({"learning_rate": x}, "learning_rate=") for x in (0, -1, float("nan"), float("inf"), "fast", True)],
        *[({"steps": x}, "exactly one budget") for x in (0, -3, 2.5, float("nan"), True, "10")],
        *[({"steps": None, "minutes": x}, "exactly one budget") for x in (float("nan"), float("inf"), "1", True)],
        ({"num_workers": -1}, "num_workers="),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        fit([(IMAGE, MASK)] * 2, **options)


def test_a_data_set_is_indexed_as_a_list_is():
    boxes, photographs = Boxes(4), Photographs(size=(40, 60))
    for _ in range(3):
        Subset(photographs, torch.randperm(8)[:1])[0]
        photographs[torch.tensor(2)], photographs[np.int64(2)], photographs[-6]
    assert len(photographs._kept) <= 4 and all(type(index) is int for index in photographs._kept)
    assert len(list(boxes)) == 4 and torch.equal(boxes[np.int8(-1)][0], boxes[3][0])
    with pytest.raises(IndexError, match="no picture 4"):
        boxes[torch.tensor(4)]
    for index in (slice(2), 1.5, "0", None, [0, 1], np.arange(2), True):
        with pytest.raises(TypeError, match="Subset"):
            boxes[index]


def test_pictures_in_arrays_of_any_memory():
    expected = picture_tensor(PIXELS)
    frozen = PIXELS.copy()
    frozen.flags.writeable = False
    for image in (PIXELS[::-1][::-1], np.asfortranarray(PIXELS), frozen, (PIXELS.astype(">u2") * 257)):
        assert torch.allclose(picture_tensor(image), expected)
    for kind in (">f4", ">f8", np.longdouble, np.float16):
        assert torch.allclose(picture_tensor((PIXELS / 255).astype(kind)), expected, atol=1e-3)
    assert torch.allclose(picture_tensor(expected.double().requires_grad_()), expected)
    with pytest.raises(ValueError, match="filled"):
        picture_tensor(np.ma.masked_less(PIXELS, 9))
    for image in (PIXELS + 1j, PIXELS.astype(object)):
        with pytest.raises(TypeError, match="numbers is wanted"):
            picture_tensor(image)


def test_files_that_are_damaged_closed_or_hold_several_pictures_are_named(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    Image.fromarray(PIXELS).save(path)
    (tmp_path / "cut.jpg").write_bytes(path.read_bytes()[:700])
    (tmp_path / "text.png").write_text("no picture")
    with Image.open(path) as closed:
        pass
    for image, name in (
        (tmp_path / "cut.jpg", "cut.jpg .*truncated.*Copy it again"),
        (Image.open(tmp_path / "cut.jpg"), "cut.jpg"),
        (tmp_path / "text.png", "text.png"),
        (tmp_path, str(tmp_path)),
        (closed, "a.jpg .*closed.*Give its path"),
    ):
        with pytest.raises(OSError, match=name):
            picture_tensor(image)
    Image.fromarray(PIXELS).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(OSError, match="MAX_IMAGE_PIXELS = None"):
        picture_tensor(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert picture_tensor(PurePath(path)).shape == (3, 37, 45)
    frames = [Image.fromarray(np.full((8, 9), value, np.uint8)) for value in (0, 51, 102)]
    for name in ("pages.tif", "film.gif", "film.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.raises(ValueError, match=rf"{name} holds 3 pages.*picture\.copy\(\)"):
            picture_tensor(tmp_path / name)
        picture = Image.open(tmp_path / name)
        picture.seek(2)
        assert picture_tensor(picture.copy()).unique().item() == pytest.approx(0.4)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_pillows_modes(mode):
    picture = Image.fromarray(np.full((8, 9, 3), 255, np.uint8)).convert(mode)
    assert picture_tensor(picture).min() > 0.99


def test_fit_says_that_a_network_without_padding_needs_smaller_masks():
    model = UNet(2, width=2, depth=1, padding=False)
    with pytest.raises(MaskError, match="center_crop"):
        segedu.fit(model, [(IMAGE, MASK)] * 2, steps=1, batch_size=2, progress=False)

    def advised(logits, mask):
        return segedu.losses.cross_entropy(logits, center_crop(mask, logits.shape[-2:]))

    assert segedu.fit(model, [(IMAGE, MASK)] * 2, steps=1, batch_size=2, progress=False, loss=advised).loss


@pytest.mark.parametrize("loss", ["cross_entropy", torch.nn.CrossEntropyLoss])
def test_what_is_no_loss_is_refused(loss):
    with pytest.raises(TypeError, match="with its brackets"):
        fit([(IMAGE, MASK)] * 2, loss=loss)


def test_logits_of_a_size_that_fits_nothing_are_named_in_fit_too():
    thirds = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.AvgPool2d(3))
    for ask in (
        lambda: segedu.fit(thirds, [(IMAGE, MASK)] * 2, steps=1),
        lambda: segedu.evaluate(thirds, [(IMAGE, MASK)]),
    ):
        with pytest.raises(ValueError, match="logits are 10 × 13"):
            ask()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"loss": lambda logits, mask: None}, TypeError, "gives NoneType"),
        ({"loss": lambda logits, mask: 0.5}, TypeError, "gives float"),
        ({"loss": torch.nn.CrossEntropyLoss(reduction="none")}, TypeError, r"\(2, 32, 40\); wanted .* one number"),
        ({"loss": lambda logits, mask: (logits.argmax(1) != mask).float().mean()}, ValueError, "leave out .* argmax"),
        ({"optimizer": "adam"}, TypeError, "functools.partial"),
        ({"optimizer": torch.optim.SGD(SmallNet(2).parameters(), lr=1)}, TypeError, "a class such as torch.optim.SGD"),
    ],
)
def test_what_is_no_loss_and_no_optimizer_is_named(options, error, words):
    with pytest.raises(error, match=words):
        fit([(IMAGE, MASK)] * 2, **options)


def test_a_folder_is_no_checkpoint(tmp_path):
    for resume in (False, True):
        with pytest.raises(IsADirectoryError, match="run.safetensors"):
            fit([(IMAGE, MASK)] * 2, checkpoint=tmp_path, resume=resume)


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (torch.optim.LBFGS, "LBFGS computes the loss several times a step.*AdamW.*lesson 04"),
        (partial(torch.optim.LBFGS, max_iter=3), "LBFGS computes the loss several times"),
        (lambda parameters, lr: None, "optimizer gives NoneType; wanted is a torch.optim.Optimizer"),
    ],
)
def test_an_optimizer_that_fit_cannot_drive_is_named(optimizer, words):
    with pytest.raises(TypeError, match=words):
        fit([(IMAGE, MASK)] * 2, optimizer=optimizer)


VOID = torch.where(IMAGE[1] < 0.3, 255, MASK)


@pytest.mark.parametrize(
    "loss",
    [
        torch.nn.CrossEntropyLoss(),
        torch.nn.functional.cross_entropy,
        lambda x, y: torch.nn.functional.cross_entropy(x, y),
    ],
    ids=["module", "function", "by hand"],
)
def test_void_that_a_loss_would_count_is_told_in_the_first_batch_and_later(loss):
    words = r"255, which means .*segedu\.losses\.cross_entropy.*ignore_index=255"
    later = [(IMAGE, MASK)] * 6 + [(IMAGE, VOID)] * 2
    for data, steps in (([(IMAGE, VOID)] * 2, 1), (later, 4)):
        with pytest.raises(ValueError, match=words):
            fit(data, loss=loss, steps=steps)
    assert fit([(IMAGE, MASK)] * 2, loss=loss).loss
    assert fit([(IMAGE, VOID)] * 2, loss=torch.nn.CrossEntropyLoss(ignore_index=255)).loss


class WrongFrom:
    """Sound samples, but for the sample of one index."""

    def __init__(self, index, sample):
        self.index, self.sample = index, sample

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return self.sample if index == self.index else (IMAGE, MASK.float())


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ((IMAGE * torch.nan, MASK.float()), r"Picture 7 of the data set.* nan … nan; .*nan_to_num"),
        ((IMAGE, MASK * torch.nan), r"in sample 7 of the data set.*place 1 is NaN.*data\[7\]\[1\]"),
    ],
)
def test_what_is_not_finite_in_a_later_batch_is_named_not_the_learning_rate(sample, words):
    def loss(logits, mask):
        return (logits[:, 0] - mask).square().mean()

    with pytest.raises(FloatingPointError, match=words) as caught:
        fit(WrongFrom(7, sample), loss=loss, steps=6)
    assert "learning" not in str(caught.value) and "at step 0" not in str(caught.value)


@pytest.mark.parametrize("loss", [torch.nn.CrossEntropyLoss(), torch.nn.functional.cross_entropy])
def test_void_in_the_first_batch_is_seen_before_the_loss_is_called(loss):
    """On a GPU torch's own check would end the process's work there."""
    images, masks = torch.stack([IMAGE] * 2), torch.stack([VOID] * 2)
    with pytest.raises(ValueError, match="ignore_index=255"):
        check_batch(images, [masks], loss)
    check_batch(images, [masks], torch.nn.CrossEntropyLoss(ignore_index=255))
