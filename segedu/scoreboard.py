"""The scoreboard of the course: what each lesson reaches on the same forty streets."""

from __future__ import annotations

from dataclasses import dataclass

STREETS = 40  # ToyStreet("test", length=40): nothing was chosen by them


@dataclass(frozen=True)
class Row:
    """One line of the scoreboard. Lesson 02.

    Attributes:
        lesson: the number of the lesson that makes it, "04", with its recipe.
        name: of the predictor.
        mean_iou: in %, on the first forty streets of ToyStreet's test split.
    """

    lesson: str
    name: str
    mean_iou: float


ROWS = (
    Row("02", "everything is road", 3.1),
    Row("02", "the average street", 22.3),
    Row("02", "frosted glass (it knows the truth)", 43.5),
    Row("04", "SmallNet, 125 steps, mean of 3 seeds", 45.2),
    Row("05", "FCN-32s, 500 steps, as shipped", 38.9),
    Row("05", "FCN-8s, 500 steps, as shipped", 51.4),
    Row("06", "U-Net, 500 steps, as shipped", 42.4),
    Row("08", "DeepLab LargeFOV, 500 steps, as shipped", 41.5),
    Row("08", "DeepLab v3+, 500 steps, as shipped", 52.8),
    Row("12", "Panoptic-DeepLab, 3,000 steps more, as shipped", 64.6),
)


def rows(lesson: str) -> list[Row]:
    """What the lessons up to this one have reached, in the order of the lessons. Lesson 02.

    Args:
        lesson: a lesson's number, "04"; a lesson without rows of its own shows the earlier ones.
    """
    return [row for row in ROWS if row.lesson <= lesson]


def show(lesson: str, yours: float | dict[str, float] | None = None) -> None:
    """Print the scoreboard up to a lesson, best last, your own score among the rows. Lesson 02.

    All scores are mean IoU on `ToyStreet("test", length=40)`, so yours must be, too:
    `100 * segedu.evaluate(network, ToyStreet("test", length=40)).mean_iou()`.

    Args:
        lesson: the lesson's number, "04".
        yours: your score in %, 0…100, or {name: score} for several.

    Raises:
        ValueError: for a score below 0 or above 100.

    Example:
        >>> scoreboard.show("02", {"network": 46.6})  # doctest: +SKIP
    """
    named = yours if isinstance(yours, dict) else {} if yours is None else {"yours": yours}
    named = {name: float(score) for name, score in named.items()}
    for name, score in named.items():
        if not 0 <= score <= 100:
            raise ValueError(f"The score of {name!r} is {score}: a mean IoU in % lies between 0 and 100.")
    table = [(row.mean_iou, f"lesson {row.lesson}", row.name) for row in rows(lesson)]
    table += [(score, "just now", name) for name, score in named.items()]
    print(f"mean IoU in %, {STREETS} streets of ToyStreet test")
    for score, when, name in sorted(table):
        print(f"{score:5.1f}  {'▪' * round(score / 2):<32} {name}, {when}")
