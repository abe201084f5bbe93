"""What ToyStreet is made of. The plan of a street knows nothing of pixels, the drawing nothing of chance.

From below: `scene` (what a street consists of), `weather`, `town`, `traffic`, `motion` (these make one up), and
`paint`, which draws it.
"""
