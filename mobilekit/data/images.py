"""Photographs and noise in the form of a network's inputs."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mobilekit.core.errors import DataError, RuntimeUnavailableError
from mobilekit.core.seeding import child_seed
from mobilekit.core.tensors import INTEGER_BOUNDS, TensorSpec, part

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mobilekit.core.tensors import Array, Arrays

    Pixels = npt.NDArray[np.uint8]
    Planes = npt.NDArray[np.float32]

PixelRange = Literal["0-255", "0-1", "imagenet"]
"""How a pixel becomes a number: itself, divided by 255, or standardized by ImageNet's statistics."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
MOST_BROKEN = 0.5
"""Share of unreadable files in a folder above which it is refused."""
_BUNDLED = (
    ("skimage", "data/astronaut.png"),  # NASA, public domain
    ("skimage", "data/chelsea.png"),  # S. van der Walt, CC0
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),  # US Navy, public domain
    ("skimage", "data/coffee.png"),  # R. Michetti, CC0
    ("skimage", "data/rocket.jpg"),  # SpaceX, CC0
    ("skimage", "data/hubble_deep_field.jpg"),  # NASA, public domain
    ("skimage", "data/camera.png"),  # L. Varshney, CC0
    ("skimage", "data/coins.png"),  # Brooklyn Museum, no known restrictions
)


@dataclass(frozen=True)
class ImageSet:
    """Images as uint8 [H, W, 3], and where they come from."""

    name: str
    images: "tuple[Pixels, ...]"
    provenance: str
    digest: str
    """SHA-256 of the pixels."""
    unreadable: tuple[str, ...] = ()


def bundled(count: int = 8) -> ImageSet:
    """Take public-domain photographs that ship with scikit-image and matplotlib.

    Raises:
        RuntimeUnavailableError: the packages hold none of them.
    """
    paths = [path for package, name in _BUNDLED if (path := _packaged(package, name)) is not None]
    if not paths:
        raise RuntimeUnavailableError(
            "the bundled photographs of scikit-image and matplotlib are missing; give --images"
        )
    return image_set("bundled", tuple(_read(path) for path in paths[:count]), "bundled photographs")


def image_set(name: str, images: "tuple[Pixels, ...]", provenance: str) -> ImageSet:
    """Bring images together, uint8 [H, W, 3] each."""
    return ImageSet(name, images, provenance, _digest(images))


def as_pixels(planes: "Planes") -> "Pixels":
    """Turn an image of 0–1, [C, H, W] with 1 or 3 channels, into 8-bit [H, W, 3]."""
    import numpy as np

    wide = np.broadcast_to(planes, (3, *planes.shape[1:]))
    return np.ascontiguousarray(np.rint(wide * 255).astype(np.uint8).transpose(1, 2, 0))


def folder(
    path: Path, count: int, seed: int, option: str = "--images", most_broken: float = MOST_BROKEN
) -> ImageSet:
    """Choose `count` images below a folder, the same ones for the same seed.

    Unreadable files are counted and listed.

    Raises:
        DataError: no such folder, no image in it, or too many that cannot be read.
    """
    import numpy as np

    if not path.is_dir():
        raise DataError(f"{option} {path}: no such folder")
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise DataError(f"{option} {path}: holds no image ({', '.join(sorted(SUFFIXES))})")
    order = np.random.default_rng(seed).permutation(len(files))
    images: list[Pixels] = []
    broken: list[str] = []
    for index in order:
        if len(images) == count:
            break
        try:
            images.append(_read(files[index]))
        except OSError as problem:
            broken.append(f"{files[index].name} ({' '.join(str(problem).split())[:80]})")
    seen = len(images) + len(broken)
    if not images or len(broken) > most_broken * seen:
        raise DataError(
            f"{option} {path}: {len(broken)} of {seen} images cannot be read: {', '.join(broken[:3])}"
        )
    found = tuple(images)
    skipped = f" ({len(broken)} unreadable: {', '.join(broken[:3])})" if broken else ""
    provenance = f"images of {path.name}{skipped}"
    return ImageSet(path.name, found, provenance, _digest(found), tuple(broken))


def batches(
    images: ImageSet,
    specs: tuple[TensorSpec, ...],
    *,
    pixel_range: PixelRange,
    seed: int = 0,
    integers: int = INTEGER_BOUNDS[0],
) -> "list[Arrays]":
    """Bring each image into the form of the inputs: one dictionary per image.

    NCHW inputs get the image, resized on its shorter side and cut in the centre; gray inputs its
    luma, inputs with a fourth channel an opaque one. Inputs that are no image get noise, integers
    below `integers`. An input that keeps a part of an image gets that part.
    """
    sets = []
    for index, pixels in enumerate(images.images):
        arrays = {}
        for spec in specs:
            whole = spec.whole
            if whole.layout == "NCHW" and whole.shape[1] in {1, 3, 4}:
                arrays[spec.name] = part(_as_input(pixels, whole, pixel_range), spec)
            else:
                own = child_seed(seed, spec.name, str(index))
                arrays[spec.name] = _noise(spec, own, None, integers)
        sets.append(arrays)
    return sets


def noise(
    specs: tuple[TensorSpec, ...],
    count: int,
    seed: int,
    *,
    pixel_range: PixelRange,
    integers: int = INTEGER_BOUNDS[0],
) -> "list[Arrays]":
    """Return seeded noise for each input.

    Images get uniform pixels, other floats normal values, integers values from 0 to `integers` - 1
    (1: zeros), booleans either value unless integers are zeros.
    """
    return [
        {
            spec.name: _noise(spec, child_seed(seed, spec.name, str(index)), pixel_range, integers)
            for spec in specs
        }
        for index in range(count)
    ]


def _packaged(package: str, name: str) -> Path | None:
    found = importlib.util.find_spec(package)
    for place in (found.submodule_search_locations or []) if found else []:
        path = Path(place) / name
        if path.is_file():
            return path
    return None


def _read(path: Path) -> "Pixels":
    """Read an image upright, as uint8 [H, W, 3].

    Raises:
        OSError: it is truncated or no image.
    """
    import numpy as np
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16-bit gray, which Pillow would clip to white
                levels = np.asarray(upright, np.float64) / 257
                upright = Image.fromarray(np.rint(levels.clip(0, 255)).astype(np.uint8))
            return np.asarray(upright.convert("RGB"))
    except (SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise OSError(str(problem)) from problem


def _digest(images: "tuple[Pixels, ...]") -> str:
    digest = hashlib.sha256()
    for pixels in images:
        digest.update(str(pixels.shape).encode())
        digest.update(pixels.tobytes())
    return digest.hexdigest()


def fitted(pixels: "Pixels", height: int, width: int) -> "Pixels":
    """Resize so that the image covers [height, width], and cut the centre (Pillow, bilinear)."""
    import numpy as np
    from PIL import Image, ImageOps

    image = ImageOps.fit(Image.fromarray(pixels), (width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _as_input(pixels: "Pixels", spec: TensorSpec, pixel_range: PixelRange) -> "Array":
    import numpy as np

    batch, channels, height, width = spec.shape
    image = fitted(pixels, height, width).astype(np.float32)
    if channels == 1:
        luma = np.rint(image @ np.array([0.299, 0.587, 0.114], np.float32))
        image = luma[:, :, None]
    elif channels == 4:
        image = np.concatenate([image, np.full((height, width, 1), 255, np.float32)], axis=2)
    planes = np.repeat(image.transpose(2, 0, 1)[None], batch, axis=0)
    if spec.dtype == "uint8":
        return np.ascontiguousarray(planes.astype(np.uint8))
    return _ranged(planes, pixel_range).astype(spec.dtype)


def _ranged(planes: "Planes", pixel_range: PixelRange) -> "Planes":
    """Bring whole pixels [N, C, H, W] in 0–255 into the range that a network expects."""
    import numpy as np

    if pixel_range == "0-255":
        return planes
    if pixel_range == "0-1" or planes.shape[1] != 3:
        return planes / np.float32(255)
    mean, std = (
        np.array(values, np.float32)[None, :, None, None]
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (planes / np.float32(255) - mean) / std


def _noise(spec: TensorSpec, seed: int, pixel_range: PixelRange | None, integers: int) -> "Array":
    import numpy as np

    if spec.kept is not None:
        return part(_noise(spec.whole, seed, pixel_range, integers), spec)
    generator = np.random.default_rng(seed)
    if spec.dtype == "uint8" and spec.layout == "NCHW":
        return generator.integers(0, 256, spec.shape, dtype=np.uint8)
    if not spec.dtype.startswith("float"):
        bound = min(integers, 2) if spec.dtype == "bool" else integers
        return np.asarray(generator.integers(0, bound, spec.shape)).astype(spec.dtype)
    if spec.layout == "NCHW" and spec.shape[1] in {1, 3, 4} and pixel_range is not None:
        pixels = generator.integers(0, 256, spec.shape).astype(np.float32)
        return np.ascontiguousarray(_ranged(pixels, pixel_range).astype(spec.dtype))
    return generator.standard_normal(spec.shape).astype(spec.dtype)
