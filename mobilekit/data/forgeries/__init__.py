"""Forged faces, drawn here: one face's region in another image, or in a moved copy of its own.

What it does: half of the images are real, half are spliced; both go through the same resampling,
recompression and camera. When to use it: to train and judge detectors of splices. When not: figures say
nothing about forged photographs of people.
"""

from mobilekit.data.forgeries.drawn import forgeries

__all__ = ["forgeries"]
