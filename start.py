"""Set up and start.

python start.py lab [--no-browser] [--fresh] [--from PACK] | copy [FOLDER] | test | fast | lowest | lint | bench
| site [--pdf] | notebooks [NAME ...] | prove [NAME ...] | learner DIR | pack DIR [...] | address [ADDRESS] | release

Makes .venv beside this file, installs what the command needs when pyproject.toml is new, and runs it. But copy only
writes the lessons without their answers into a folder, learner the course without answers and solutions, pack that and
all it needs for `lab --from` without a network; and lowest tests in .venv-lowest, with the lowest versions.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("segedu needs Python 3.11 or newer, and this is %d.%d: get one from python.org." % sys.version_info[:2])

import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import time
import tomllib
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV, LOWEST, LESSONS, WORKING_COPY = ROOT / ".venv", ROOT / ".venv-lowest", ROOT / "notebooks", ROOT / "my_lessons"
SCRIPTS = Path("Scripts" if os.name == "nt" else "bin")
NBVAL = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=600"]
COMMANDS = {  # run as they stand, in .venv with all extras
    "fast": ["-m", "pytest", "tests", "-m", "not slow"],
    "notebooks": ["-m", "tools.store_notebooks"],
    "bench": ["-m", "benchmarks"],
    "site": ["-m", "tools.site"],
    "prove": ["-m", "tools.prove"],
    "address": [ROOT / "tools" / "publish.py", "address"],
    "release": [ROOT / "tools" / "publish.py", "release"],
}
NO_NEWS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}  # nor a question about them
CUDA_FOR_NOTHING = """\
This computer has no NVIDIA card, and 5.3 of these 6.3 GB serve nothing else. To save them, stop here (Ctrl-C), then
    {python} -m pip install uv
and the same command again: uv takes the PyTorch that fits the computer."""


def install(*extras, venv=VENV, base=sys.executable, pins=(), pack=None):
    """The Python of `venv`, in which the project is installed with these extras, each once for a pyproject.toml."""
    python = venv / SCRIPTS / ("python.exe" if os.name == "nt" else "python")
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamps = {extra: venv / f"installed-{extra}" for extra in extras}
    missing = [extra for extra, stamp in stamps.items() if not stamp.exists() or stamp.read_text() != wanted]
    if not missing:
        return python
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), str(python.parent)])
    uv = None if pack else shutil.which("uv", path=places)
    if not python.exists():
        make = [uv, "venv", "--quiet", "--seed", "--python", base, venv] if uv else [base, "-m", "venv", venv]
        made = False
        try:
            made = subprocess.call(make) == 0
        finally:  # stopped by Ctrl-C, too: half an environment would be taken for a whole one
            if not made:
                shutil.rmtree(venv, ignore_errors=True)
        if not made:
            sys.exit(f"Python could not make the folder {venv.name}: see its message above.")
    wishes = ["-e", f".[{','.join(missing)}]", *pins]
    if pack:
        wishes = ["--no-index", "--find-links", pack / "wheels", *wishes]
        print(f"Installing into {venv.name} from {pack}, once and without network: 2 to 10 minutes ...", flush=True)
    by_uv = [uv, "pip", "install", "--python", python, "--torch-backend=auto", *wishes]
    by_pip = [python, "-m", "pip", "install", "--progress-bar=off", *wishes]
    for installer in [by_uv, by_pip] if uv else [by_pip]:  # pip may have a mirror where uv asks PyTorch's own server
        if not pack:
            announce(python, bool(uv), installer is by_uv)
        if succeeds(installer):
            break
    else:
        sys.exit("The installation failed: see the messages above, then run the same command again.")
    overrides = venv / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    overrides.parent.mkdir(parents=True, exist_ok=True)
    overrides.write_text(json.dumps(NO_NEWS))
    for extra in missing:
        stamps[extra].write_text(wanted)
    return python


def announce(python, has_uv, uses_uv):
    """Say size and time before the download; and, where pip would bring CUDA for no card, how to save most of it."""
    venv = python.parents[1]
    if any(torch for lib in ("lib/python*", "Lib") for torch in venv.glob(f"{lib}/site-packages/torch")):
        print(f"Installing into {venv.name}: less than 0.5 GB, about a minute ...", flush=True)
        return
    card = shutil.which("nvidia-smi") or Path("/proc/driver/nvidia").exists()
    cuda = sys.platform == "linux" and platform.machine() == "x86_64" and (card or not uses_uv)
    size = "6.3 GB on the disk, 5 to 20 minutes" if cuda else "1 GB on the disk, 2 to 10 minutes"
    print(f"Installing into {venv.name}, once: {size}, mostly for PyTorch ...", flush=True)
    if cuda and not card and not has_uv:
        print(CUDA_FOR_NOTHING.format(python=shlex.quote(str(python))), flush=True)
        if sys.stdin.isatty():
            print("Going on in 20 seconds ...", flush=True)
            time.sleep(20)


def succeeds(command):
    """Whether an installer ends well. A terminal shows its newest line; everything that it said only where it fails."""
    width = shutil.get_terminal_size().columns - 1 if sys.stdout.isatty() else 0
    said = []
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "backslashreplace"}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        for line in process.stdout:
            said.append(line)
            print(f"\r{line.strip()[:width]:{width}}" if width else "", end="", flush=True)
    print("\r" + " " * width + "\r" if width else "", "" if process.returncode == 0 else "".join(said), sep="", end="")
    return process.returncode == 0


def refresh_working_copy(fresh, folder=WORKING_COPY, without=()):
    """Bring lessons that the folder lacks there, without outputs. What is there is the reader's: never overwritten."""
    if fresh and folder.exists():
        folder.rename(ROOT / time.strftime("my_lessons-%Y-%m-%d-%H%M%S"))
    for source in sorted(LESSONS.rglob("*.ipynb")):
        place = source.relative_to(LESSONS)
        target = folder / place
        if {".ipynb_checkpoints", *without} & {*place.parts} or target.exists():
            continue
        notebook = json.loads(source.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
                cell["metadata"].pop("collapsed", None)  # stored answers are folded; the reader's own are not
                cell["metadata"].get("jupyter", {}).pop("outputs_hidden", None)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for page in LESSONS.glob("*.md"):  # a teacher's guide would tell the answers
        if page.name != "TEACHING.md" and not (folder / page.name).exists():
            shutil.copy(page, folder)


def run(python, *command, **environment):
    """The exit status of this Python with this command."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep: two processes do not starve each other
    process = subprocess.Popen([python, *command], cwd=ROOT, env=os.environ | environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the program got Ctrl-C too, and decides
            pass


def unpacked(folder):
    """The folder of a pack that `pack` has made for computers like this one."""
    try:
        made_for = json.loads((Path(folder) / "pack.json").read_text(encoding="utf-8"))["for"]
    except (OSError, ValueError):  # not there, or half copied
        sys.exit(f"{folder or 'It'} is no pack: name the folder that `python start.py pack FOLDER` made.")
    here = f"{platform.system()} {platform.machine()}, Python %d.%d" % sys.version_info[:2]
    if here not in made_for:
        sys.exit(f"{folder} is a pack for {'; '.join(made_for)}. This is {here}: take one of those, or pack anew.")
    return Path(folder).resolve()


def lab(*arguments):
    """The reader's copy of the lessons in JupyterLab."""
    words, pack = [word for word in arguments if word != "--fresh"], None
    if "--from" in words:
        at = words.index("--from")
        pack = unpacked("".join(words[at + 1 : at + 2]))
        del words[at : at + 2]
    python = install("lab", pack=pack)
    refresh_working_copy("--fresh" in arguments)
    return run(python, "-m", "jupyterlab", WORKING_COPY, *words)


def copy(folder=WORKING_COPY, *others):
    """The lessons without their answers in a folder, in any environment: nothing is installed."""
    target = Path(folder).resolve()
    if others or str(folder).startswith("-"):
        sys.exit(__doc__)
    if (target.exists() and not target.is_dir()) or LESSONS in (target, *target.parents):
        sys.exit(f"{target} cannot take the lessons: name a folder, new or old, outside of {LESSONS}.")
    refresh_working_copy(False, target)
    print(f"The lessons without their answers are in {target}; those that were there before are as they were.")


def hand_out(module, folder="", *options):
    """What a teacher hands out, made in this folder by a module of tools/ that needs no package."""
    if not folder or folder.startswith("-"):
        sys.exit(__doc__)
    return run(sys.executable, "-m", module, Path(folder).resolve(), *options)


def test(*arguments):
    """Every test and every lesson; before them, unless something else is asked for, the fast tests with one thread."""
    python = install("lab", "test", "site")
    alone = 0 if arguments else run(python, *COMMANDS["fast"], OMP_NUM_THREADS="1")
    if alone == 2:  # stopped: by Ctrl-C, or by what cannot be imported
        return alone
    status = run(python, "-m", "pytest", *NBVAL, *arguments)
    if alone:
        print("The fast tests fail with one thread (OMP_NUM_THREADS=1): see the first of the two reports.", flush=True)
    return alone or status


def lowest(*arguments):
    """Tests and lessons with the lower bounds of pyproject.toml: of Python, and of what a reader installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["requires-python"].removeprefix(">=")
    base = sys.executable if version == "%d.%d" % sys.version_info[:2] else shutil.which("python" + version)
    if base is None:
        sys.exit(f"The lowest versions need Python {version}, which is not here: install it, or call start.py with it.")
    pins = [bound.replace(">=", "==") for bound in project["dependencies"] + project["optional-dependencies"]["lab"]]
    python = install("lab", "test", venv=LOWEST, base=base, pins=pins)
    return run(python, "-m", "pytest", *NBVAL, *arguments)


def lint(*arguments):
    """Rules and layout of every file: each is told of what the other would say, too."""
    python = install("lab", "test")
    checked = run(python, "-m", "ruff", "check", ".", *arguments)
    return run(python, "-m", "ruff", "format", "--check", ".") or checked


def main(name="", *arguments):
    """Run the command of this name."""
    own = {"lab": lab, "copy": copy, "test": test, "lint": lint, "lowest": lowest}
    own |= {module: partial(hand_out, f"tools.{module}") for module in ("learner", "pack")}
    if name in {*own, *COMMANDS} - {"lab", "copy"} and not (ROOT / "tools").is_dir():
        sys.exit(f"This is the learner edition, which has lab and copy: `{name}` is the whole course's.")
    if name in own:
        sys.exit(own[name](*arguments))
    if name not in COMMANDS:
        sys.exit(__doc__)
    extras = ["site"] if name == "site" else ["lab", "test"]
    python = sys.executable if name == "address" else install(*extras)  # address only changes texts
    sys.exit(run(python, *COMMANDS[name], *arguments))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("\nStopped; the same command begins again.")
