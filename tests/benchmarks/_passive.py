"""Idle threads sleep. Import this before torch: OpenMP reads the variable once, when torch loads it.

Threads that wait by spinning take the cores from a second program, and both become many times slower: a table of
seconds would then tell what else ran. So every measurement sets this by itself, whoever starts it.
"""

import os

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
