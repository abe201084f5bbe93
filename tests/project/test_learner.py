"""The learner edition is the lessons, cell by cell, without a stored answer, and of the release that they install."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml

from tests.project.test_publish import ADA, clones, git  # noqa: F401
from tests.project.test_teaching import PRINTED
from tools import exercises, learner, publish
from tools.cells import EXERCISES, NOTEBOOKS, ROOT, SOLUTIONS, TRANSLATIONS, tags

WORKFLOW = ROOT / ".github" / "workflows" / "learner.yml"


@pytest.fixture(scope="module")
def edition(tmp_path_factory) -> Path:
    """Made as a teacher makes it: by the Python outside of this environment, which has no packages of ours."""
    folder = tmp_path_factory.mktemp("made") / "edition"
    python = getattr(sys, "_base_executable", sys.executable)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, ROOT / "start.py", "learner", folder.name]
    done = subprocess.run(command, cwd=folder.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def notebooks(folder: Path) -> dict[str, dict]:
    """The notebooks of a folder, as their files have them."""
    paths = [path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    return {path.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8")) for path in paths}


def test_it_has_every_lesson_and_its_exercises_and_no_solutions(edition):
    made = notebooks(edition)
    paths = [*NOTEBOOKS, *EXERCISES, *SOLUTIONS, *TRANSLATIONS]
    assert made.keys() == {path.relative_to(ROOT).as_posix() for path in paths}
    others = {path.name for path in (edition / "notebooks").rglob("*.*")} - {path.name for path in paths}
    pages = {path.name for path in (ROOT / "notebooks").glob("*.md")}
    assert others == pages - {"TEACHING.md"} and others > {*PRINTED}, "a teacher's guide would tell the answers"
    for path in SOLUTIONS:
        (cell,) = made[f"notebooks/solutions/{path.name}"]["cells"]
        assert cell["cell_type"] == "markdown" and f"blob/main/notebooks/solutions/{path.name}" in cell["source"]


def test_it_stores_no_output_anywhere(edition):
    for name, notebook in notebooks(edition).items():
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == [] and cell["execution_count"] is None, name
            assert "solution" not in tags(cell) and "# --- solution" not in "".join(cell["source"]), name
            assert not cell.get("attachments"), name
    words = "".join(path.read_text(encoding="utf-8") for path in edition.rglob("*.ipynb"))
    assert not re.search(r'"(image/png|text/html|traceback|execute_result|display_data)"', words)


def test_every_cell_is_the_lessons_and_only_the_fold_of_its_answer_is_gone(edition):
    stored = notebooks(ROOT / "notebooks")
    for name, notebook in notebooks(edition / "notebooks").items():
        if name.startswith("solutions/"):
            continue
        expected = copy.deepcopy(stored[name])
        for cell in expected["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
                cell["metadata"].pop("collapsed", None)
                cell["metadata"].get("jupyter", {}).pop("outputs_hidden", None)
        assert notebook == expected, name
        ids = [cell["id"] for cell in notebook["cells"]]
        assert len(set(ids)) == len(ids) == len(stored[name]["cells"])


def test_exercises_hold_nothing_that_only_solutions_hold(edition):
    for path in SOLUTIONS:
        solutions = nbformat.read(path, as_version=4)
        left = nbformat.read(edition / "notebooks" / "exercises" / path.name, as_version=4)
        assert [cell.source for cell in left.cells] == [c.source for c in exercises.exercises(solutions).cells]


def test_explanations_stay_folded(edition):
    stored, made = (
        sum(str(cell["source"]).count("<details") for book in notebooks(folder).values() for cell in book["cells"])
        for folder in (ROOT / "notebooks", edition / "notebooks")
    )
    assert 50 < made <= stored


def test_every_notebook_is_valid(edition):
    for path in edition.rglob("*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=nbformat.NO_CONVERT))


def test_it_has_what_lessons_need_to_run_beside_them(edition, tmp_path):
    """The set-up cell finds the package in a folder above, the package its data; start.py makes a reader's copy."""
    needed = [path for name in ("segedu", "data") for path in (ROOT / name).rglob("*.*") if path.is_file()]
    needed = [path for path in needed if not {"__pycache__", "readme"} & {*path.parts}]
    needed += [ROOT / name for name in ("pyproject.toml", "setup.py", "start.py", ".gitattributes")]
    needed += [*ROOT.glob("LICENSE*"), ROOT / ".devcontainer" / "devcontainer.json"]  # the latter for Codespaces
    assert [path for path in needed if (edition / path.relative_to(ROOT)).read_bytes() != path.read_bytes()] == []
    subprocess.check_call([sys.executable, edition / "start.py", "copy", tmp_path / "mine"], env=_alone())
    assert notebooks(tmp_path / "mine").keys() == notebooks(edition / "notebooks").keys()
    assert not (edition / "tests").exists() and not (edition / "data" / "readme").exists()


def _alone() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "PYTHONDONTWRITEBYTECODE": "1"
    }


def test_what_it_links_is_there(edition):
    readme = (edition / "README.md").read_text(encoding="utf-8")
    here = re.findall(r"\]\((?!https?:)([^)#]+)\)", readme)
    lessons = [path.relative_to(ROOT).as_posix() for path in [*NOTEBOOKS, *TRANSLATIONS]]
    pages = [f"notebooks/{name}" for name in ("GLOSSARY.md", *PRINTED)]
    assert sorted(here) == sorted(lessons + pages) and all((edition / name).is_file() for name in here)
    for name, notebook in notebooks(edition / "notebooks").items():
        words = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
        for link in re.findall(r"\]\((?!https?:|#)([\w./-]+)[)#]", words):
            assert (edition / "notebooks" / name).parent.joinpath(link).exists(), f"{name}: {link}"


@pytest.mark.parametrize("where", ["README.md", "README.ko.md", "README.md of the edition", "lessons"])
def test_every_badge_leads_to_the_edition(edition, where):
    if where == "lessons":
        texts = [path.read_text(encoding="utf-8") for path in [*NOTEBOOKS, *EXERCISES, *TRANSLATIONS]]
    else:
        folder = edition if where.endswith("edition") else ROOT
        texts = [(folder / where.partition(" ")[0]).read_text(encoding="utf-8")]
    place = publish.repository().removeprefix(publish.GITHUB)
    opens = re.compile(
        r"(?:colab\.research\.google\.com/github|kernels/welcome\?src=https://github\.com)/(\S+?)[)\s\\]"
    )
    for text in texts:
        found = opens.findall(text)
        assert found and all(file.startswith(f"{place}/blob/{publish.BRANCH}/notebooks/") for file in found), found
        assert all((edition / file.partition(f"/{publish.BRANCH}/")[2]).is_file() for file in found), found
    if where in ("README.md", "README.ko.md"):
        assert f"(https://codespaces.new/{place}/tree/{publish.BRANCH})" in texts[0]
        assert f"git-pull?repo={publish.repository()}&branch={publish.BRANCH}&" in texts[0]


def test_it_goes_into_a_new_or_empty_folder_elsewhere(tmp_path):
    (tmp_path / "mine").write_text("my work")
    with pytest.raises(SystemExit, match="something in it"):
        learner.make(tmp_path)
    with pytest.raises(SystemExit, match="something in it"):
        learner.make(tmp_path / "mine")
    for inside in ("notebooks/learner", "segedu/learner"):
        with pytest.raises(SystemExit, match="a part of this course"):
            learner.make(ROOT / inside)
    assert (tmp_path / "mine").read_text() == "my work"
    with pytest.raises(SystemExit, match="python start.py learner"):
        learner.main(str(tmp_path / "new"), "--quick")
    with pytest.raises(SystemExit, match="wheel"):
        learner.main(str(tmp_path / "new"), "--release", str(tmp_path / "no.whl"))
    assert not (tmp_path / "new").exists()


# The branch of a release, in a clone


@pytest.fixture
def released(clones, monkeypatch, tmp_path):  # noqa: F811
    """A clone whose last commit is tagged as the release of its wheel."""
    clone, _ = clones
    for module in (publish, learner):
        monkeypatch.setattr(module, "ROOT", clone)
    monkeypatch.setattr(learner.start, "LESSONS", clone / "notebooks")
    shutil.copytree(ROOT / ".github", clone / ".github", dirs_exist_ok=True)  # also before it is committed here
    publish.write(ADA, "")
    git(clone, "add", "--all")
    git(clone, "commit", "-qm", "our address", "--allow-empty")
    publish.release()
    git(clone, "commit", "-qam", "released")
    git(clone, "tag", f"v{publish.version()}")
    (wheel,) = (clone / "dist").glob("*.whl")
    return clone, wheel


@pytest.mark.slow
def test_a_release_is_refused_unless_tag_wheel_and_cells_are_one(released, tmp_path, monkeypatch):
    clone, wheel = released
    tag = f"v{publish.version()}"
    assert learner.check_release(wheel) == tag

    def refused(words, *, wheel=wheel):
        with pytest.raises(SystemExit, match=words):
            learner.main(str(tmp_path / "edition"), "--release", str(wheel))
        assert not (tmp_path / "edition").exists()

    (tmp_path / "other.whl").write_bytes(wheel.read_bytes() + b" ")
    refused("checksum", wheel=tmp_path / "other.whl")
    (clone / "segedu" / "labels.py").open("a").write("# one more\n")
    refused(r"changed since the commit:\n.*labels\.py")
    git(clone, "commit", "-qam", "one more")
    refused(f"this commit is not {tag}")
    git(clone, "tag", "--force", tag)
    refused(r"holds another segedu/labels\.py")
    git(clone, "reset", "-q", "--hard", "HEAD^")
    git(clone, "tag", "--force", tag)
    assert learner.check_release(wheel) == tag
    lesson = clone / "notebooks" / NOTEBOOKS[0].name
    lesson.write_text(lesson.read_text(encoding="utf-8").replace("sha256=", "sha256=0"), encoding="utf-8")
    refused(f"{lesson.name} is not as")
    publish.write(ADA, publish.wheel().replace(f"/{tag}/", "/v0.0.1/"))
    refused("v0.0.1")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bash"), reason="the workflow runs where bash is")
def test_the_workflow_puts_each_release_on_top_of_the_last(released, tmp_path):
    clone, wheel = released
    origin, tag = tmp_path / "origin.git", f"v{publish.version()}"
    subprocess.check_call(["git", "init", "-q", "--bare", origin])
    git(clone, "remote", "set-url", "origin", str(origin))
    steps = {
        step.get("name"): step.get("run") for step in yaml.safe_load(WORKFLOW.read_text())["jobs"]["learner"]["steps"]
    }
    make, push = (script for script in steps.values() if script and "gh release" not in script)
    commits = []
    for number in (1, 2):
        scratch = tmp_path / str(number)
        (scratch / "wheel").mkdir(parents=True)
        shutil.copy(wheel, scratch / "wheel")
        environment = _alone() | {"TAG": tag, "SCRATCH": str(scratch)}
        for script in (make, push):
            script = script.replace("python start.py", f"{sys.executable} start.py")
            subprocess.run(["bash", "-e", "-c", script], cwd=clone, env=environment, check=True, capture_output=True)
        git(clone, "fetch", "-q", "origin")
        commits.append(subprocess.check_output(["git", "rev-parse", "origin/learner"], cwd=clone, text=True).strip())
    parent = subprocess.check_output(["git", "rev-parse", "origin/learner^"], cwd=clone, text=True).strip()
    assert [parent] == commits[:1] and parent != commits[1]
    archive = subprocess.check_output(["git", "archive", "--format=zip", "origin/learner"], cwd=clone)
    (tmp_path / "branch.zip").write_bytes(archive)
    with zipfile.ZipFile(tmp_path / "branch.zip") as branch:
        files = {name: branch.read(name) for name in branch.namelist() if not name.endswith("/")}
    made = tmp_path / "2" / "edition"
    assert files == {path.relative_to(made).as_posix(): path.read_bytes() for path in made.rglob("*") if path.is_file()}
    lesson = files[f"notebooks/{NOTEBOOKS[0].name}"].decode()
    assert f"/releases/download/{tag}/" in lesson and publish.wheel().rpartition("=")[2] in lesson


def test_the_workflow_is_of_the_branch_to_which_badges_lead():
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert workflow[True] == {"release": {"types": ["published"]}}  # YAML 1.1 takes `on` for true
    push = workflow["jobs"]["learner"]["steps"][-1]["run"]
    assert f"refs/heads/{publish.BRANCH}" in push and f"origin/{publish.BRANCH}" in push and "force " not in push
