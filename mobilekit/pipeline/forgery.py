"""How likely a face in a picture, or in a video, is forged, and where the network looks."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mobilekit.core import files
from mobilekit.core.errors import ModelError, UsageError
from mobilekit.pipeline.answering import Answering
from mobilekit.pipeline.cropping import CENTRED, Box, cut, placed
from mobilekit.pipeline.opening import ATTENTION, THE_SHIPPED, FileFormat, open_network
from mobilekit.pipeline.parsing import is_video, untrained_note
from mobilekit.pipeline.request import ExportRequest

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays
    from mobilekit.pipeline.cropping import Pixels

Progress = Callable[[str], None]
NET, FAKE = "dfbuster", "fake"
LEAST, MOST = 0.001, 0.999
"""Bounds of the score: no answer is certain, as in the application of Hubens' thesis."""
SIDE, COLUMNS = 192, 4
"""Of the page of heat maps: pixels of a face's side, faces in a row."""


class ForgeryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One picture or video to judge."""

    path: Path
    net: ExportRequest = THE_SHIPPED
    box: Box | None = None
    frames: int = 16
    """Of a video, evenly spaced."""
    heat_map: Path | None = None
    """Page to draw, a `.png` file."""
    form: FileFormat = "tflite"
    threads: int = 1


class FaceScore(msgspec.Struct, frozen=True):
    """The face of one frame."""

    frame: int
    """Its number in the video, from 0."""
    score: float
    """Probability that it is forged, 0–1."""


class ForgeryScore(msgspec.Struct, frozen=True):
    """What the network says of a picture or video."""

    path: str
    net: str
    by: str
    untrained: bool
    box: Box
    score: float
    """Mean of the faces' scores, within 0.001 and 0.999."""
    faces: tuple[FaceScore, ...]
    heat_map: str | None = None
    notes: tuple[str, ...] = ()


def detect_forgery(request: ForgeryRequest, progress: Progress) -> ForgeryScore:
    """Judge a picture by its face, or a video by those of evenly spaced frames.

    Raises:
        UsageError: the page of heat maps has another ending than `.png`.
        DataError: the picture or video cannot be read, or the box reaches beyond it.
        ModelError: no such network, no trained one that ships, one that does not tell real from fake, or
            that gives no heat map where one is to be drawn.
        OutputError: the page cannot be written.
    """
    page = request.heat_map
    if page is not None and page.suffix.lower() != ".png":
        raise UsageError(f"--heat-map {page}: expected a name that ends in .png")
    progress("loading the network")
    net = open_network(
        request.net, NET, form=request.form, attention=page is not None, threads=request.threads
    )
    if FAKE not in net.labels:
        has = ", ".join(net.labels[:5]) or "no names"
        raise ModelError(
            f"{net.name}: expected a network with a class {FAKE!r}; its classes: {has}"
        )
    frames = _frames(request)
    crops = [cut(frame, placed(request.box, frame, request.path)) for _, frame in frames]
    outputs = []
    for place, crop in enumerate(crops, start=1):
        progress(f"face {place} of {len(crops)}")
        outputs.append(net.answer(crop))
    faces = tuple(
        FaceScore(number, fake_score(net, each))
        for (number, _), each in zip(frames, outputs, strict=True)
    )
    score = mean_score([face.score for face in faces])
    if page is not None:
        untrained = ", UNTRAINED" * net.untrained
        words = (
            f"{request.path.name}: {score:.3f}, where 0 is real and 1 fake ({net.name}{untrained})"
        )
        files.write_bytes(page, _drawn(net, crops, outputs, faces, words))
    return ForgeryScore(
        path=str(request.path),
        net=net.name,
        by=net.by,
        untrained=net.untrained,
        box=placed(request.box, frames[0][1], request.path),
        score=score,
        faces=faces,
        heat_map=None if page is None else str(page),
        notes=(*untrained_note(net), *(CENTRED,) * (request.box is None)),
    )


def mean_score(scores: list[float]) -> float:
    """Return the mean, within the bounds of a score.

    >>> mean_score([0.2, 0.6]), mean_score([0.0])
    (0.4, 0.001)
    """
    return min(max(sum(scores) / len(scores), LEAST), MOST)


def fake_score(net: Answering, outputs: "Arrays") -> float:
    """Return the probability of the class `fake`: the soft-max of the output `[1, classes]`.

    Raises:
        ModelError: no output has one value per class.
    """
    import numpy as np

    shape = (1, len(net.labels))
    logits = next((array for array in outputs.values() if array.shape == shape), None)
    if logits is None:
        found = ", ".join(f"{name} {'×'.join(map(str, a.shape))}" for name, a in outputs.items())
        raise ModelError(
            f"{net.name}: expected an output 1×{shape[1]}, as of a classification; it gives {found}"
        )
    values = np.asarray(logits[0], np.float64)
    powers = np.exp(values - values.max())
    return float(powers[net.labels.index(FAKE)] / powers.sum())


def _frames(request: ForgeryRequest) -> "list[tuple[int, Pixels]]":
    """Return the frames to judge, with their numbers."""
    import numpy as np

    from mobilekit.data import video
    from mobilekit.data.formats import pictures

    if not is_video(request.path):
        return [(0, np.asarray(pictures.read(request.path, upright=True)))]
    numbers = video.spread(video.look(request.path).frames, request.frames)
    return list(zip(numbers, video.read_frames(request.path, request.frames), strict=True))


def _drawn(
    net: Answering,
    crops: "list[Pixels]",
    outputs: "list[Arrays]",
    faces: tuple[FaceScore, ...],
    title: str,
) -> bytes:
    """Return a page: each face, beside it where the network looks.

    Raises:
        ModelError: the network does not say where it looks.
    """
    import numpy as np

    from mobilekit.report import overlay
    from mobilekit.report.contact_sheet import Entry, sheet

    if any(ATTENTION not in each for each in outputs):
        raise ModelError(
            f"{net.name}: does not say where it looks; give a dfbuster with self-attention, or export it"
            " with --arg attention_map=true"
        )
    entries = []
    for face, crop, each in zip(faces, crops, outputs, strict=True):
        heat = np.asarray(each[ATTENTION][0, 0], np.float32)
        words = f"frame {face.frame}: {face.score:.3f}"
        entries.append(Entry((crop, overlay.heated(crop, heat)), words))
    return overlay.png(sheet(entries, min(COLUMNS, len(entries)), SIDE, title))
