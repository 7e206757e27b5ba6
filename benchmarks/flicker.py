"""Figure: how much masks flicker in clips of drawn faces: the video network against the one for still images.

Bars: the share of pixels that change their class where the truth does not is at most 0.6 times as large, and
mean F1 is lost by at most half a point. Both run as their LiteRT files do on a phone: the video network is
shown its own soft-max of the frame before, and zeros before the first. A ratio per clip gives the interval.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import outcome
import torch
from exported import floats
from torch import Tensor

from mobilekit.data.faces import Clip, clip
from mobilekit.data.scores import Flicker, PixelScores
from mobilekit.pipeline.answering import Answering
from mobilekit.pipeline.opening import open_network
from mobilekit.pipeline.painting import fed_back, scores_of
from mobilekit.pipeline.request import ExportRequest

NETS = {"still": "mobile-hourglass-small", "video": "mobile-hourglass-video"}
FLICKER, LOST = 0.6, 0.5
FRAMES, SEED = 16, 20


def main() -> int:
    """Print both networks' flicker and F1; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--style", choices=("faces", "faces-hard"), default="faces")
    parser.add_argument("--still", default=NETS["still"], help="a network, or an artifact's folder")
    parser.add_argument("--video", default=NETS["video"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        nets = {
            name: opened(getattr(options, name), Path(scratch) / name)
            for name in ("still", "video")
        }
        size = nets["still"].inputs[0].whole.shape[2]
        result: dict[str, object] = {
            "data": f"{options.clips} clips of {FRAMES} frames of {options.style}, {size} px, seed {options.seed}"
        }
        seen = {name: Seen(net) for name, net in nets.items()}
        for index in range(options.clips):
            one = clip(index, FRAMES, size, options.seed, options.style)
            for each in seen.values():
                each.watch(one)
    for name, each in seen.items():
        result[name] = each.figures()
    ratios = np.array(seen["video"].changed) / np.maximum(np.array(seen["still"].changed), 1)
    whole = seen["video"].flicker.scored().figures["face_flicker"]
    whole /= seen["still"].flicker.scored().figures["face_flicker"]
    lost = 100 * (seen["still"].f1() - seen["video"].f1())
    result |= {
        "face_flicker_ratio": round(whole, 3),
        "median_ratio_of_a_clip": round(float(np.median(ratios)), 3),
        "f1_points_lost": round(lost, 2),
        "met": whole <= FLICKER and lost <= LOST,
    }
    return outcome.finish(result, options.json)


def opened(reference: str, scratch: Path) -> Answering:
    """Open the float32 LiteRT file of a network, exported here where it is not an artifact yet."""
    return open_network(ExportRequest(reference=str(floats(reference, scratch))), NETS["still"])


class Seen:
    """What a network made of the clips so far."""

    def __init__(self, net: Answering) -> None:
        self.net = net
        self.flicker, self.scores = Flicker(net.labels), PixelScores(net.labels)
        self.changed: list[int] = []
        """Pixels of a face that flickered, a clip."""

    def watch(self, one: Clip) -> None:
        """Look at a clip from its first frame to its last."""
        fed: dict[str, np.ndarray] = {}
        masks = []
        for image in one.images:
            pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            outputs = self.net.answer(pixels, fed)
            fed = fed_back(self.net, outputs)
            masks.append(torch.from_numpy(scores_of(self.net, outputs)[0].argmax(0)))
        found = torch.stack(masks)
        self.flicker.see(found, one.classes)
        self.scores.see(found, one.classes)
        self.changed.append(int(flickered(found, one.classes).sum()))

    def f1(self) -> float:
        """Return the mean F1 of the face's classes."""
        return self.scores.scored().figures["mean_f1"]

    def figures(self) -> dict[str, object]:
        """Return shares of flickering pixels, of all and of each class, and F1."""
        scored = self.flicker.scored()
        shares = {
            name: round(100 * values["flicker"], 3) for name, values in scored.per_class.items()
        }
        return {
            "face_flicker_percent": round(100 * scored.figures["face_flicker"], 3),
            "flicker_percent": shares,
            "mean_f1": round(self.f1(), 4),
        }


def flickered(found: Tensor, right: Tensor) -> Tensor:
    """Return where a face's pixel changes though the truth does not, bool `[T - 1, H, W]`."""
    still = (right[1:] == right[:-1]) & (right[1:] > 0)
    return still & (found[1:] != found[:-1])


if __name__ == "__main__":
    sys.exit(main())
