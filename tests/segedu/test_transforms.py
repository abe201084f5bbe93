"""Joint transforms: mask and picture stay together, no id is invented, chance is repeatable, plain tensors refused."""

import math
import pickle

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision import tv_tensors
from torchvision.transforms import v2

from segedu import transforms
from segedu.transforms import augment, check_joint, resize

SIZE = (48, 64)
AUGMENTS = {
    "default": augment(),
    "smaller": augment((24, 40)),
    "larger": augment((70, 90)),
    "small windows": augment((24, 32), scale=(1, 4)),
    "whole pictures": augment((24, 32), scale=(0.1, 0.2)),
}


def blobs(seed, ids):
    """A map of `ids` in large patches, so that borders and whole areas both occur."""
    generator = torch.Generator().manual_seed(seed)
    patches = torch.tensor(ids)[torch.randint(len(ids), (6, 8), generator=generator)]
    return tv_tensors.Mask(patches.repeat_interleave(8, 0).repeat_interleave(8, 1))


def sample(seed=0):
    """Picture, mask with void, instances with an object 255; the channels of the picture tell mask and instances."""
    mask, instances = blobs(seed, [0, 3, 7, 10, 255]), blobs(seed + 1, [0, 1, 255, 5000])
    return tv_tensors.Image(torch.stack([mask / 255, instances / 5000, mask / 255])), mask, instances


@pytest.mark.parametrize("name", AUGMENTS)
def test_no_label_and_no_object_is_invented(name):
    for seed in range(40):
        torch.manual_seed(seed)
        before = sample(seed)
        after = AUGMENTS[name](*before)
        for old, new in zip(before[1:], after[1:], strict=True):
            # Not even 255 where the mask had none: nothing is ever filled in.
            assert set(new.unique().tolist()) <= set(old.unique().tolist())


@pytest.mark.parametrize("name", AUGMENTS)
def test_types_sizes_and_ranges(name):
    torch.manual_seed(0)
    size = {"default": SIZE, "larger": (70, 90), "smaller": (24, 40)}.get(name, (24, 32))
    image, mask, instances = AUGMENTS[name](*sample())
    assert isinstance(image, tv_tensors.Image) and image.dtype == torch.float32 and image.shape == (3, *size)
    assert 0 <= image.min() and image.max() <= 1
    for item in (mask, instances):
        assert isinstance(item, tv_tensors.Mask) and item.dtype == torch.int64 and item.shape == size
    assert len(AUGMENTS[name](*sample()[:2])) == 2


@pytest.mark.parametrize("size", [None, (24, 40), (70, 90)])
def test_picture_mask_and_instances_stay_together(size):
    transform = augment(size, colour=0)
    for seed in range(40):
        torch.manual_seed(seed)
        image, mask, instances = transform(*sample(seed))
        for channel, truth in ((image[0] * 255, mask), (image[1] * 5000, instances)):
            # Bilinear mixtures at patch borders equal no id exactly; the inside of every patch must.
            inside = same_around(truth)
            assert inside.float().mean() > 0.3
            assert (channel[inside] - truth[inside]).abs().max() < 0.01 * truth.max()


def same_around(ids, width=1):
    """Where the square window of `width` around holds one value only."""
    values = ids.as_subclass(torch.Tensor).float()[None, None]
    highest, lowest = (torch.nn.functional.max_pool2d(s * values, 2 * width + 1, 1, width) * s for s in (1, -1))
    return (highest == lowest)[0, 0]


def test_a_resized_mask_lies_on_its_picture():
    """A ramp of columns: each mask pixel tells where it was taken, the picture tells where its mean lies."""
    columns = torch.arange(64).expand(48, 64)
    image, mask = resize((12, 16))(tv_tensors.Image((columns / 64)[None]), tv_tensors.Mask(columns))
    away = (image[0] * 64 - mask).abs()[:, 1:-1]
    assert away.max() <= 0.51, "nearest-exact: at most half a pixel from the middle"
    theirs = v2.functional.resize(tv_tensors.Mask(columns), [12, 16])
    assert (image[0] * 64 - theirs).abs()[:, 1:-1].min() > 1.4, "torchvision's nearest would be 1.5 pixels away"


def test_resizing_pictures_is_antialiased():
    # Only columns 0 and 3 of every four are white: without antialiasing, columns 1 and 2 alone would count.
    stripes = torch.tensor([1.0, 0, 0, 1]).repeat(16).expand(3, 48, 64)
    mask = tv_tensors.Mask(torch.zeros(48, 64, dtype=torch.int64))
    image, _ = resize((12, 16))(tv_tensors.Image(stripes), mask)
    assert (image[..., 1:-1] - 0.5).abs().max() < 0.15, "stripes finer than a pixel become grey"


def test_resizing_to_the_same_size_changes_nothing():
    before = sample()
    for old, new in zip(before, resize(SIZE)(*before), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("name", AUGMENTS)
def test_torchs_generator_is_the_only_source_of_chance(name):
    outcomes = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outcomes.append(AUGMENTS[name](*sample()))
    assert all(torch.equal(a, b) for a, b in zip(outcomes[0], outcomes[1], strict=True))
    assert not torch.equal(outcomes[0][0], outcomes[2][0])


def test_scale_is_by_how_much_things_grow():
    rows = torch.arange(48)[:, None].expand(48, 64)
    image = tv_tensors.Image(torch.zeros(3, 48, 64))
    shown = {}
    for scale in (0.5, 1, 2, 4):
        _, mask = augment(scale=(scale, scale), flip=False, colour=0)(image, tv_tensors.Mask(rows))
        shown[scale] = len(mask.unique())
    assert shown == {0.5: 48, 1: 48, 2: 24, 4: 12}


def test_a_window_that_would_leave_the_picture_keeps_its_proportions():
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(64), indexing="ij")
    image = tv_tensors.Image(torch.zeros(3, 48, 64))
    for size in ((24, 60), (46, 30)):
        _, rows_seen, columns_seen = augment(size, scale=(0.5, 0.5), flip=False, colour=0)(
            image, tv_tensors.Mask(rows), tv_tensors.Mask(columns)
        )
        spans = [(seen.max() - seen.min() + 1).item() for seen in (rows_seen, columns_seen)]
        growth = size[0] / spans[0], size[1] / spans[1]
        assert growth[0] == pytest.approx(growth[1], rel=0.06)
        assert max(growth) > 0.9, "half the size would not fit, so it is the smallest scale that does"


def even(values, low, high):
    """Whether values are spread evenly over low … high: none outside, both ends reached, a Kolmogorov-Smirnov test."""
    values, width = np.asarray(values), high - low
    assert low - 1e-9 <= values.min() < low + 0.03 * width and high - 0.03 * width < values.max() <= high + 1e-9
    return stats.kstest(values, "uniform", args=(low, width)).pvalue > 0.01


@pytest.mark.parametrize("scale", [(0.5, 2), (0.25, 0.5), (1, 4), (2, 3)])
def test_scales_fill_their_range_evenly_as_zooming_is_felt(scale):
    """A picture that grows by one each row and so tells, by its slope, how many rows of it stand in one of the new."""
    image = tv_tensors.Image((torch.arange(1024.0) / 1024)[:, None].expand(1, 1024, 32))
    transform = augment((256, 8), scale=scale, flip=False, colour=0)
    torch.manual_seed(0)
    # Away from the edges, beyond which antialiasing finds nothing to mean over.
    shown = [transform(image)[0][0, 64:192, 0].diff().mean().item() * 1024 for _ in range(500)]
    grown = -np.log(shown)
    low, high = (math.log(256 / round(256 / end)) for end in scale)  # a window has whole rows
    assert even(grown, low, high)


def test_every_window_is_as_likely_as_any_other():
    """Three rows of six and four columns of eight: 4 × 5 places, the 20 of them alike, so the corners are reached."""
    places = torch.arange(6 * 8).reshape(6, 8)
    image = tv_tensors.Image(torch.zeros(1, 6, 8))
    transform = augment((3, 4), scale=(1, 1), flip=False, colour=0)
    torch.manual_seed(0)
    seen = [transform(image, tv_tensors.Mask(places))[1] for _ in range(2000)]
    assert all(torch.equal(mask - mask[0, 0], places[:3, :4]) for mask in seen), "no window is mirrored"
    counts = np.bincount([mask[0, 0].item() for mask in seen], minlength=48).reshape(6, 8)
    assert (counts[4:] == 0).all() and (counts[:, 5:] == 0).all()
    assert stats.chisquare(counts[:4, :5].ravel()).pvalue > 0.01


def test_one_picture_in_two_is_mirrored_left_and_right_and_none_upside_down():
    places = torch.arange(6 * 8).reshape(6, 8)
    image = tv_tensors.Image((places / 48)[None])
    transform = augment(scale=(1, 1), colour=0)
    torch.manual_seed(0)
    mirrored = 0
    for _ in range(1000):
        seen, mask = transform(image, tv_tensors.Mask(places))
        assert torch.equal(seen[0] * 48, mask) and (torch.equal(mask, places) or torch.equal(mask, places.flip(1)))
        mirrored += torch.equal(mask, places.flip(1))
    assert stats.binomtest(mirrored, 1000).pvalue > 0.01


@pytest.mark.parametrize("colour", [0.1, 0.3, 0.9])
def test_colours_change_by_factors_that_fill_their_range_evenly(colour):
    """Three greys and a red, none of which gets beyond 0…1: the mean brightness tells the factor of brightness, the
    difference of two greys that of brightness and contrast, the red's excess over its green all three."""
    image = torch.full((3, 4, 4), 0.25)
    image[:, 0], image[:, 1], image[0, 3] = 0.23, 0.27, 0.27
    transform = augment(scale=(1, 1), flip=False, colour=colour)
    luma = torch.tensor([0.2989, 0.587, 0.114])  # what torchvision calls grey
    torch.manual_seed(0)
    factors = []
    for _ in range(500):
        seen = transform(tv_tensors.Image(image))[0].as_subclass(torch.Tensor)
        sums = [torch.stack([(luma @ p.flatten(1)).mean(), (p[0, 1] - p[0, 0]).mean(), (p[0, 3] - p[1, 3]).mean()])
                for p in (image, seen)]  # fmt: skip
        brightness, grey, red = (sums[1] / sums[0]).tolist()
        factors.append((brightness, grey / brightness, red / grey))
    factors = np.array(factors)
    for kind in factors.T:
        # measured with six digits, so a factor may seem to lie a little outside
        assert even(kind.round(4), round(1 - colour, 4), round(1 + colour, 4))
    assert np.abs(np.corrcoef(factors.T) - np.eye(3)).max() < 0.15, "each is drawn by itself"


def test_switched_off_means_unchanged():
    before = sample()
    for old, new in zip(before, augment(scale=(1, 1), flip=False, colour=0)(*before), strict=True):
        assert torch.equal(old, new)
    image, mask = augment(scale=(1, 1), flip=False, colour=0.5)(*before[:2])
    assert torch.equal(mask, before[1]) and not torch.equal(image, before[0]), "colour changes the picture only"


def test_a_plain_mask_would_be_passed_over_in_silence_and_is_refused():
    image, mask, instances = sample()
    plain = mask.as_subclass(torch.Tensor)
    mirrored, untouched = v2.RandomHorizontalFlip(p=1)(image, plain)
    assert not torch.equal(mirrored, image) and torch.equal(untouched, plain), "what torchvision does, without a word"
    for transform in (augment(), resize((24, 32))):
        with pytest.raises(TypeError, match=r"mask = tv_tensors.Mask\(mask\)"):
            transform(image, plain)
        with pytest.raises(TypeError, match=r"tv_tensors.Mask\(mask\)"):
            transform(image, mask, instances.as_subclass(torch.Tensor))
        with pytest.raises(TypeError, match=r"tv_tensors.Image\(image\)"):
            transform(image.as_subclass(torch.Tensor), mask)


def test_what_does_not_fit_together_is_refused():
    image, mask, _ = sample()
    with pytest.raises(ValueError, match=r"\(47, 64\)"):
        check_joint(image, tv_tensors.Mask(mask[1:]))
    with pytest.raises(ValueError, match="divide by 255"):
        check_joint(tv_tensors.Image(image * 255), mask)
    for scale in ((2, 0.5), (0, 1)):
        with pytest.raises(ValueError, match="low ≤ high"):
            augment(scale=scale)
    for colour in (1.5, None, "0.3", True):
        with pytest.raises(ValueError, match="0 … 1; 0 leaves"):
            augment(colour=colour)
    assert augment(colour=np.float32(0.25))(image, mask)[0].shape == image.shape
    with pytest.raises(ValueError, match="overshoots"):
        check_joint(tv_tensors.Image(image * 1.2 - 0.1), mask)
    with pytest.raises(ValueError, match="no pixel"):
        resize((8, 8))(tv_tensors.Image(image[:, :0]), tv_tensors.Mask(mask[:0]))
    with pytest.raises(TypeError, match=r"transform\(image, mask\)"):
        resize((8, 8))((image, mask))
    with pytest.raises(TypeError, match=r"transform\(image, mask\)"):
        resize((8, 8))(mask, image)
    with pytest.raises(TypeError, match="picture_tensor"):
        resize((8, 8))(np.zeros((9, 9, 3)), np.zeros((9, 9)))


def test_a_transform_can_be_sent_to_worker_processes():
    for transform in (augment(), resize((24, 32))):
        again = pickle.loads(pickle.dumps(transform))
        torch.manual_seed(3)
        first = transform(*sample())
        torch.manual_seed(3)
        assert all(torch.equal(a, b) for a, b in zip(first, again(*sample()), strict=True))


@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.uint16, torch.uint8, torch.bool])
def test_masks_of_every_kind_keep_their_values(kind):
    """Ids from 2²⁴ on are more than float32 counts, in which torchvision resizes."""
    ids = torch.tensor([[2**24 + 1, 2**24 + 3], [5, -1]]).repeat_interleave(5, 0).repeat_interleave(3, 1).to(kind)
    try:
        ids.flip(-1)
    except RuntimeError:
        pytest.skip(f"this version of torch cannot flip {kind}")
    image, mask = tv_tensors.Image(torch.rand(3, 10, 6)), tv_tensors.Mask(ids)
    for transform in (
        transforms.resize((23, 17)),
        transforms.augment((23, 17), scale=(1, 2)),
        transforms.ElasticGrid(),
    ):
        found = transform(image, mask)[1]
        assert found.dtype == kind and set(found.unique().tolist()) <= set(ids.unique().tolist())


@pytest.mark.parametrize(
    "sizes", [((37, 64), (24, 40)), ((24, 40), (70, 90)), ((7, 1), (3, 5)), ((360, 480), (97, 333))]
)
def test_places_are_torchs_nearest_exact(sizes):
    before, after = sizes
    ids = torch.randint(0, 1000, before)
    expected = torch.nn.functional.interpolate(ids[None, None].float(), size=after, mode="nearest-exact")[0, 0]
    image = tv_tensors.Image(torch.rand(1, *before))
    assert torch.equal(transforms.resize(after)(image, tv_tensors.Mask(ids))[1], expected.long())


def test_sizes_and_channels_that_do_not_work_are_named():
    infrared = tv_tensors.Image(torch.rand(4, 8, 8)), tv_tensors.Mask(torch.zeros(8, 8, dtype=torch.int64))
    with pytest.raises(ValueError, match="colour=0"):
        transforms.augment((16, 12))(*infrared)
    assert transforms.augment((np.int64(16), 12), colour=0)(*infrared)[0].shape == (4, 16, 12)
    for size in (16, (16,), (0, 4), (3.5, 4), "16"):
        for make in (transforms.resize, transforms.augment):
            with pytest.raises(ValueError, match="height, width"):
                make(size)
    for scale in (2, (0.5, float("nan")), "ab"):
        with pytest.raises(ValueError, match="low ≤ high"):
            transforms.augment(scale=scale)
