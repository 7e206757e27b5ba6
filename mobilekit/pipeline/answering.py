"""A network that answers for one picture at a time, whatever computes its answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.core.artifact import Normalization, WeightsOrigin
from mobilekit.core.tensors import TensorSpec

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays
    from mobilekit.data.images import PixelRange
    from mobilekit.pipeline.cropping import Pixels


@dataclass(frozen=True)
class Answering:
    """A network that is ready to run on one picture at a time."""

    name: str
    by: str
    """What computes its answers."""
    inputs: tuple[TensorSpec, ...]
    """The picture, then what is fed back of the picture before."""
    weights: WeightsOrigin
    labels: tuple[str, ...]
    colours: tuple[str, ...]
    state: dict[str, str]
    pixels: "PixelRange"
    normalization: Normalization | None
    """Still to be done to the pixels; None where the network does it."""
    compute: "Callable[[Arrays], Arrays]"
    """From inputs to outputs, in the network's own layout."""

    @property
    def untrained(self) -> bool:
        """Whether its answers mean nothing."""
        return self.weights == "seeded"

    def answer(self, crop: "Pixels", fed: "Arrays | None" = None) -> "Arrays":
        """Return the outputs for one picture.

        Args:
            crop: of any size, uint8 `[H, W, 3]`; it is resized to the network's.
            fed: the inputs behind the picture; zeros without them, as before the first frame.
        """
        import numpy as np

        zeros = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in self.inputs[1:]}
        return self.compute({self.inputs[0].name: self._picture(crop), **zeros, **(fed or {})})

    def _picture(self, crop: "Pixels") -> "Array":
        import numpy as np
        from PIL import Image

        from mobilekit.data import images

        spec = self.inputs[0]
        height, width = spec.whole.shape[2:]
        small = Image.fromarray(crop).resize((width, height), Image.Resampling.BILINEAR)
        one = images.image_set("crop", (np.asarray(small),), "")
        planes = images.batches(one, (spec,), pixel_range=self.pixels)[0][spec.name]
        if self.normalization is None:
            return planes
        mean, deviation = (
            np.array(values, np.float32).reshape(-1, *(1,) * (len(spec.shape) - 2))
            for values in (self.normalization.mean, self.normalization.std)
        )
        scaled = planes.astype(np.float32) * np.float32(self.normalization.scale)
        return np.asarray((scaled - mean) / deviation, spec.dtype)
