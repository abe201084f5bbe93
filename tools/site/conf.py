"""Sphinx's configuration of the site. Nothing that a page needs comes from elsewhere: formulas become MathML here."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from docutils import nodes  # noqa: E402
from latex2mathml.converter import convert  # noqa: E402

from tools.cells import NOTEBOOKS  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = PROJECT["name"]
release = PROJECT["version"]
copyright = "the authors of segedu. Text and figures: CC BY 4.0; code: BSD-3-Clause"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["extra"]
smartquotes = False
default_role = "code"  # in docstrings, `name` is code

nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
napoleon_custom_sections = ["Source"]
napoleon_use_rtype = False
napoleon_use_ivar = True  # what a dataclass lists under Attributes is not described twice

html_theme = "pydata_sphinx_theme"
html_title = "segedu"
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"secondary_sidebar_items": ["page-toc"], "collapse_navigation": True}

LESSONS = {path.stem.partition("_")[0]: f"/notebooks/{path.stem}" for path in NOTEBOOKS}


def mathml(writer, node):
    """A formula as MathML, which browsers draw, read aloud and enlarge without a script."""
    block = node.tagname == "math_block"
    formula = convert(node.astext(), display="block" if block else "inline")
    writer.body.append(f'<div class="math" tabindex="0">{formula}</div>' if block else formula)
    raise nodes.SkipNode


def as_rest(app, what, name, item, options, lines):
    """A docstring is plain text with `code`: its signs mean themselves, its example is code, its lessons are links."""
    written, example = [], False
    for line in lines:
        if re.match(r"[A-Z]\w+:$", line):
            example = line in ("Example:", "Examples:")
        if not example:
            parts = re.split(r"(`+[^`]+`+)", line)
            line = "".join(part if part.startswith("`") else plain(part) for part in parts)
        elif not line.endswith(":") and ">>>" not in "".join(lines):
            line = f"    {line}"
        written.append(line)
        if example and line in ("Example:", "Examples:") and ">>>" not in "".join(lines):
            written += ["    .. code-block:: python", ""]
    lines[:] = written


def plain(text: str) -> str:
    """Text whose stars and bars mean themselves (but a star before an argument's name, which napoleon knows)."""

    def link(number: re.Match) -> str:
        place = next((LESSONS[name] for name in LESSONS if name.startswith(number[0])), None)
        return f":doc:`{number[0]} <{place}>`" if place else number[0]

    if not re.match(r" +\*+\w+:", text):
        text = re.sub(r"[*|]", r"\\\g<0>", text)
    return re.sub(r"[Ll]essons? [\dab,– and]+", lambda words: re.sub(r"\b\d\d[ab]?\b", link, words[0]), text)


def mend(app, name, template, context, doctree):
    """What readers of screens stumble over in a page: a name that hides a fold's own, a list that is none."""
    body = context.get("body", "").replace(' aria-label="Toggle hidden content"', "")
    for dl in re.findall(r'<dl>\n(?:<dd><em class="sig-param">.*</dd>\n)+</dl>', body):  # a signature in lines
        lines = re.sub(r"<(/?)dd>", lambda tag: "</span>" if tag[1] else '<span class="line">', dl[4:-5])
        body = body.replace(dl, lines)
    context["body"] = body


def setup(app):
    """Formulas, docstrings and pages of this site."""
    app.connect("html-page-context", mend)
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
    app.connect("autodoc-process-docstring", as_rest, priority=400)  # before napoleon's
