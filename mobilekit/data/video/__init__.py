"""Frames out of a video file, and into one, by PyAV."""

from mobilekit.data.video.container import SUFFIXES, VideoFacts, look, promised_frames
from mobilekit.data.video.reading import each_frame, read_frames, spread
from mobilekit.data.video.writing import write_video

__all__ = [
    "SUFFIXES",
    "VideoFacts",
    "each_frame",
    "look",
    "promised_frames",
    "read_frames",
    "spread",
    "write_video",
]
