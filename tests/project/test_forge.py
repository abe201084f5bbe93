"""What a forge reads: workflows, forms, licences, the citation, the container, the checks before a commit."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import start
from tools import learner, publish

ROOT = Path(start.__file__).parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = {"lab", "copy", "test", "lint", "lowest", "learner", "pack", *start.COMMANDS}


def read(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow):
    return [(job, step) for job in workflow["jobs"].values() for step in job["steps"]]


def commands_of_start(text: str) -> list[list[str]]:
    """The words behind each start.py; `${{ matrix.command }}` is one of them."""
    lines = [line.partition("start.py ")[2].replace("{{ ", "{{").replace(" }}", "}}") for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_does_only_what_is_there(path):
    workflow = read(path)
    assert set(workflow) >= {"name", "jobs", "permissions"} and True in workflow, "YAML reads the key `on` as True"
    for job, step in steps(workflow):
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
        for name, *words in commands_of_start(step.get("run", "")):
            choices = job["strategy"]["matrix"][name[:-2].split(".")[1]] if name.startswith("${{") else [name]
            assert set(choices) <= OWN
            assert [
                word for word in words if word.startswith(("tests", "notebooks")) and not (ROOT / word).exists()
            ] == []


def test_the_quick_job_knows_three_systems_and_both_ends_of_the_versions():
    quick = read(GITHUB / "workflows" / "tests.yml")["jobs"]["quick"]
    assert quick["strategy"]["matrix"]["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert quick["strategy"]["matrix"]["versions"] == ["lowest", "latest"]
    (python,) = [step["with"]["python-version"] for step in quick["steps"] if "setup-python" in step.get("uses", "")]
    assert f"'{PROJECT['requires-python'].removeprefix('>=')}'" in python
    called = [words[0] for step in quick["steps"] for words in commands_of_start(step.get("run", ""))]
    assert called == ["lint", "test", "lowest"]


@pytest.mark.parametrize("path", sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_a_form_can_be_filled_in(path):
    form = read(path)
    if path.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    assert form["name"] and form["description"]
    kinds = {part["type"] for part in form["body"]}
    assert kinds <= {"input", "textarea", "dropdown", "checkboxes", "markdown"}
    identities = [part["id"] for part in form["body"]]
    assert len(set(identities)) == len(identities) and all(part["attributes"]["label"] for part in form["body"])
    assert any(part.get("validations", {}).get("required") for part in form["body"])


def test_the_citation_names_the_papers_with_their_doi():
    citation = read(ROOT / "CITATION.cff")
    papers = {reference["identifiers"][0]["value"]: reference for reference in citation["references"]}
    assert {"arXiv:1411.4038", "arXiv:1505.04597", "arXiv:1606.00915", "arXiv:1210.5644"} <= set(papers)
    for reference in papers.values():
        assert re.fullmatch(r"10\.\d{4,5}/\S+", reference["doi"]) and reference["title"] and reference["year"]
        assert all(set(author) == {"family-names", "given-names"} for author in reference["authors"])


def test_the_changelog_has_this_version_first():
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == PROJECT["version"] and len(set(versions)) == len(versions)


def test_the_container_sets_up_what_the_editor_then_uses():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    ((name,),) = commands_of_start(container["onCreateCommand"])
    assert name == "copy" and "import start; start.install" in container["onCreateCommand"]
    assert "/" not in container["image"], "an image that anybody can get"
    python = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python == "${workspaceFolder}/.venv/bin/python"
    assert ".devcontainer" in learner.KEPT, "the badge of Codespaces leads to the learner edition"


def test_the_checks_before_a_commit_are_our_own():
    hooks = [hook for repo in read(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    for hook in hooks:
        ((name, *words),) = commands_of_start(hook["entry"])
        assert name in OWN and hook["language"] == "system"
        assert all((ROOT / word).exists() for word in words if word.startswith("tests"))


@pytest.mark.skipif(sys.platform == "win32", reason="make is not a part of Windows")
def test_help_lists_every_target_of_make():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (declared,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [line.split()[0] for line in told.stdout.splitlines()] == declared.split()


def test_links_between_the_pages_of_the_forge_lead_somewhere():
    for path in [*GITHUB.glob("*.md"), ROOT / "CHANGELOG.md"]:
        text = path.read_text(encoding="utf-8")
        targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
        assert [target for target in targets if not (path.parent / target).exists()] == []
        named = re.findall(r"`(?:make|python3? start\.py) ([a-z-]+)", text)
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert [name for name in named if name not in OWN and f"\n{name}:" not in makefile] == []


def test_the_wheel_brings_both_licences():
    assert set(PROJECT["license-files"]) <= set(publish.PACKAGED)
