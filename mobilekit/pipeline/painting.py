"""Masks over pictures that come one after the other."""

from typing import TYPE_CHECKING

from mobilekit.core.errors import ModelError
from mobilekit.pipeline.cropping import Box, cut, placed

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from mobilekit.core.tensors import Array, Arrays
    from mobilekit.pipeline.answering import Answering
    from mobilekit.pipeline.cropping import Pixels


class Painter:
    """Draws masks over pictures that come one after the other."""

    def __init__(self, net: "Answering", path: "Path", box: Box | None, *, legend: bool) -> None:
        """Draw nothing yet.

        Args:
            net: that finds the masks.
            path: whose pictures they are.
            box: what the network is shown of each; None: the centred square.
            legend: names and colours stand beside each.
        """
        self._net, self._path, self._asked, self._legend = net, path, box, legend
        self._fed: Arrays = {}
        self.frames = 0
        self.box = Box(0, 0, 0, 0)
        """Of the last picture."""
        self._counts: npt.NDArray[np.int64] | None = None

    def __call__(self, pixels: "Pixels") -> "Pixels":
        """Return the picture with its mask."""
        import numpy as np

        from mobilekit.report import lettering, overlay

        self.box = box = placed(self._asked, pixels, self._path)
        outputs = self._net.answer(cut(pixels, box), self._fed)
        scores = scores_of(self._net, outputs)
        self._fed = fed_back(self._net, outputs)
        classes = overlay.classes_of(np.asarray(scores[0], np.float32), box.height, box.width)
        count = scores.shape[1]
        counts = np.bincount(classes.ravel(), minlength=count).astype(np.int64)
        self._counts = counts if self._counts is None else self._counts + counts
        self.frames += 1
        colours = overlay.palette(self._net.colours, count)
        drawn = pixels.copy()
        cut(drawn, box)[:] = overlay.coloured(cut(pixels, box), classes, colours)
        names = names_of(self._net, count)
        return lettering.with_legend(drawn, names, colours) if self._legend else drawn

    def shares(self) -> dict[str, float]:
        """Return the share of the box's pixels that each class has, 0–1, over all pictures so far."""
        if self._counts is None:
            return {}
        names = names_of(self._net, len(self._counts))
        return dict(zip(names, (self._counts / self._counts.sum()).tolist(), strict=True))


def names_of(net: "Answering", count: int) -> tuple[str, ...]:
    """Return a name per class; numbers where the network does not name them."""
    if len(net.labels) == count:
        return net.labels
    return tuple(f"class {number}" for number in range(count))


def scores_of(net: "Answering", outputs: "Arrays") -> "Array":
    """Return the scores of the classes at each pixel, `[1, C, h, w]`.

    Raises:
        ModelError: no output is that.
    """
    for array in outputs.values():
        if array.ndim == 4 and array.shape[1] in range(2, 257):
            return array
    found = ", ".join(f"{name} {'×'.join(map(str, a.shape))}" for name, a in outputs.items())
    raise ModelError(
        f"{net.name}: gives no mask: expected an output 1×classes×H×W, as of a segmentation; it gives {found}"
    )


def fed_back(net: "Answering", outputs: "Arrays") -> "Arrays":
    """Return what the network is told of a frame when it sees the next: the soft-max of its logits.

    An input of one channel gets the probability of all but the background.

    Raises:
        ModelError: an input that has neither one channel nor one per class.
    """
    import numpy as np

    fed = {}
    specs = {spec.name: spec for spec in net.inputs}
    for output, name in net.state.items():
        logits = np.asarray(outputs[output], np.float32)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        soft = powers / powers.sum(axis=1, keepdims=True)
        found = 1 - soft[:, :1] if specs[name].shape[1] == 1 else soft
        if found.shape != specs[name].shape:
            raise ModelError(
                f"{net.name}: {output} {'×'.join(map(str, logits.shape))} cannot be fed back to {name}"
                f" {'×'.join(map(str, specs[name].shape))}"
            )
        fed[name] = found.astype(specs[name].dtype)
    return fed
