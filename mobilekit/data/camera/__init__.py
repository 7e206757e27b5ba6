"""A camera for drawn images: lens, sensor, tone and compression, so that they look taken.

What it does: blur, vignetting, white balance, noise, gamma, resampling and JPEG, in the order of a camera.
When to use it: on every drawn image, whatever its class, so that none is known by its cleanness. When not:
on photographs, which have been through a camera.
"""

from mobilekit.data.camera.ranges import EVERYDAY, HARD, CameraRanges, CameraSettings, draw
from mobilekit.data.camera.shooting import apply, shoot

__all__ = ["EVERYDAY", "HARD", "CameraRanges", "CameraSettings", "apply", "draw", "shoot"]
