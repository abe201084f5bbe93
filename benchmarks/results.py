"""Train what a lesson is too short to train, and store the numbers: data/results/NAME.json.

    python -m benchmarks.results 04_leak [--seeds 0 1 2] [--dry]

Every file holds the command, the machine, the day, the commit, digests of the modules that were used (provenance.py),
and for each arm one list a score with one number a seed. The lessons draw their figures from these files;
`python -m benchmarks --check` trains an arm of each anew. --dry prints without storing.
Arms are run seed by seed and stored after each, so that a run that is stopped early has as many seeds of each. Asked
for more seeds than are stored, the run goes on behind those, if the same code on a machine of the same kind made them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks import (
    lesson_02,
    lesson_04,
    lesson_05,
    lesson_05_transfer,
    lesson_06,
    lesson_07,
    lesson_07_longer,
    lesson_07_weights,
    lesson_08,
    lesson_08_controls,
    lesson_09,
    lesson_09_colours,
    lesson_10,
    lesson_11,
    lesson_12,
    lesson_13,
    lesson_13_camera,
    lesson_14,
    lesson_14_breaks,
    lesson_15,
    lesson_16,
)
from benchmarks.provenance import changes, origin
from benchmarks.storing import RESULTS, command_line, known, machine, read, store

EXPERIMENTS = {
    **lesson_02.EXPERIMENTS,
    **lesson_04.EXPERIMENTS,
    **lesson_05.EXPERIMENTS,
    **lesson_05_transfer.EXPERIMENTS,
    **lesson_06.EXPERIMENTS,
    **lesson_07.EXPERIMENTS,
    **lesson_07_longer.EXPERIMENTS,
    **lesson_07_weights.EXPERIMENTS,
    **lesson_08.EXPERIMENTS,
    **lesson_08_controls.EXPERIMENTS,
    **lesson_09.EXPERIMENTS,
    **lesson_09_colours.EXPERIMENTS,
    **lesson_10.EXPERIMENTS,
    **lesson_11.EXPERIMENTS,
    **lesson_12.EXPERIMENTS,
    **lesson_13.EXPERIMENTS,
    **lesson_13_camera.EXPERIMENTS,
    **lesson_14.EXPERIMENTS,
    **lesson_14_breaks.EXPERIMENTS,
    **lesson_15.EXPERIMENTS,
    **lesson_16.EXPERIMENTS,
}


def earlier(name: str, arms: list[str], seeds: list[int]) -> dict:
    """What is stored of the first of these seeds, and of no other, by today's code on such a machine; else nothing."""
    path = RESULTS / f"{name}.json"
    stored = read(path) if path.exists() else {}
    before = stored.get("seeds", seeds)
    as_now = (
        len(before) < len(seeds)
        and before == seeds[: len(before)]
        and list(stored["arms"]) == arms
        and stored["machine"] == machine("float32")
        and not changes(stored["modules"], EXPERIMENTS[name].__module__)
    )
    return stored if as_now else {}


def run(name: str, seeds: list[int]) -> Iterator[dict]:
    """After each seed, all that is known of one experiment; in it the arms: {arm: {score: [one number a seed]}}."""
    came_from = origin(EXPERIMENTS[name].__module__)
    arms = EXPERIMENTS[name]()
    stored = earlier(name, list(arms), seeds)
    came_from |= {"shown_equal": stored["shown_equal"]} if "shown_equal" in stored else {}
    table: dict[str, dict[str, list[float]]] = stored.get("arms") or {arm: {} for arm in arms}
    there = len(stored.get("seeds", []))
    for done, seed in enumerate(seeds[there:], start=there + 1):
        for arm, of_seed in arms.items():
            for score, value in of_seed(seed).items():
                table[arm].setdefault(score, []).append(round(value, 4))
            print(name, f"seed {seed}", arm, {score: values[-1] for score, values in table[arm].items()}, flush=True)
        yield {
            "question": EXPERIMENTS[name].__doc__,
            "command": f"python -m benchmarks.results {name} --seeds {' '.join(map(str, seeds[:done]))}",
            "machine": machine("float32"),
            **came_from,
            "seeds": seeds[:done],
            "arms": table,
        }


def main() -> None:
    """Run experiments, and store each after each seed."""
    parser = command_line(__doc__, seeds=list(range(10)))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(EXPERIMENTS)}; all if none")
    options = parser.parse_args()
    for name in known(options.names, EXPERIMENTS):
        for result in run(name, options.seeds):
            if not options.dry:
                store(RESULTS / f"{name}.json", result)


if __name__ == "__main__":
    sys.exit(main())
