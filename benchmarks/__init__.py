"""The measurements behind data/results and data/weights: one file a lesson, and tables of their own. `make bench`.

Idle threads sleep, whoever starts a measurement: threads that wait by spinning take the cores from a second program,
and both become many times slower; a table of seconds would then tell what else ran. OpenMP reads the variable once,
when torch loads it, and this file is run before any that imports torch.
"""

import os

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
