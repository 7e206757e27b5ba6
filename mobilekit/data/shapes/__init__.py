"""Coloured shapes with textures, drawn here: to classify, to segment, to detect.

What it does: the class is the outline alone; colour, texture, size, place, angle and background vary. When
to use it: to see whether a method works, without a download. When not: figures say nothing about photographs.
"""

from mobilekit.data.shapes.dataset import shapes

__all__ = ["shapes"]
