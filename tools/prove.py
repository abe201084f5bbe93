"""Run lessons as other machines would, as `make prove` does, and tell how far every assert is from failing.

    python -m tools.prove [NAME ...] [--runs N]

NAME is the beginning of a lesson's file name ("04"); without one, all run. A run has first weights that differ in the
seventh digit, one or two threads, and a processor with its own instructions or with a laptop's (AVX2). Asserts do not
stop a run, they are written down. The table counts for each of them the runs in which it fails, and tells the distance
of the nearest run from its bound, in standard deviations of the runs: at least 2 are wanted. A lesson that trains
nothing runs once on each of the four kinds of machine. data/results/claims.json keeps what was seen.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks.provenance import commit, today

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RESULTS = ROOT / "data" / "results" / "claims.json"
KINDS = 4  # of machines: one or two threads, its own instructions or AVX2
ROOM = 2.0  # standard deviations between the nearest run and the bound
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def machine(number: int) -> dict:
    """What is special about run `number`."""
    return {"seed": number, "threads": 1 + number % 2, "avx2": number // 2 % 2 == 1}


def run(path: Path, number: int) -> list:
    """The lines that lesson `path` writes about its claims on machine `number`, and its errors."""
    here = machine(number)
    with tempfile.TemporaryDirectory() as scratch:
        record, startup = Path(scratch, "record"), Path(scratch, "profile_default", "startup")
        record.touch()
        startup.mkdir(parents=True)
        (startup / "00.py").write_text(
            f"import sys\nsys.path.insert(0, {str(ROOT / 'tools')!r})\nimport another_machine\nsys.path.pop(0)\n"
            f"another_machine.begin(get_ipython(), {here['seed']}, {str(record)!r})\ndel another_machine, sys\n",
            encoding="utf-8",
        )
        environment = os.environ | {
            "IPYTHONDIR": scratch,
            "OMP_NUM_THREADS": str(here["threads"]),
            "OMP_WAIT_POLICY": "PASSIVE",
            "CUDA_VISIBLE_DEVICES": "",
            "SEGEDU_STRICT": "1",  # nothing but `another_machine` takes the asserts
            **(AVX2 if here["avx2"] else {}),
        }
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(notebook, timeout=1800, kernel_name="python3", allow_errors=True)
        with client.setup_kernel(env=environment, cwd=str(path.parent)):
            for index, cell in enumerate(notebook.cells):
                client.execute_cell(cell, index)
        errors = [
            {"cell": cell.execution_count - 1, "error": f"{output.ename}: {output.evalue}"}
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", [])
        ]
        return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()] + errors


def side_by_side(path: Path, numbers: list[int]) -> dict[int, list]:
    """The lines of these runs of one lesson; as many run at once as there are cores for their threads."""
    results, cores = {}, os.cpu_count() or 1
    for threads in (1, 2):
        chosen = [number for number in numbers if machine(number)["threads"] == threads]
        with concurrent.futures.ThreadPoolExecutor(max(1, cores // threads)) as pool:
            results |= dict(zip(chosen, pool.map(lambda number: run(path, number), chosen), strict=True))
    return results


def all_runs(path: Path, runs: int) -> list[list]:
    """The lines of each run of one lesson: one on each kind of machine, and the others if it trains anything."""
    results = side_by_side(path, list(range(min(runs, KINDS))))
    if any(isinstance(line, int) for line in results[0]):
        results |= side_by_side(path, list(range(len(results), runs)))
    return [results[number] for number in sorted(results)]


def distance(margins: list[float]) -> float:
    """How many standard deviations of the runs lie between the nearest run and the bound; inf if they are all equal."""
    deviation = statistics.stdev(margins) if len(margins) > 1 else 0.0
    if deviation <= 1e-9 * max(map(abs, margins)):
        return math.inf if min(margins) >= 0 else -math.inf
    return min(margins) / deviation


def judged(runs: list[list]) -> list[dict]:
    """One entry an assert: its code cell (from 0), its source, in how many runs it fails, and its distance."""
    failed, margins, errors, order = defaultdict(set), defaultdict(lambda: defaultdict(list)), {}, []
    for number, lines in enumerate(runs):
        seen = defaultdict(int)
        for line in lines:
            if isinstance(line, int):
                continue
            claim = (line["cell"], line.get("source", "the cell stops"))
            if claim not in order:
                order.append(claim)
            seen[claim] += 1  # an assert in a loop speaks more than once
            if not line.get("held", False):
                failed[claim].add(number)
                errors[claim] = line["error"]
            for place, margin in line.get("margins", {}).items():
                margins[claim][place, seen[claim]].append(margin)
    return [
        {
            "cell": cell,
            "claim": source,
            "fails": len(failed[cell, source]),
            "of": len(runs),
            "distance": min(map(distance, margins[cell, source].values()), default=math.inf),
            "error": errors.get((cell, source)),
        }
        for cell, source in order
    ]


def is_sound(claim: dict) -> bool:
    """Whether a claim holds in all runs, with ROOM to its bound."""
    return claim["fails"] == 0 and claim["distance"] >= ROOM


def show(path: Path, claims: list[dict], seconds: float) -> None:
    """Print the line of a lesson, and a line for each claim that is not sound."""
    bad = [claim for claim in claims if not is_sound(claim)]
    nearest = min((claim["distance"] for claim in claims), default=math.inf)
    print(
        f"{path.stem}: {len(claims)} asserts in {max((c['of'] for c in claims), default=0)} runs, {len(bad)} too near, "
        f"the nearest {nearest:.1f} deviations from its bound ({seconds:.0f} s)",
        flush=True,
    )
    for claim in bad:
        room = f"{claim['distance']:5.1f}" if math.isfinite(claim["distance"]) else "    –"
        print(f"  cell {claim['cell']:3d}  fails {claim['fails']:2d}/{claim['of']}  {room}  {claim['claim'][:150]}")
        if claim["error"]:
            print(f"            {claim['error'][:200]}")


def store(claims: dict[str, list[dict]]) -> None:
    """Write what was seen of these lessons into claims.json, beside what it has of the others."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["lessons"] if RESULTS.exists() else {}
    for lesson, entries in claims.items():
        finite = [claim["distance"] for claim in entries if math.isfinite(claim["distance"])]
        kept[lesson] = {
            "date": today(),
            "commit": commit(("segedu", "notebooks")),
            "runs": max((claim["of"] for claim in entries), default=0),
            "asserts": len(entries),
            "failing": sum(claim["fails"] > 0 for claim in entries),
            "too_near": sum(not is_sound(claim) for claim in entries),
            "nearest": round(min(finite), 2) if finite else None,
            "nearest_claims": [
                {"cell": claim["cell"], "claim": claim["claim"], "distance": round(claim["distance"], 2)}
                for claim in sorted(entries, key=lambda claim: claim["distance"])[:3]
                if math.isfinite(claim["distance"])
            ],
        }
    text = {"command": "python start.py prove", "noise": 1e-6, "lessons": dict(sorted(kept.items()))}
    told = json.dumps(text, indent=1, ensure_ascii=False) + "\n"
    RESULTS.write_text(told, encoding="utf-8", newline="\n")


def main() -> int | str:
    """Run the lessons, print what was seen, and store it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="beginnings of lessons' names; all lessons if none")
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="how many other machines (default 10)")
    parser.add_argument("--no-store", action="store_true", help="leave data/results/claims.json as it is")
    options = parser.parse_args()
    chosen = [path for path in NOTEBOOKS if path.name.startswith(tuple(options.names or [""]))]
    if not chosen or options.runs < 1:
        return f"No lesson in notebooks/ begins with {' or '.join(options.names) or 'anything'}, or --runs is below 1."
    sound = True
    for path in chosen:
        started = time.perf_counter()
        claims = judged(all_runs(path, options.runs))
        show(path, claims, time.perf_counter() - started)
        sound = sound and all(map(is_sound, claims))
        if not options.no_store:
            store({path.stem: claims})
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
