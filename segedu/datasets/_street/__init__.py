"""What ToyStreet is made of. The plan of a street knows nothing of pixels, the drawing nothing of chance.

From below: `scene` (what a street consists of), `weather`, `town`, `plan` (these make one up), `looks` and `cars` (how
things look), `canvas`, on it `ground`, `walls`, `sprites`, `shapes`; `develop` (from a canvas to a picture), `drawing`
(from a scene to all that an item has).
"""
