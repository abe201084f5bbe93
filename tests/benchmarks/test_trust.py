"""Lesson 14's stored run: its arms differ by what they meet, and by nothing else."""

import torch
from torchvision import tv_tensors

from benchmarks.lesson_14 import MetOnTheWay, corrupted
from segedu.corruptions import occluded_window

IMAGE = tv_tensors.Image(torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(0)))
MASK = tv_tensors.Mask(torch.arange(48 * 64).view(48, 64) % 11)


def test_both_arms_see_the_same_windows_and_half_of_one_meets_noise():
    arms, changed = (MetOnTheWay((), 3), MetOnTheWay(("noise",), 3)), 0
    for seed in range(40):
        seen = []
        for arm in arms:
            torch.manual_seed(seed)
            seen.append(arm(IMAGE, MASK))
        assert torch.equal(seen[0][1], seen[1][1])
        changed += not torch.equal(seen[0][0], seen[1][0])
        assert (seen[0][0] - seen[1][0]).abs().max() < 0.6  # noise of severity 4 at most
    assert 10 <= changed <= 30


def test_what_an_occluder_hides_is_void_and_the_given_mask_stays():
    ((image, mask),) = corrupted([(IMAGE, MASK)], "occlusion", 4)
    rows, columns = occluded_window((48, 64), 4, seed=0)
    assert (mask[rows, columns] == 255).all() and (mask == 255).sum() == mask[rows, columns].numel()
    assert (image[:, rows, columns] == 0.5).all() and (MASK < 11).all()
    ((image, mask),) = corrupted([(IMAGE, MASK)], "fog", 4)
    assert torch.equal(mask, MASK) and not torch.equal(image, IMAGE)
