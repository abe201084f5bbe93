"""The renderers behind ToyStreet and ToyCells: no torch, no data set, and the same bits on every machine.

They are frozen: tests hold the checksums of what they draw, since stored results and weights were learnt from it.
"""
