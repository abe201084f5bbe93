"""Whether this torch can export a network with its height and width left open."""

import pytest
import torch

from segedu.exporting.files import TRIED

IS_ABLE = tuple(map(int, torch.__version__.split(".")[:2])) >= TRIED
# torch 2.6 does not leave height and width open; what the functions then say is tested in test_exporting.
able = pytest.mark.skipif(not IS_ABLE, reason="this torch cannot export any height and width")
