"""What the parts of a face are called and coloured: Helen's 11, and the 10 that are learned.

Left and right are the person's own, as in BlazeFace's key points: the left eye of a face that looks into
the camera is on the right of the image. Glasses have no class; a thin frame leaves what is behind it.
"""

HELEN_LABELS = (
    "background", "skin", "left brow", "right brow", "left eye", "right eye", "nose",
    "upper lip", "inner mouth", "lower lip", "hair",
)  # fmt: skip
HELEN_COLOURS = (
    "#000000", "#f2c6a0", "#8c510a", "#bf812d", "#2166ac", "#4393c3", "#d6604d",
    "#b2182b", "#fddbc7", "#762a83", "#35978f",
)  # fmt: skip

FACE_LABELS = HELEN_LABELS[:10]
"""Hair counts as background."""
FACE_COLOURS = HELEN_COLOURS[:10]

KEY_POINTS = ("right eye", "left eye", "nose tip", "mouth centre", "right ear", "left ear")
"""In BlazeFace's order."""
