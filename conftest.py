"""In the tests a lesson's failed check raises, where a reader is told and goes on (segedu/claims.py)."""

import os

os.environ["SEGEDU_STRICT"] = "1"  # the kernels of the notebooks inherit it
