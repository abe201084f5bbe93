"""Sphinx's configuration of the site. Nothing that a page needs comes from elsewhere: formulas become MathML here."""

import re
import tomllib

from docutils import nodes
from latex2mathml.converter import convert

from tools.cells import NOTEBOOKS, ROOT
from tools.site.pages import LANGUAGES

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = PROJECT["name"]
release = PROJECT["version"]
copyright = "the authors of segedu. Text and figures: CC BY 4.0; code: BSD-3-Clause"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.githubpages"]
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
html_static_path = [str(ROOT / "tools" / "site" / "static")]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"[A-Z]*": [], "*/[A-Z]*": [], "search": [], "genindex": []}  # no pages stand beside these
html_theme_options = {
    "secondary_sidebar_items": ["page-toc"],
    "collapse_navigation": True,
    "header_links_before_dropdown": 7,
}

LESSONS = {path.stem.partition("_")[0]: f"/notebooks/{path.stem}" for path in NOTEBOOKS}


def mathml(writer, node):
    """A formula as MathML, which browsers draw, read aloud and enlarge without a script."""
    block = node.tagname == "math_block"
    formula = convert(node.astext(), display="block" if block else "inline")
    writer.body.append(f'<div class="math" tabindex="0">{formula}</div>' if block else formula)
    raise nodes.SkipNode


COLON = "\ue000"  # stands for one before which napoleon would read a type


def as_rest(app, what, name, item, options, lines):
    """A docstring is plain text with `code`: its signs mean themselves, its example is code, its lessons are links."""
    written, section, typed = [], "", ">>>" in "\n".join(lines)
    for line in lines:
        if re.fullmatch(r"[A-Z]\w+:", line):
            section = line
            written += [line, *(["    .. code-block:: python", ""] if line == "Example:" and not typed else [])]
        elif section == "Example:":
            written.append(line if typed else f"    {line}")
        else:
            line = line.replace(":", COLON) if section == "Returns:" else line
            parts = re.split(r"(`+[^`]+`+)", line)
            written.append("".join(part if part.startswith("`") else plain(part) for part in parts))
    lines[:] = written


def plain(text: str) -> str:
    """Text whose stars and bars mean themselves, but those before an argument's name, and whose lessons are links."""

    def link(number: re.Match) -> str:
        place = next((LESSONS[name] for name in LESSONS if name.startswith(number[0])), None)
        return f":doc:`{number[0]} <{place}>`" if place else number[0]

    if not re.match(r" +\*+\w+:", text):
        text = re.sub(r"[*|]", r"\\\g<0>", text)
    lessons = r"[Ll]essons? \d\d[ab]?(?:(?:, |–| and | to )\d\d[ab]?)*"
    return re.sub(lessons, lambda words: re.sub(r"\d\d[ab]?", link, words[0]), text)


def with_colons(app, what, name, item, options, lines):
    """What napoleon has turned into lists, with its colons again."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def mend(app, exception):
    """What readers of screens stumble over in the pages: folds without a name of their own, a list that is none."""
    for path in app.outdir.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        page = page.replace(' aria-label="Toggle hidden content"', "")  # it says more what is folded
        page = page.replace("<summary><span", '<summary aria-label="Exercises and solutions"><span')
        for lines in re.findall(r'<dl>\n(?:<dd><em class="sig-param">.*</dd>\n)+</dl>', page):  # of a signature
            spans = lines[4:-5].replace("<dd>", '<span class="line">').replace("</dd>", "</span>")
            page = page.replace(lines, spans)
        for code in LANGUAGES:
            if code in (path.parent.name, path.stem.partition(".")[2]):
                page = page.replace('<html lang="en"', f'<html lang="{code}"')
        if path.parent.name == "api":
            page = page.replace(" -- ", " – ").replace(">Variables<", ">Attributes<")
        path.write_text(page, encoding="utf-8", newline="\n")


def setup(app):
    """Formulas, docstrings and pages of this site."""
    app.connect("build-finished", mend)
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
    app.connect("autodoc-process-docstring", as_rest, priority=400)  # before napoleon's
    app.connect("autodoc-process-docstring", with_colons, priority=600)
