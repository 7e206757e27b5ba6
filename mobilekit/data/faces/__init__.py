"""Faces that are drawn from numbers, with exact masks, boxes and key points."""

from mobilekit.data.faces.clips import Clip, clip
from mobilekit.data.faces.dataset import Portraits, faces
from mobilekit.data.faces.render import Portrait

__all__ = ["Clip", "Portrait", "Portraits", "clip", "faces"]
