"""What widgets and exported pages are made of: the files in segedu/static, each script behind those that it uses."""

from __future__ import annotations

from pathlib import Path


def text(name: str) -> str:
    """What a file in segedu/static says."""
    return Path(__file__).with_name("static").joinpath(name).read_text(encoding="utf-8")


def script(*names: str) -> str:
    """One module of JavaScript: a browser gets a widget's code as one text, in which no file can be imported."""
    return "\n".join(map(text, ("parts.js", *names)))


def style() -> str:
    """The style sheet."""
    return text("widgets.css")
