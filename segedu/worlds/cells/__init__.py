"""What ToyCells is made of: `field` (what both looks share), `nuclei` and `membranes` (one look each).

Floats meet only + − · / √ and comparisons, which round alike on all machines; chance is uniform numbers and bytes.
"""
