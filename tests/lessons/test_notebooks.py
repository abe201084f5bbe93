"""Every stored lesson has the form that readers, GitHub and Colab need; that it runs, nbval tests."""

import nbformat
import pytest

from tools.cells import NOTEBOOKS
from tools.notebook_form import RULES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path, rule):
    complaints = rule(nbformat.read(path, as_version=4), path.stem)
    assert not complaints, "\n".join([path.name, *complaints])
