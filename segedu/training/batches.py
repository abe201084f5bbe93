"""Which picture comes when, and by which chance it is augmented: functions of the seed alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Dataset

from segedu import distributed, runtime
from segedu.inputs import sample_of


class SeededBatchSampler:
    """Lists of (seed of the sample, index of the picture), one list a step. Lesson 04.

    The row of pictures is the same whatever the first step, so a run that goes on sees what it
    would have seen: pass after pass over all of them, each in an order of its own.

    Args:
        length: how many pictures the data set holds.
        batch_size: how many each step takes.
        seed: of the order, and of the samples' seeds.
        first_step: where to begin; 0 but for a run that goes on.
        steps: where to end; None for never.

    Raises:
        ValueError: for a data set without pictures.
    """

    def __init__(self, length: int, batch_size: int, seed: int, first_step: int, steps: int | None):
        if length < 1:
            raise ValueError("The data set to train on holds no picture.")
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.first_step, self.steps = first_step, steps

    def _order(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, epoch))
        return torch.randperm(self.length, generator=generator).tolist()

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step, epoch, order = self.first_step, -1, []
        while self.steps is None or step < self.steps:
            batch = []
            for place in range(step * self.batch_size, (step + 1) * self.batch_size):
                if place // self.length != epoch:
                    epoch = place // self.length
                    order = self._order(epoch)
                batch.append((derive_seed(self.seed, place), order[place % self.length]))
            yield batch
            step += 1


class SeededDataset(Dataset):
    """A data set whose samples' chance (augmentation) is fixed by a seed beside each index.

    Args:
        dataset: of (image, mask, …); indexed here by (seed, index).
    """

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __getitem__(self, seed_and_index: tuple[int, int]):
        seed, index = seed_and_index
        runtime.seed_everything(seed)
        return sample_of(self.dataset, index)


def derive_seed(seed: int, number: int) -> int:
    """One seed of 63 bits for each pair of seed and number; neighbouring pairs give unrelated ones.

    Args:
        seed: of the training.
        number: of the step, the place or the epoch.

    Source:
        The finaliser of SplitMix64: Steele, Lea and Flood, OOPSLA 2014.
    """
    z = (seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return (z ^ (z >> 31)) >> 1


def same_size_batches(dataset: Dataset, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Images (N, C, H, W) and masks (N, H, W), in the order of the data set: this process's share.

    Args:
        dataset: of (image, mask, …).
        batch_size: N at most; a batch ends where the next picture has another size.
    """
    images, masks = [], []
    for index in distributed.share(range(len(dataset))):
        image, mask = sample_of(dataset, index, parts=2)
        if images and (image.shape != images[0].shape or len(images) == batch_size):
            yield torch.stack(images), torch.stack(masks)
            images, masks = [], []
        images.append(image)
        masks.append(mask)
    if images:
        yield torch.stack(images), torch.stack(masks)


# What these were called before they took torch's words: what was written for those names goes on working.
Batches, Seeded, mix = SeededBatchSampler, SeededDataset, derive_seed
