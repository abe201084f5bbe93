"""What the figures' pages are made of: the files in segedu/static, each script behind those that it uses."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parents[1] / "static"


def script(*names: str) -> str:
    """One module of JavaScript: a browser gets a widget's code as one text, in which no file can be imported."""
    return "\n".join((STATIC / part).read_text(encoding="utf-8") for part in ("parts.js", *names))


def style() -> str:
    """The style sheet."""
    return (STATIC / "widgets.css").read_text(encoding="utf-8")
