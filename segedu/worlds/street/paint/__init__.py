"""From a scene to an image and its truth, without chance.

From below: `codes`, `textures`, `sprite_art`, `cars` (how things look), `canvas`, on it `ground`, `walls`, `sprites`,
`shapes`; `develop` (from a canvas to a picture), `drawing` (from a scene to all that an item has).
"""
