"""ElasticGrid: identity at zero, image and masks bent alike, no label invented, its strength, mirrored edges."""

import pickle

import numpy as np
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from segedu.transforms import PAPER_TILE, ElasticGrid, augment


def in_pixels(std, size):
    """The transform whose displacements have this standard deviation in a picture of this size."""
    return ElasticGrid(std * PAPER_TILE / min(size))


def checkerboard(size, square):
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    return (rows // square + columns // square) % 2


def displacements(transform, size, seed):
    """(2, H, W): how far down and right of each pixel its value was taken, read from pictures of rows and columns."""
    places = torch.stack(torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij"))
    torch.manual_seed(seed)
    (bent,) = transform(tv_tensors.Image(places / 1000.0))
    return bent.as_subclass(torch.Tensor) * 1000 - places


@pytest.mark.parametrize("size", [(33, 50), (64, 64), (1, 7)])
def test_no_strength_changes_nothing(size):
    before = tv_tensors.Image(torch.rand(3, *size)), *(tv_tensors.Mask(torch.randint(0, n, size)) for n in (11, 10**9))
    for old, new in zip(before, ElasticGrid(0)(*before), strict=True):
        assert torch.equal(old, new) and type(old) is type(new)


def test_image_and_masks_agree_on_a_checkerboard():
    board = checkerboard((96, 128), 16)
    for seed in range(10):
        torch.manual_seed(seed)
        image, mask, instances = in_pixels(3, (96, 128))(
            tv_tensors.Image(board.float().expand(3, -1, -1)), tv_tensors.Mask(board), tv_tensors.Mask(300 * board)
        )
        assert not torch.equal(mask, board) and torch.equal(instances, 300 * mask)
        whole = (image[0] == 0) | (image[0] == 1)
        assert whole.float().mean() > 0.75 and torch.equal(image[0][whole], mask[whole].float())
        # on the straight edge of a square the nearest pixel is the heavier one; where four squares meet it may not be
        assert ((image[0] > 0.5) != (mask == 1)).float().mean() < 0.005


def test_no_label_and_no_object_is_invented():
    for seed in range(20):
        torch.manual_seed(seed)
        # ids beyond 2^24, which float32 cannot tell apart
        ids = torch.randint(0, 5, (40, 56)) * 3 + 2**30
        image, mask = in_pixels(4, (40, 56))(tv_tensors.Image(torch.rand(3, 40, 56)), tv_tensors.Mask(ids))
        assert mask.dtype == torch.int64 and isinstance(mask, tv_tensors.Mask)
        assert set(mask.unique().tolist()) <= set(ids.unique().tolist())
        assert isinstance(image, tv_tensors.Image) and image.dtype == torch.float32
        assert 0 <= image.min() and image.max() <= 1


def test_grid_points_move_by_the_papers_standard_deviation():
    """At the middle of a picture with odd sides stands the grid's middle point."""
    size = (37, 51)
    std = 10 * 37 / 572
    moves = torch.stack([displacements(ElasticGrid(), size, seed)[:, 18, 25] for seed in range(400)])
    assert moves.std(0).tolist() == pytest.approx([std, std], rel=0.12)
    assert moves.mean(0).abs().max() < 0.2 * std
    assert abs(np.corrcoef(moves.T)[0, 1]) < 0.15, "down and right are drawn apart"
    within = (moves.abs() < std).float().mean().item()
    assert within == pytest.approx(0.68, abs=0.05), "as a normal distribution has it"


def test_all_nine_grid_points_are_drawn_alike_and_apart():
    """At the picture's edge a place that falls outside is mirrored: of a move its distance from −½ is left there."""
    size, points = (33, 33), (slice(None), slice(0, 33, 16), slice(0, 33, 16))
    home = torch.stack(torch.meshgrid(*[torch.tensor([0.0, 16, 32])] * 2, indexing="ij"))
    far = []
    for seed in range(400):
        place = displacements(in_pixels(4, size), size, seed)[points] + home
        inward = torch.where(home == 32, 32 - place, place - home)  # a row or column inside the picture keeps its sign
        far.append(torch.where(home == 16, inward, inward + 0.5).flatten())
    far = torch.stack(far)
    # the mean square of a normal number about ½ or, in the middle, about 0
    expected = torch.where(home.flatten() == 16, 4.0**2, 4.0**2 + 0.25)
    assert (far.square().mean(0) / expected).numpy() == pytest.approx(np.ones(18), abs=0.3)
    assert np.abs(np.corrcoef(far.T) - np.eye(18)).max() < 0.25


def test_every_size_is_bent_alike():
    small, large = (displacements(ElasticGrid(), size, 3) for size in ((61, 81), (121, 161)))
    inside = (slice(None), slice(15, 45), slice(15, 65))
    assert torch.allclose(small[inside] / 61, large[:, ::2, ::2][inside] / 121, atol=2e-5)
    assert small[inside].abs().max() > 0.5


def test_the_field_is_bicubic_smooth_and_does_not_fold():
    """Linear interpolation has a kink at the grid's middle lines; Keys' cubic (a = −¾) written out does not."""
    size = (121, 161)
    torch.manual_seed(5)
    grid = (torch.randn(1, 2, 3, 3) * 10 * 121 / PAPER_TILE)[0].double().numpy()

    def cubic(t):
        t = abs(t)
        near, far = 1.25 * t**3 - 2.25 * t**2 + 1, -0.75 * (t**3 - 5 * t**2 + 8 * t - 4)
        return near if t <= 1 else far if t < 2 else 0.0

    def weights(side):
        table = np.zeros((side, 3))
        for place in range(side):
            u = 2 * place / (side - 1)
            for neighbour in range(-1, 5):  # the grid's outer points are repeated outside of it
                table[place, min(max(neighbour, 0), 2)] += cubic(u - neighbour) if abs(u - neighbour) < 2 else 0
        return table

    expected = np.einsum("hi,cij,wj->chw", weights(121), grid, weights(161))
    inside = (slice(None), slice(12, -12), slice(12, -12))
    field = displacements(ElasticGrid(), size, 5)
    assert np.abs(field.numpy() - expected)[inside].max() < 1e-3
    for axis in (1, 2):
        assert 1 + field[inside].diff(dim=axis)[axis - 1].min() > 0.5, "neighbours stay in order"


def test_what_lies_outside_is_mirrored():
    """Bent far over its edges a picture shows itself mirrored, the outermost pixels doubled (numpy's "symmetric")."""
    side = 30
    ramp = torch.arange(side).expand(side, side)
    torch.manual_seed(1)
    right = torch.nn.functional.interpolate(
        torch.randn(1, 2, 3, 3) * 40, size=(side, side), mode="bicubic", align_corners=True
    )[0, 1]
    torch.manual_seed(1)
    image, mask = in_pixels(40, (side, side))(tv_tensors.Image(ramp[None] / side), tv_tensors.Mask(ramp))
    mirrored = np.pad(np.arange(side), 10 * side, mode="symmetric")
    wanted = (ramp + right + 10 * side).numpy()
    assert wanted.min() < 9 * side and wanted.max() > 11 * side + 1
    whole, part = np.floor(wanted).astype(int), wanted % 1
    expected = mirrored[whole] * (1 - part) + mirrored[whole + 1] * part
    assert np.abs(image[0].numpy() * side - expected).max() < 1e-3
    assert np.abs(mask.numpy() - expected).max() < 0.51


def test_chance_is_torchs_and_fits_into_a_compose():
    transform = pickle.loads(pickle.dumps(v2.Compose([ElasticGrid(), augment((32, 32))])))
    outcomes = []
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        sample = tv_tensors.Image(torch.rand(3, 48, 64)), tv_tensors.Mask(torch.randint(0, 9, (48, 64)))
        torch.manual_seed(seed)
        outcomes.append(transform(*sample))
    assert all(torch.equal(a, b) for a, b in zip(outcomes[0], outcomes[1], strict=True))
    assert not torch.equal(outcomes[0][0], outcomes[2][0])


def test_wrong_input_is_named():
    image, mask = tv_tensors.Image(torch.rand(3, 8, 8)), torch.zeros(8, 8, dtype=torch.int64)
    with pytest.raises(ValueError, match="strength=-1"):
        ElasticGrid(-1)
    with pytest.raises(TypeError, match=r"tv_tensors.Mask\(mask\)"):
        ElasticGrid()(image, mask)
    with pytest.raises(TypeError, match="image / 255"):
        ElasticGrid()(tv_tensors.Image(torch.zeros(3, 8, 8, dtype=torch.uint8)), tv_tensors.Mask(mask))


def test_a_picture_in_half_precision_bends_as_one_in_single():
    generator = torch.Generator().manual_seed(0)
    image, mask = torch.rand(3, 40, 48, generator=generator), tv_tensors.Mask(torch.zeros(40, 48).long())
    bent = []
    for kind in (torch.float32, torch.float16):
        torch.manual_seed(3)
        bent.append(ElasticGrid(30)(tv_tensors.Image(image.to(kind)), mask)[0])
    assert bent[1].dtype == torch.float16
    torch.testing.assert_close(bent[1].float(), bent[0], rtol=0, atol=5e-3)
    for strength in (float("inf"), float("nan"), "10", None, -1):
        with pytest.raises(ValueError, match="strength="):
            ElasticGrid(strength)
