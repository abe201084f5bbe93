"""Each corruption is what its docstring says: mean, variance and PSNR, at every severity."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from segedu import corruptions
from segedu.corruptions import CORRUPTIONS
from segedu.datasets import ToyStreet

SEVERITIES = (1, 2, 3, 4, 5)
GREY = torch.full((3, 120, 160), 0.5)


def scatter(seed=0, size=(3, 120, 160)):
    """A picture of even noise in 0.2 … 0.8: no value is near an end."""
    return 0.2 + 0.6 * torch.rand(size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def street():
    return ToyStreet("val", length=1)[0]


def psnr(image, other):
    return peak_signal_noise_ratio(image.numpy(), other.numpy(), data_range=1)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_form_range_chance_and_nothing_changed_in_place(name, severity):
    image = scatter(size=(3, 45, 70))
    before, found = image.clone(), CORRUPTIONS[name](image, severity)
    assert found.shape == image.shape and found.dtype == torch.float32 and 0 <= found.min() and found.max() <= 1
    assert torch.equal(image, before) and not torch.equal(found, image)
    torch.manual_seed(5)
    assert torch.equal(found, CORRUPTIONS[name](image, severity))  # no global chance
    assert torch.equal(found, CORRUPTIONS[name](image.double(), severity))
    other_seed = CORRUPTIONS[name](image, severity, seed=1)
    assert torch.equal(found, other_seed) == (name not in ("noise", "occlusion"))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_severity_is_worse_than_the_one_before(name, street):
    ratios = [psnr(street[0], CORRUPTIONS[name](street[0], severity)) for severity in SEVERITIES]
    assert ratios == sorted(ratios, reverse=True) and ratios[0] > ratios[-1] + 3


@pytest.mark.parametrize(("severity", "deviation"), list(zip(SEVERITIES, (0.02, 0.04, 0.06, 0.10, 0.15), strict=True)))
def test_noise_has_its_mean_its_deviation_and_so_its_psnr(severity, deviation):
    found = corruptions.noise(GREY, severity)
    assert abs(found.mean() - 0.5) < 4 * deviation / math.sqrt(found.numel())
    assert abs(found.std() / deviation - 1) < 0.02
    assert abs(psnr(GREY, found) - (-20 * math.log10(deviation))) < 0.2
    channels = found.flatten(1)
    assert abs(torch.corrcoef(channels)[0, 1]) < 0.03  # each value has a draw of its own


@pytest.mark.parametrize(("severity", "sigma"), list(zip(SEVERITIES, (0.5, 1, 1.5, 2, 3), strict=True)))
def test_blur_spreads_a_point_by_sigma_and_keeps_the_mean(severity, sigma):
    point = torch.zeros(1, 61, 61)
    point[0, 30, 30] = 1
    spot = corruptions.blur(point, severity)[0]
    away = torch.arange(61.0) - 30
    expected = sigma**2 if sigma >= 1 else 0.46**2  # weights at whole pixels, e^−2 and e^−8 of the middle's
    assert abs(spot.sum() - 1) < 1e-4
    for line in (spot.sum(0), spot.sum(1)):
        assert abs((line * away).sum()) < 1e-3 and abs((line * away**2).sum() / expected - 1) < 0.02
    image = scatter()
    blurred = corruptions.blur(image, severity)
    assert abs(blurred.mean() - image.mean()) < 2e-3
    if sigma >= 1:  # below, pixels are too coarse for the formula
        assert abs(blurred.std() / image.std() * 2 * sigma * math.sqrt(math.pi) - 1) < 0.1
    assert torch.allclose(corruptions.blur(GREY, severity), GREY)


def test_blur_is_scipys():
    from scipy import ndimage

    image = scatter(size=(3, 40, 50))
    theirs = ndimage.gaussian_filter(image.numpy(), (0, 2, 2), mode="mirror", truncate=4)
    assert np.abs(corruptions.blur(image, 4).numpy() - theirs).max() < 1e-5
    assert corruptions.blur(image[:, :5, :5], 5).shape == (3, 5, 5)  # smaller than the kernel


@pytest.mark.parametrize(("severity", "through"), list(zip(SEVERITIES, (0.85, 0.70, 0.55, 0.40, 0.25), strict=True)))
def test_fog_moves_the_mean_to_the_airlight_and_shrinks_the_deviation(severity, through):
    image = scatter()
    found = corruptions.fog(image, severity)
    assert torch.isclose(found.mean(), through * image.mean() + (1 - through) * 0.8, atol=1e-5)
    assert torch.isclose(found.std(), through * image.std(), atol=1e-5)
    assert torch.allclose(corruptions.fog(torch.full((3, 4, 4), 0.8), severity), torch.tensor(0.8))


@pytest.mark.parametrize(("severity", "left"), list(zip(SEVERITIES, (0.70, 0.50, 0.35, 0.25, 0.15), strict=True)))
def test_darker_scales_mean_and_deviation(severity, left):
    image = scatter()
    found = corruptions.darker(image, severity)
    assert torch.isclose(found.mean(), left * image.mean()) and torch.isclose(found.std(), left * image.std())
    mean_square = (image**2).mean().item() * (1 - left) ** 2
    assert abs(psnr(image, found) - (-10 * math.log10(mean_square))) < 1e-3


@pytest.mark.parametrize(("severity", "quality"), list(zip(SEVERITIES, (60, 40, 25, 15, 8), strict=True)))
def test_jpeg_is_pillows_at_its_quality(severity, quality, street):
    pixels = (street[0] * 255).round().byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
    theirs = torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1) / 255
    found = corruptions.jpeg(street[0], severity)
    assert torch.equal(found, theirs)
    assert 20 < psnr(street[0], found) < 40
    assert corruptions.jpeg(street[0][:1], severity).shape == (1, 120, 160)


@pytest.mark.parametrize(("severity", "share"), list(zip(SEVERITIES, (0.05, 0.10, 0.20, 0.30, 0.40), strict=True)))
def test_occlusion_covers_its_share_with_grey_and_nothing_else(severity, share):
    image = scatter()
    places = set()
    for seed in range(20):
        found = corruptions.occlusion(image, severity, seed=seed)
        rows, columns = corruptions.occluded_window((120, 160), severity, seed=seed)
        hidden = torch.zeros(120, 160, dtype=torch.bool)
        hidden[rows, columns] = True
        assert abs(hidden.float().mean() / share - 1) < 0.03
        assert (found[:, hidden] == 0.5).all() and torch.equal(found[:, ~hidden], image[:, ~hidden])
        places.add((rows.start, columns.start))
    assert len(places) > 15


@pytest.mark.parametrize(("severity", "share"), list(zip(SEVERITIES, (0.2, 0.4, 0.6, 0.8, 1.0), strict=True)))
def test_only_what_both_streets_show_as_background_is_swapped(severity, share):
    image, other = scatter(0, (3, 4, 6)), scatter(1, (3, 4, 6))
    mask, other_mask = torch.zeros(4, 6, dtype=torch.int64), torch.zeros(4, 6, dtype=torch.int64)
    mask[:, :2], mask[0, 3], other_mask[:, 1:3], other_mask[3, 5] = 7, 3, 3, 255
    found = corruptions.swap_background(image, mask, other, other_mask, severity, classes=(0, 7))
    both = (mask == 0) & (other_mask == 0)
    assert both.sum() == 10  # columns 3 to 5, without two pixels; by hand
    assert torch.equal(found[:, ~both], image[:, ~both])
    assert torch.allclose(found[:, both], (1 - share) * image[:, both] + share * other[:, both])
    with pytest.raises(ValueError, match="of one size"):
        corruptions.swap_background(image, mask[:2], other, other_mask, severity, classes=(0,))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_wrong_pictures_and_severities_are_refused_in_words(name):
    for severity in (0, 6, 1.5, True):
        with pytest.raises(ValueError, match="severity"):
            CORRUPTIONS[name](GREY, severity)
    with pytest.raises(ValueError, match="of a batch|Of a batch"):
        CORRUPTIONS[name](GREY[None], 1)
    with pytest.raises(ValueError, match="0…1"):
        CORRUPTIONS[name](GREY * 255, 1)
    with pytest.raises(TypeError, match="picture_tensor"):
        CORRUPTIONS[name](GREY.numpy(), 1)
