"""`segedu train FOLDER`: a network from a folder of pictures and masks."""

from __future__ import annotations

import argparse
import warnings
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import ConcatDataset

from segedu import distributed, models, resources, runtime, transforms
from segedu.datasets import PictureFolder
from segedu.training import evaluate, fit, save

MODELS = {
    "unet": models.UNet,
    "fcn": models.FCN,
    "deeplab": partial(models.DeepLab, head="v3+"),
    "quick": models.QuickUNet,
}
EPOCH = 50  # steps between two validations, at least: an epoch of eight pictures would be one step
LARGEST = 256  # pixels a side of the windows that are learnt from
_HELP = """
FOLDER holds images/ and masks/ (or another form: segedu.datasets.PictureFolder tells all). Pictures
larger than --side are made smaller; windows of them, scaled and mirrored at random, are learnt from.
One group of pictures in five is kept for validation, unless the folder has train and val; the file
holds the weights that were best there. Ctrl-C ends early and keeps what was learnt; --resume goes on.

  segedu train leaves --minutes 5 --out leaves.safetensors
  segedu predict leaves.safetensors photos/*.jpg --out found
  torchrun --standalone --nproc-per-node=2 -m segedu train leaves --out leaves.safetensors  (two processes)
"""


def add_to(commands) -> None:
    """The options of this command."""
    command = commands.add_parser(
        "train", help="a network from your own pictures", description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument(
        "folder", metavar="FOLDER", help="pictures with their masks; segedu check FOLDER looks at them"
    )
    command.add_argument("--out", required=True, metavar="FILE", help="where the network goes: leaves.safetensors")
    command.add_argument("--model", choices=MODELS, default="unet", help="default: unet")
    command.add_argument(
        "--backbone", metavar="NAME", help="a classifier of torchvision as the way down: resnet18; or smp/NAME"
    )
    command.add_argument("--pretrained", action="store_true", help="with --backbone: start from ImageNet (a download)")
    budget = command.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="how long; default: 5")
    budget.add_argument("--steps", type=int, help="or how many batches")
    budget.add_argument("--epochs", type=float, help="or how many passes over the pictures")
    command.add_argument("--side", type=int, default=512, help="longer side of the pictures in pixels; default: 512")
    command.add_argument("--batch-size", type=int, default=8, help="pictures a step, of all processes; default: 8")
    command.add_argument("--learning-rate", type=float, default=3e-3, help="of the first step; default: 0.003")
    command.add_argument("--group", metavar="REGEX", help="pictures whose names share this stay together: 'film\\d+'")
    command.add_argument("--plain", action="store_true", help="no random scaling, mirroring, colours")
    command.add_argument("--precision", default="auto", help="auto, float32, bfloat16 or float16; default: auto")
    command.add_argument("--seed", type=int, default=0, help="default: 0")
    command.add_argument("--resume", action="store_true", help="go on with a training that was stopped")
    command.set_defaults(run=run)


@distributed.told_once()
def run(options: argparse.Namespace) -> int:
    """Train, save, draw the curves. 0; 130 where Ctrl-C ended it early."""
    out = Path(options.out)
    if out.suffix != ".safetensors":
        raise ValueError(f"--out {out} should end in .safetensors: {out.with_suffix('.safetensors')}")
    unfinished = out.with_suffix(".unfinished.safetensors")
    if out.exists() and not options.resume:
        raise FileExistsError(f"{out} is there already. Take another name, or move it away.")
    if out.exists() and not unfinished.exists():
        print(f"{out} is finished: nothing is left to go on with. To train anew, take another name.")
        return 0
    for path in (out, out.with_suffix(".png")):
        resources.remove_unfinished(path)  # what a run that was killed has left
    resources.check_writable(out)
    if options.pretrained and not options.backbone:
        raise ValueError("--pretrained needs --backbone: the networks of this course start from nothing.")
    train, val = _data(options)
    labels = train.labels
    print(f"{len(train)} pictures to learn from, {len(val) if val else 0} for validation")
    print(f"Classes: {', '.join(labels.names)}")
    runtime.seed_everything(options.seed)
    model = MODELS[options.model](len(labels))
    if options.backbone:
        model = models.BackboneUNet(len(labels), backbone=options.backbone, pretrained=options.pretrained)
    model.labels = labels
    budget = {name: getattr(options, name) for name in ("minutes", "steps", "epochs")}
    budget = {name: value for name, value in budget.items() if value is not None} or {"minutes": 5.0}
    repeats = max(1, -(-EPOCH * options.batch_size // len(train)))
    if "epochs" in budget:
        budget["epochs"] /= repeats
    history = fit(
        model, ConcatDataset([train] * repeats), val, **budget, batch_size=options.batch_size,
        learning_rate=options.learning_rate, precision=options.precision, seed=options.seed,
        checkpoint=unfinished, resume=options.resume,
    )  # fmt: skip
    if distributed.is_first():
        save(out, model, labels=labels, notes={"side": options.side, "steps": len(history.loss)})
        _draw(history, out.with_suffix(".png"))
    _tell(history, model, val, out)
    if history.interrupted:
        print(f"Stopped early. To go on: the same command with --resume (the state is in {unfinished}).")
        return 130
    if distributed.is_first():
        unfinished.unlink(missing_ok=True)
    return 0


def _data(options: argparse.Namespace) -> tuple[PictureFolder, PictureFolder | None]:
    """What to learn from and what to validate on; the second None where the folder is too small to divide."""
    whole = PictureFolder(options.folder, max_side=options.side)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            train, val = (whole.part(split, group=options.group) for split in ("train", "val"))
        except ValueError as error:
            if hasattr(error, "problems") or options.group is not None:
                raise
            print(f"No validation: {error}")
            train, val = _without_val(whole), None
    for sentence in dict.fromkeys(str(warning.message) for warning in told):
        print(sentence)
    for path in train.unlabelled:
        print(f"{path} has no mask and is left out.")
    sizes = [tuple(mask.shape) for _, mask in train]
    window = tuple(max(32, min(LARGEST, min(sides)) // 32 * 32) for sides in zip(*sizes, strict=True))
    train.transform = transforms.augment(window)
    if options.plain:
        train.transform = transforms.augment(window, scale=(1, 1), flip=False, colour=0)
    return train, val


def _without_val(whole: PictureFolder) -> PictureFolder:
    """What to learn from where nothing is for validation: the list train, never what is kept for a test."""
    try:
        return whole.part("train")
    except ValueError:  # nothing is divided, and there are too few pictures to do it
        return whole


def _tell(history, model: torch.nn.Module, val, out: Path) -> None:
    print(f"{len(history.loss)} steps, {history.pictures} pictures, {history.seconds / 60:.1f} minutes: {out}")
    if val:
        matrix = evaluate(model, val)
        for name, iou in zip(model.labels.names, matrix.iou().tolist(), strict=True):
            print(f"  {name}: IoU {100 * iou:.0f} %" if iou == iou else f"  {name}: not in the validation pictures")
        print(f"  mean IoU {100 * matrix.mean_iou():.1f} % on {len(val)} pictures that it did not learn from")


def _draw(history, path: Path) -> None:
    """Loss and validation over the steps, as PNG beside the weights."""
    from segedu import plotting  # matplotlib takes a second

    figure = plotting.learning_curves({"": history})
    with resources.atomic_write(path) as temporary:
        figure.savefig(temporary, format="png")
