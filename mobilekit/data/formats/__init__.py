"""Data sets on the user's disk, read as they were published: nothing is downloaded or unpickled."""

from mobilekit.data.formats.celebamask import celebamask_hq
from mobilekit.data.formats.cifar import cifar10, cifar100
from mobilekit.data.formats.coco import coco
from mobilekit.data.formats.dfdc import dfdc
from mobilekit.data.formats.folders import image_folder
from mobilekit.data.formats.helen import helen
from mobilekit.data.formats.idx import mnist
from mobilekit.data.formats.lapa import lapa

__all__ = [
    "celebamask_hq",
    "cifar10",
    "cifar100",
    "coco",
    "dfdc",
    "helen",
    "image_folder",
    "lapa",
    "mnist",
]
