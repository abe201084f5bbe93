"""Diagrams say what was measured: their texts are read back from the figure and compared with torch's own numbers."""

import re
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from segedu import diagrams
from segedu.diagrams.ladder import climbed
from segedu.diagrams.trace import measured
from segedu.metrics import ConfusionMatrix, border_band
from segedu.models import FCN, DeepLab, PanopticDeepLab, PaperUNet, QuickUNet, SmallNet, UNet
from segedu.models.layers import bilinear_kernel

IMAGE = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))
MODELS = {
    "SmallNet": lambda: SmallNet(11, width=8),
    "FCN-32s": lambda: FCN(11, width=4, stride=32),
    "FCN-16s": lambda: FCN(11, width=4, stride=16),
    "FCN-8s": lambda: FCN(11, width=4, stride=8),
    "UNet": lambda: UNet(11, width=4, depth=3),
    "UNet, residual": lambda: UNet(11, width=4, depth=3, residual=True),
    "UNet, no skips": lambda: UNet(11, width=4, depth=3, skips=False),
    "QuickUNet": lambda: QuickUNet(11, width=4, depth=3),
    "LargeFOV": lambda: DeepLab(11, width=4, head="largefov"),
    "ASPP": lambda: DeepLab(11, width=4, head="aspp-s"),
    "DeepLab v3": lambda: DeepLab(11, width=4, head="v3", rates=(2, 4, 8)),
    "Panoptic-DeepLab": lambda: PanopticDeepLab(11, width=4),
    "DeepLab v3+": lambda: DeepLab(11, width=4, rates=(2, 4, 8)),
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def colliding(figure) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes overlap, and texts that leave the sheet (with themselves)."""
    figure.canvas.draw()
    boxes = [
        (text.get_text(), text.get_window_extent()) for axis in figure.axes for text in axis.texts if text.get_text()
    ]
    found = [(a, b) for (a, first), (b, second) in combinations(boxes, 2) if first.padded(-0.5).overlaps(second)]
    width, height = figure.bbox.size
    outside = [(a, a) for a, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]
    return found + outside


def shapes(figure) -> set[tuple[int, int, int]]:
    """{(C, H, W)} that a network's diagram says, below its blocks or its pictures."""
    found = set()
    for text in texts(figure):
        if match := re.fullmatch(r"(\d+)(?:\n| × )(\d+)(?:×(\d+)|²)", text):
            channels, height, width = match.groups()
            found.add((int(channels), int(height), int(width or height)))
    return found


def hooked(model, image) -> set[tuple[int, int, int]]:
    """{(C, H, W)} of all that goes into and comes out of any module of the model."""
    found = set()

    def keep(module, given, out):
        for item in (*given, *(out if isinstance(out, tuple) else [out])):
            if isinstance(item, torch.Tensor):
                found.add(tuple(item.shape[1:]))

    hooks = [module.register_forward_hook(keep) for module in model.modules()]
    model.eval()(image[None])
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_networks_shapes_are_those_of_its_maps_and_no_two_texts_meet(name):
    model = MODELS[name]()
    figure = diagrams.network(model, IMAGE)
    said = shapes(figure)
    assert {(3, 64, 96), (11, 64, 96)} < said and len(said) >= 5
    assert said <= hooked(model, IMAGE)
    assert not colliding(figure)
    assert f"{sum(weight.numel() for weight in model.parameters()):,} parameters" in texts(figure)[0]


@pytest.mark.parametrize("size", [(160, 96), (64, 64), (240, 320)])
def test_pictures_of_other_forms_leave_room_for_their_texts(size):
    for name in ("UNet", "DeepLab v3+"):
        assert not colliding(diagrams.network(MODELS[name](), torch.rand(3, *size)))


def test_the_papers_u_net_reads_as_its_figure():
    figure = diagrams.network(PaperUNet(), torch.rand(1, 188, 188))
    assert {(64, 184, 184), (128, 88, 88), (256, 40, 40), (512, 16, 16), (1024, 4, 4), (2, 4, 4)} < shapes(figure)
    assert {"copy", "halve", "enlarge", "convolution"} < set(texts(figure)) and not colliding(figure)


def test_a_copy_is_drawn_only_where_a_map_is_copied():
    assert "copy" in texts(diagrams.network(MODELS["UNet"](), IMAGE))
    assert "copy" not in texts(diagrams.network(MODELS["UNet, no skips"](), IMAGE))
    assert "copy and add" in texts(diagrams.network(MODELS["SmallNet"](), IMAGE))
    assert texts(diagrams.network(MODELS["FCN-8s"](), IMAGE)).count("+") == 2
    assert texts(diagrams.network(MODELS["FCN-32s"](), IMAGE)).count("+") == 0


class OnesOwn(nn.Module):
    """Of a lesson: functions instead of modules wherever there is one."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = (
            nn.Conv2d(3, 6, 3, padding=1),
            nn.Conv2d(6, 9, 3, padding=1),
            nn.Conv2d(15, 4, 1),
        )

    def forward(self, image):
        fine = self.first(image).relu()
        coarse = self.second(F.max_pool2d(fine, 2)).relu()
        return self.last(torch.cat([fine, F.interpolate(coarse, scale_factor=2)], 1))


def test_a_network_of_ones_own_is_drawn_with_its_pooling_its_copy_and_its_upsampling():
    figure = diagrams.network(OnesOwn(), IMAGE)
    assert shapes(figure) == {(3, 64, 96), (6, 64, 96), (9, 32, 48), (15, 64, 96), (4, 64, 96)}
    assert {"copy", "halve", "enlarge"} < set(texts(figure))


def test_the_steps_of_a_skip_come_from_autograds_record():
    steps, logits = measured(OnesOwn(), IMAGE)
    assert [step.name for step in steps] == ["picture", "first", "second", "last", "logits"]
    assert [[feed.source for feed in step.feeds] for step in steps] == [[], [0], [1], [2, 1], [3]]
    assert logits.shape == (1, 4, 64, 96) and not logits.requires_grad


@pytest.mark.parametrize("name", ["UNet", "DeepLab v3+"])
def test_a_network_stays_as_it_was(name):
    model, image = MODELS[name](), IMAGE.clone()
    model.train()
    next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d)).eval()  # frozen by hand
    modes = [module.training for module in model.modules()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    chance = torch.get_rng_state()
    with torch.no_grad():
        diagrams.network(model, image)
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(image, IMAGE) and not image.requires_grad and torch.equal(chance, torch.get_rng_state())


def test_a_network_that_cannot_be_drawn_says_why():
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 2, 1)

        def forward(self, image):
            return self.layer(image).detach()

    with pytest.raises(ValueError, match="no_grad"):
        diagrams.network(Detached(), IMAGE)
    with pytest.raises(ValueError, match="too many"):
        diagrams.network(nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(40))), IMAGE)


def test_a_convolutions_numbers_are_torchs():
    draw = torch.Generator().manual_seed(1)
    image = torch.randint(0, 9, (3, 5, 5), generator=draw)
    kernel = torch.randint(-2, 3, (3, 3, 3), generator=draw)
    figure = diagrams.convolution(image, kernel, at=(1, 2), bias=1)
    result = F.conv2d(image[None].float(), kernel[None].float(), torch.tensor([1.0]))[0, 0]
    sums = (image[:, 1:4, 2:5] * kernel).sum((1, 2)).tolist()
    minus = [f"{value}".replace("-", "−") for value in sums]
    assert [text for text in texts(figure) if text.startswith("sum")] == [f"sum {value}" for value in minus]
    assert any(text.endswith(f"= {int(result[1, 2])}".replace("-", "−")) for text in texts(figure))
    assert not colliding(figure)
    squares = 3 * (25 + 9 + 9) + 9
    assert sum(bool(re.fullmatch(r"−?\d+", text)) for text in texts(figure)) == squares
    for at in ((3, 0), (-1, 0)):
        with pytest.raises(ValueError, match="outside"):
            diagrams.convolution(image, kernel, at=at)
    with pytest.raises(ValueError, match="cannot be drawn"):
        diagrams.convolution(image, kernel[:2])


def test_pooling_and_transposed_convolution_are_torchs():
    values = torch.arange(24).view(4, 6)
    for kind, pooled in (("max", F.max_pool2d), ("mean", F.avg_pool2d)):
        figure = diagrams.pooling(values, kind=kind)
        expected = pooled(values[None].float(), 2).flatten().tolist()
        assert texts(figure)[-6:] == [f"{value:g}" for value in expected] and not colliding(figure)
    with pytest.raises(ValueError, match="divide"):
        diagrams.pooling(values, size=5)
    with pytest.raises(ValueError, match="unknown"):
        diagrams.pooling(values, kind="min")
    row, kernel = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.25, 0.75, 0.75, 0.25])
    figure = diagrams.transposed_convolution(row, kernel, padding=1)
    whole = F.conv_transpose1d(row[None, None], kernel[None, None], stride=2).flatten().tolist()
    assert texts(figure)[-9:] == [f"{value:g}" for value in whole] + ["(3 − 1) · 2 + 4 − 2 · 1 = 6 places"]
    square = diagrams.transposed_convolution(torch.tensor([[1, 2], [3, 4]]), bilinear_kernel(2))
    assert "(2 − 1) · 2 + 4 = 6 places" in texts(square) and not colliding(figure) and not colliding(square)
    with pytest.raises(ValueError, match="cannot be drawn"):
        diagrams.transposed_convolution(torch.zeros(9, 9), kernel)


def test_dilation_and_receptive_fields_are_measured():
    said = [text for text in texts(diagrams.dilation((1, 2, 4))) if "weights" in text]
    assert said == ["9 weights in 3×3 places", "9 weights in 5×5 places", "9 weights in 9×9 places"]
    with pytest.raises(ValueError, match="one to four"):
        diagrams.dilation((1, 2, 3, 4, 5))
    layers = [(3, 1, 1), (2, 2, 1), (3, 1, 1), (2, 2, 1), (3, 1, 1)]
    figure = diagrams.receptive_field(layers)
    assert [text for text in texts(figure) if text.isdigit()] == ["1", "3", "6", "8", "16", "18"] and not colliding(
        figure
    )
    net = nn.Sequential(
        nn.Conv2d(1, 1, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, 1)
    )
    numbers = [text for text in texts(diagrams.receptive_field(net)) if text.isdigit()]
    assert numbers == ["1", "5", "10", "12"]
    with pytest.raises(ValueError, match="0 layers"):
        diagrams.receptive_field([])
    with pytest.raises(ValueError, match="up to 200"):
        diagrams.receptive_field([(3, 1, 128)])


def test_iou_counts_its_pixels():
    a, b = np.zeros((12, 16), bool), np.zeros((12, 16), bool)
    a[2:9, 2:9] = b[4:11, 5:12] = True
    figure = diagrams.iou(a, b)
    both, either = (a & b).sum(), (a | b).sum()
    assert {f"both: {both} pixels", f"either: {either} pixels", f"=  {both / either:.2f}"} < set(texts(figure))
    assert not colliding(figure)
    with pytest.raises(ValueError, match="one size"):
        diagrams.iou(a, b[1:])
    with pytest.raises(ValueError, match="0 / 0"):
        diagrams.iou(a & ~a, a & ~a)


def test_the_matrix_gives_the_scores_of_confusion_matrix():
    draw = torch.Generator().manual_seed(2)
    truth, prediction = (torch.randint(0, 3, (40, 40), generator=draw) for _ in range(2))
    truth[:, :10], prediction[:, :20] = 0, 1
    matrix = ConfusionMatrix(3).update(prediction, truth)
    figure = diagrams.matrix(matrix, "b", labels=("a", "b", "c"))
    counts = matrix.counts.double()
    recall, precision = counts[1, 1] / counts[1].sum(), counts[1, 1] / counts[:, 1].sum()
    values = [text[2:] for text in texts(figure) if text.startswith("= ")]
    assert values == [f"{value:.2f}" for value in (recall, precision, matrix.iou()[1])] and not colliding(figure)
    with pytest.raises(ValueError, match="'d'"):
        diagrams.matrix(matrix, "d", labels=("a", "b", "c"))


def test_bands_are_border_bands():
    mask = torch.zeros(60, 80, dtype=torch.long)
    mask[20:40, 30:50] = 8
    figure = diagrams.band(mask, (1, 4, 16), image=torch.rand(3, 60, 80))
    shares = [f"{border_band(mask, width).float().mean():.0%}" for width in (1, 4, 16)]
    assert [text.split()[2] for text in texts(figure)[1:]] == shares and not colliding(figure)
    with pytest.raises(ValueError, match="one to three"):
        diagrams.band(mask, ())


def test_descent_takes_the_steps_of_gradient_descent():
    figure = diagrams.descent(lambda w: (w - 2) ** 2 + 0.5, start=-1, rate=0.2, steps=3)
    (points,) = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    weights = [-1.0]
    for _ in range(3):
        weights.append(weights[-1] - 0.2 * 2 * (weights[-1] - 2))
    np.testing.assert_allclose(points.get_xdata(), weights, rtol=1e-5)
    np.testing.assert_allclose(points.get_ydata(), (np.array(weights) - 2) ** 2 + 0.5, rtol=1e-5)
    assert "slope −6" in texts(figure) and f"after 3 steps: loss {(weights[-1] - 2) ** 2 + 0.5:.3g}" in texts(figure)
    with pytest.raises(ValueError, match="smaller rate"):
        diagrams.descent(lambda w: torch.exp(w**2), start=3, rate=1)


def test_a_pipeline_says_the_shapes_of_what_it_holds():
    model = SmallNet(11, width=8).eval()
    with torch.no_grad():
        logits = model(IMAGE[None])[0]
    steps = {"image": IMAGE, "SmallNet": model, "logits": logits, "argmax": "the largest", "mask": logits.argmax(0)}
    figure = diagrams.pipeline(steps)
    assert {"3 × 64×96", "11 × 64×96", "64×96", "the largest"} < set(texts(figure)) and not colliding(figure)
    with pytest.raises(ValueError, match="'what' has shape"):
        diagrams.pipeline({"what": torch.zeros(2)})


def test_a_split_counts_its_parts_and_refuses_overlap():
    groups = {"drive 1": [("train", 0, 300), ("val", 330, 400)], "drive 2": [("train", 0, 120)]}
    figure = diagrams.split(groups)
    assert {"train: 420 frames", "val: 70 frames"} < set(texts(figure)) and not colliding(figure)
    with pytest.raises(ValueError, match="overlaps"):
        diagrams.split({"drive 1": [("train", 0, 300), ("val", 299, 400)]})


def test_batches_are_those_of_the_loader_and_its_chance_is_put_back():
    data = [(torch.full((3, 4, 4), float(number)), number) for number in range(20)]
    loader = DataLoader(data, batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(3))
    figure = diagrams.batch(loader)
    said = [int(text) for text in texts(figure) if text.isdigit()]
    assert said[:20] == list(range(20)) and said[20:] == torch.cat([numbers for _, numbers in loader]).tolist()
    assert {"8 × 3 × 4 × 4", "4 × 3 × 4 × 4"} < set(texts(figure)) and not colliding(figure)


def test_sheets_are_as_wide_as_a_notebook_and_white():
    figure = diagrams.network(SmallNet(11, width=8), IMAGE)
    figure.canvas.draw()
    assert figure.get_size_inches()[0] * 96 == pytest.approx(760)
    assert (np.asarray(figure.canvas.buffer_rgba())[0, -1] == 255).all()
    sizes = {text.get_fontsize() for axis in figure.axes for text in axis.texts}
    assert sizes <= {8, 9, 11}


# FCN's ladder


def trained_like(stride: int) -> FCN:
    """An FCN whose score layers are not zero, as after some training; coarser ones have the same weights."""
    torch.manual_seed(0)
    finest = FCN(11, width=4, stride=8)
    for name, parameter in finest.named_parameters():
        if name.startswith("score"):
            nn.init.normal_(parameter)
    model = FCN(11, width=4, stride=stride)
    model.load_state_dict(finest.state_dict(), strict=False)
    return model


def test_the_ladder_says_its_networks_shapes_and_no_two_texts_meet():
    model = trained_like(8)
    figure = diagrams.ladder(model, IMAGE)
    assert model.training and not colliding(figure)
    said = {text for text in texts(figure) if "\n" in text}
    assert {"picture\n3 × 64×96", "pool1\n4 × 32×48", "pool5\n32 × 2×3", "scores\n11 × 2×3"} < said
    assert {"sum\n11 × 4×6", "sum\n11 × 8×12"} < said
    assert {f"FCN-{stride}s\n11 × 64×96" for stride in (32, 16, 8)} < said
    assert {"× 32", "× 16", "× 8"} < set(texts(figure))


def test_the_ladders_ends_are_what_the_three_networks_give():
    _, _, ends = climbed(trained_like(8), IMAGE)
    for stride, end in zip((32, 16, 8), ends, strict=True):
        with torch.inference_mode():
            torch.testing.assert_close(end, trained_like(stride).eval()(IMAGE[None])[0])


def test_the_ladder_wants_the_parts_of_fcn_8s():
    with pytest.raises(ValueError, match=r"no score_pool4, up_pool4|no up_score, score_pool4"):
        diagrams.ladder(trained_like(32), IMAGE)
