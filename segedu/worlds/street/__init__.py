"""What ToyStreet is made of. The plan of a street knows nothing of pixels, the drawing nothing of chance.

From below: `scene` (what a street consists of), `weather`, `layout`, `town`, `traffic` (these make one up),
`plan` (their order), `motion`, and `paint`, which draws it.
"""
