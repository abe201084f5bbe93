"""What does a network learn in a minute? Ours beside those that people install: data/results/learning_per_minute.json.

    python -m benchmarks.learning_per_minute [--seconds 60] [--seeds 0 1 2] [--only NAME …] [--dry]

Every arm trains from scratch for the same seconds, on two threads, on the same CamVid batches and augmentation (by
drive, 160×120, 8 pictures). Its last weights are scored on another drive ("by drive") and on CamVid's val, which is a
clip out of a drive that is trained on. Peers run twice: "as documented" (plain cross-entropy, float32, Adam at torch's
rate) and by "our recipe" (class weights, AdamW, poly schedule, bfloat16 where the processor has it, channels last).
All choices for ours were made on a slice of train. Arms are run seed by seed, so that slow minutes of the machine meet
all of them. Rows that are stored already for other seeds or names are kept.

A second is one of computing (`time.thread_time` of the thread that leads the two), so that other programs on the
machine take nothing away; on a machine at rest it is a second of the clock.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

import segedu
from benchmarks.scoring import Scores
from benchmarks.storing import RESULTS, command_line, refuse_other_code, store, stored_rows, with_row
from benchmarks.weighing import weighted_loss
from segedu import download, runtime, transforms
from segedu.datasets import CamVid
from segedu.models import FCN, DeepLab, QuickUNet, UNet
from segedu.models.layers import Normalise
from segedu.statistics import mean_interval
from segedu.training.batches import SeededBatchSampler, SeededDataset
from segedu.training.loop import History

STORED = RESULTS / "learning_per_minute.json"
QUESTION = "What does a network learn in a minute?"
SIZE, CLASSES, BATCH = (120, 160), 11, 8


class Peer(nn.Module):
    """Somebody else's network behind our front door: 0…1 in, any size, logits of that size out."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.normalise, self.network = Normalise(3), network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, num_classes, H, W) logits of pictures (N, C, H, W) in 0…1."""
        height, width = image.shape[-2:]
        output = self.network(F.pad(self.normalise(image), (0, -width % 32, 0, -height % 32)))
        return (output["out"] if isinstance(output, dict) else output)[..., :height, :width]


def smp(name: str) -> Peer:
    """A network of segmentation_models_pytorch, from scratch."""
    import segmentation_models_pytorch

    make = getattr(segmentation_models_pytorch, name)
    return Peer(make("resnet18", encoder_weights=None, classes=CLASSES))


def torchvision(name: str) -> Peer:
    """A network of torchvision, from scratch."""
    from torchvision.models import segmentation

    return Peer(getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=CLASSES))


class PretrainedSqueezeNet(nn.Module):
    """SqueezeNet as it left ImageNet, scored at two depths as an FCN is: what pretraining is worth, for scale."""

    def __init__(self):
        super().__init__()
        from torchvision.models import squeezenet1_0

        folder = download.find_data("weights")
        if folder is None:
            raise download.DataMissing("The pretrained row needs weights/squeezenet1_0.safetensors in SEGEDU_DATA.")
        classifier = squeezenet1_0()
        classifier.load_state_dict(load_file(folder / "squeezenet1_0.safetensors"))
        self.normalise = Normalise(3)
        self.fine, self.coarse = classifier.features[:11], classifier.features[11:]
        self.score_fine, self.score_coarse = nn.Conv2d(512, CLASSES, 1), nn.Conv2d(512, CLASSES, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, num_classes, H, W) logits of pictures (N, 3, H, W) in 0…1."""
        fine = self.fine(self.normalise(image))
        scores, coarse = self.score_fine(fine), self.score_coarse(self.coarse(fine))
        scores = scores + F.interpolate(coarse, size=scores.shape[-2:], mode="bilinear")
        return F.interpolate(scores, size=image.shape[-2:], mode="bilinear")


@dataclass
class Arm:
    """A row of the table: what is trained, and how. rate is that of AdamW; None means "as documented"."""

    build: Callable[[], nn.Module]
    rate: float | None = None


PEERS = {
    "smp Unet resnet18": partial(smp, "Unet"),
    "smp DeepLabV3Plus resnet18": partial(smp, "DeepLabV3Plus"),
    "torchvision lraspp": partial(torchvision, "lraspp_mobilenet_v3_large"),
    "torchvision fcn_resnet50": partial(torchvision, "fcn_resnet50"),
}
ARMS = {
    "FCN-8s": Arm(partial(FCN, CLASSES), rate=3e-3),
    "DeepLab v3+": Arm(partial(DeepLab, CLASSES, output_stride=16, rates=(1, 2, 3)), rate=3e-3),
    "U-Net": Arm(partial(UNet, CLASSES), rate=1e-2),
    "U-Net, strided stem": Arm(
        partial(QuickUNet, CLASSES, width=32, depth=3, stride=4, stem="strided", upsampling="bilinear", convolutions=1),
        rate=6e-3,
    ),
    **{f"{name}, as documented": Arm(build) for name, build in PEERS.items()},
    **{f"{name}, our recipe": Arm(build, rate=1e-3) for name, build in PEERS.items()},
    "SqueezeNet, pretrained": Arm(PretrainedSqueezeNet, rate=1e-3),
}


class Street:
    """The pictures that all arms share, read once."""

    def __init__(self):
        by_drive = {"protocol": "by-drive", "size": SIZE}
        self.train = CamVid("train", transform=transforms.augment(scale=(0.7, 1.6)), **by_drive)
        self.scored = {"by_drive": CamVid("test", **by_drive), "val": CamVid("val", size=SIZE)}
        self.loss = weighted_loss(self.train)


def learn_as_documented(model: nn.Module, street: Street, seed: int) -> Iterator[tuple[float, int]]:
    """After each step of the loop that a library's documentation shows: seconds of computing, and pictures learnt from.

    What the caller does between two steps does not count.
    """
    optimizer = torch.optim.Adam(model.parameters())
    batches = SeededBatchSampler(len(street.train), BATCH, seed, first_step=0, steps=None)
    model.train()
    seconds, pictures, started = 0.0, 0, time.thread_time()
    for images, masks in DataLoader(SeededDataset(street.train), batch_sampler=batches):
        loss = F.cross_entropy(model(images), masks, ignore_index=255)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        pictures += len(images)
        seconds += time.thread_time() - started
        yield seconds, pictures
        started = time.thread_time()


def fit_for(
    seconds: float, model: nn.Module, train, *, loss: Callable, rate: float, batch: int, seed: int, precision="auto"
) -> History:
    """What `segedu.fit` did in so many seconds of computing, in our recipe."""
    model.to(memory_format=torch.channels_last)
    # the clock by which fit counts its minutes; while a GPU computes, the thread's own stands still
    clock = time.thread_time if runtime.device().type == "cpu" else time.perf_counter
    with mock.patch.object(time, "perf_counter", clock):
        return segedu.fit(
            model, train, minutes=seconds / 60, loss=loss, learning_rate=rate, batch_size=batch,
            precision=precision, seed=seed, progress=False,
        )  # fmt: skip


def row(model: nn.Module, street: Street, speed: float) -> Scores:
    """What is stored of a trained network: parameters, pictures a second, and the mean IoU of all that is scored."""
    scores = {name: round(segedu.evaluate(model, data).mean_iou(), 4) for name, data in street.scored.items()}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "pictures_per_second": round(speed, 1), **scores}


def run(arm: Arm, street: Street, seconds: float, seed: int) -> Scores:
    """Train one arm from one seed, and score it."""
    torch.manual_seed(seed)
    model = arm.build()
    if arm.rate is None:
        learning = learn_as_documented(model, street, seed)
        pictures = next(pictures for spent, pictures in learning if spent >= seconds)
    else:
        recipe = {"loss": street.loss, "rate": arm.rate, "batch": BATCH, "seed": seed}
        pictures = fit_for(seconds, model, street.train, **recipe).pictures
    return row(model, street, pictures / seconds)


def table(stored: dict) -> str:
    """The stored rows for people, best by drive first: means with the 95 % interval of the mean over the seeds."""
    lines = [f"{'mean IoU in %':42s} {'by drive':>12s} {'val':>12s} {'pictures/s':>11s} {'parameters':>12s} seeds"]
    rows = sorted(stored["arms"].items(), key=lambda row: -statistics.mean(row[1]["by_drive"].values()))
    for name, row in rows:
        by_drive, val = (interval([100 * value for value in row[key].values()]) for key in ("by_drive", "val"))
        speed = statistics.mean(row["pictures_per_second"].values())
        lines.append(
            f"{name:42s} {by_drive:>12s} {val:>12s} {speed:11.1f} {row['parameters']:12,d} {len(row['val']):5d}"
        )
    return "\n".join([*lines, f"{stored['seconds']} s each, {stored['machine']}. {CAPTION}"])


CAPTION = (
    "All but the row called pretrained start from scratch; CamVid by drive at 160×120, last weights; ± is the 95 % "
    "interval of the mean over the seeds."
)


def interval(values: list[float]) -> str:
    """The mean and the 95 % interval of the mean in words; of one value, the value."""
    if len(values) == 1:
        return f"{values[0]:.1f}"
    mean = mean_interval(values)
    return f"{mean.mean:.1f} ± {mean.high - mean.mean:.1f}"


def compete(
    path: Path,
    question: str,
    seconds: int,
    names: Iterable[str],
    run_arm: Callable[[str, Street, int, int], Scores],
    table: Callable[[dict], str],
    *,
    make_street: Callable[[], Street] = Street,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> None:
    """Train and score the arms of these names seed by seed, store each row, and print the table: a command line.

    path: of the stored table; seconds, seeds: if none are given; run_arm: (name, street, seconds, seed) → a row.
    """
    parser = command_line(question, seeds=[*seeds], seconds=seconds)
    told = ", ".join(names)
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"beginnings of names; there are {told}")
    options = parser.parse_args()
    torch.set_num_threads(2)
    names = [name for name in names if not options.only or name.startswith(tuple(options.only))]
    if not names:
        parser.error(f"no arm is called {' or '.join(options.only)}; there are {told}")
    kept = partial(stored_rows, path, question, options.seconds, f"{runtime.precision()} in our recipe")
    street, rows = make_street(), kept()
    if not options.dry:
        refuse_other_code(path, rows)
    for seed in options.seeds:
        for name in names:
            result = run_arm(name, street, options.seconds, seed)
            print(f"seed {seed} {name}: {result}", flush=True)
            rows = with_row(rows if options.dry else kept(), name, seed, result)  # another run may have added some
            if not options.dry:
                store(path, rows)
    print(table(rows))


def run_named(name: str, street: Street, seconds: int, seed: int) -> Scores:
    """Train the arm of this name from one seed, and score it."""
    return run(ARMS[name], street, seconds, seed)


def main() -> None:
    """What each arm has learnt after the same seconds."""
    compete(STORED, QUESTION, 60, ARMS, run_named, table)


if __name__ == "__main__":
    sys.exit(main())
