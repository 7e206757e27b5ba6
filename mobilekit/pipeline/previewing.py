"""A look at the data that are drawn here: a page of pictures with their masks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from mobilekit.core import files
from mobilekit.core.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from mobilekit.pipeline.cropping import Pixels
    from mobilekit.report.contact_sheet import Entry

Progress = Callable[[str], None]
Drawn = Literal["faces", "forgeries", "clips"]
Style = Literal["faces", "faces-hard"]
LEAST_SIDE = 96
"""Smaller pictures are enlarged, by a whole factor."""


class PreviewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One page."""

    what: Drawn
    out: Path
    seed: int = 0
    style: Style = "faces"
    size: int = 96
    """Side of a picture, in pixels."""
    rows: int = 6
    columns: int = 6
    """Pictures in a row; of clips, frames."""


class Preview(msgspec.Struct, frozen=True):
    """What was drawn."""

    out: str
    provenance: str
    pictures: int
    width: int
    height: int
    """Of the page, in pixels."""


def preview(request: PreviewRequest, progress: Progress) -> Preview:
    """Draw a page of what networks are trained on.

    Raises:
        UsageError: the page has another ending than `.png`.
        DataError: pictures of such a size are not drawn.
        OutputError: the page cannot be written.
    """
    if request.out.suffix.lower() != ".png":
        raise UsageError(f"--out {request.out}: expected a name that ends in .png")
    from mobilekit.report import overlay
    from mobilekit.report.contact_sheet import sheet

    progress(f"drawing {request.what}")
    makers = {"faces": _faces, "forgeries": _forgeries, "clips": _clips}
    provenance, found = makers[request.what](request)
    entries = list(found)
    side = request.size * -(-LEAST_SIDE // request.size)
    tall = max(entries[0].pictures[0].shape[:2]) // request.size
    page = sheet(entries, request.columns, side * tall, provenance)
    files.write_bytes(request.out, overlay.png(page))
    height, width = page.shape[:2]
    return Preview(str(request.out), provenance, len(entries), width, height)


def _faces(request: PreviewRequest) -> "tuple[str, Iterator[Entry]]":
    """Give each face beside its mask."""
    from mobilekit.data.faces import faces
    from mobilekit.report.contact_sheet import Entry

    count = request.rows * request.columns
    data = faces("train", count, request.size, request.seed, request.style)
    pairs = (data[index] for index in range(count))
    masks = (Entry((_pixels(image), _false_colours(mask))) for image, mask in pairs)  # type: ignore[arg-type]
    return data.provenance, masks


def _forgeries(request: PreviewRequest) -> "tuple[str, Iterator[Entry]]":
    """Give each image beside what of it is foreign, in white."""
    import torch

    from mobilekit.data.forgeries import forgeries
    from mobilekit.data.forgeries.dataset import Forgeries
    from mobilekit.report.contact_sheet import Entry

    count = request.rows * request.columns
    data = forgeries("train", count, request.size, request.seed, style=request.style)
    images = data.images
    if not isinstance(images, Forgeries):
        raise TypeError("forgeries without masks")

    def entry(index: int) -> Entry:
        image, label = data[index]
        words = data.classes[int(torch.as_tensor(label))]
        splice = images.splice_of(index)
        mask = images.mask(index).expand(3, -1, -1)
        return Entry(
            (_pixels(image), _pixels(mask)), f"{words}: {splice}" if splice is not None else words
        )

    return data.provenance, map(entry, range(count))


def _clips(request: PreviewRequest) -> "tuple[str, Iterator[Entry]]":
    """Give a clip per row: each frame above its mask."""
    import numpy as np

    from mobilekit.data.faces import clip
    from mobilekit.report.contact_sheet import Entry

    def entries() -> Iterator[Entry]:
        for index in range(request.rows):
            found = clip(index, request.columns, request.size, request.seed, request.style)
            for image, mask in zip(found.images, found.classes, strict=True):
                yield Entry((np.concatenate([_pixels(image), _false_colours(mask)]),))

    words = f"{request.rows} clips of {request.columns} frames, drawn here (seed {request.seed})"
    return f"{request.style} {request.size} × {request.size}, {words}", entries()


def _pixels(planes: "Tensor") -> "Pixels":
    """Return an image of 0–1, `[3, H, W]`, in 8 bits, `[H, W, 3]`."""
    from mobilekit.data.images import as_pixels

    return as_pixels(planes.numpy())


def _false_colours(mask: "Tensor") -> "Pixels":
    """Return classes `[H, W]` as colours `[H, W, 3]`."""
    from mobilekit.data.face_labels import FACE_COLOURS
    from mobilekit.report.overlay import palette

    colours: Pixels = palette(FACE_COLOURS, len(FACE_COLOURS))[mask.numpy()]
    return colours
