"""Data sets on the user's disk, read as they were published: nothing is downloaded or unpickled."""

from mobilekit.data.formats.cifar import cifar10, cifar100
from mobilekit.data.formats.coco import coco
from mobilekit.data.formats.folders import image_folder
from mobilekit.data.formats.idx import mnist

__all__ = ["cifar10", "cifar100", "coco", "image_folder", "mnist"]
