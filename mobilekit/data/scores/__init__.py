"""What answers to labelled images are worth, in the figures of each task."""

from mobilekit.data.scores.classification import ClassScores
from mobilekit.data.scores.flicker import Flicker
from mobilekit.data.scores.scoring import Scored, Scorer, scorer
from mobilekit.data.scores.segmentation import PixelScores

__all__ = ["ClassScores", "Flicker", "PixelScores", "Scored", "Scorer", "scorer"]
