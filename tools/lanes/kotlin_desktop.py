"""Compare the Kotlin core, on a computer's LiteRT, with Python on the same `.tflite` files.

`prepare FOLDER IMAGES` exports the shipped network into FOLDER, unless it is there, and draws pictures into IMAGES.
`compare FOLDER IMAGES MASKS` runs the same files and pictures by `mobilekit.runtime`; the masks must be identical.
`runtime` prints the path of LiteRT's library, and its version.
"""

import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mobilekit import pipeline
from mobilekit.core import artifact
from mobilekit.core.errors import ArtifactError, MobilekitError, RuntimeUnavailableError, UsageError
from mobilekit.core.targets import TfliteTarget
from mobilekit.data.faces import Portraits
from mobilekit.recipe import Recipe, read_recipe
from mobilekit.runtime import open_model

ROOT = Path(__file__).parents[2]
NET = "mobile-hourglass"
TARGETS = (TfliteTarget(), TfliteTarget(quantize="static:int8"))
IMAGES = 20
Pixels = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]


def prepare(folder: Path, images: Path) -> None:
    """Export the network and draw the pictures: half of them in its size, the others to be resized.

    Args:
        folder: of the artifact.
        images: of the pictures, as PPM.
    """
    if not (folder / artifact.MANIFEST).is_file():
        recipe = read_recipe(ROOT / "models" / NET)
        request = pipeline.ExportRequest(
            reference=str(ROOT / "models" / NET),
            recipe=Recipe(NET, recipe.net, targets=TARGETS),
            weights=ROOT / "models" / NET / "weights.safetensors",
            out=folder,
            runs=0,
            image_count=4,
        )
        pipeline.export(request, lambda words: sys.stderr.write(f"  {NET}: {words}\n"))
    side = artifact.read_manifest(folder).inputs[0].shape[2]
    images.mkdir(parents=True, exist_ok=True)
    for number in range(IMAGES):
        size = side if number % 2 == 0 else min(2 * side - 5 * number, 512)
        pixels = Portraits("test", IMAGES, size)[number].image
        if number % 4 == 3:  # lying: a box is cut first
            pixels = np.concatenate([pixels, pixels[:, ::-1]], 1)
        Image.fromarray(pixels).save(images / f"face_{number:02}.ppm")


def compare(folder: Path, images: Path, masks: Path) -> str:
    """Return how many masks are the same, in words.

    Raises:
        ArtifactError: some differ, or are missing.
    """
    manifest = artifact.read_manifest(folder)
    pictures = sorted(images.glob("*.ppm"))
    different = []
    for file in manifest.files:
        runner = open_model(folder / file.path, "tflite")
        height, width = runner.inputs[0].shape[1:3]
        for path in pictures:
            image = _values(np.asarray(Image.open(path)), height, width)
            outputs = runner.run({runner.inputs[0].name: image[None].astype(np.float32)})
            expected = outputs[runner.outputs[0].name][0].argmax(-1)
            drawn = masks / Path(file.path).stem / f"{path.stem}.pgm"
            found = np.asarray(Image.open(drawn)) if drawn.is_file() else np.zeros(0)
            if not np.array_equal(found, expected):
                wrong = int((found != expected).sum()) if found.shape == expected.shape else "all"
                different.append(f"{file.path} {path.name} ({wrong} pixels)")
    if different:
        raise ArtifactError(f"masks differ: {', '.join(different)}")
    return f"{len(manifest.files)} files, {len(pictures)} images each: masks identical"


def _values(pixels: Pixels, height: int, width: int) -> Numbers:
    """Cut the largest centred box, and resize it by the contract's triangle filter."""
    scale = min(pixels.shape[1] / width, pixels.shape[0] / height)
    inner = [int(np.floor(size * scale + 0.5)) for size in (height, width)]
    top, left = ((whole - part) // 2 for whole, part in zip(pixels.shape[:2], inner, strict=True))
    cut = pixels[top : top + inner[0], left : left + inner[1]].astype(np.float64)
    along = np.einsum("xk,rkc->rxc", _weights(inner[1], width), cut)
    found: Numbers = np.einsum("yr,rxc->yxc", _weights(inner[0], height), along)
    return found


def _weights(source: int, target: int) -> Numbers:
    step = source / target
    centres = (np.arange(target) + 0.5) * step
    distance = np.abs(np.arange(source)[None] + 0.5 - centres[:, None]) / max(step, 1.0)
    found = np.maximum(1 - distance, 0)
    scaled: Numbers = found / found.sum(1, keepdims=True)
    return scaled


def runtime() -> str:
    """Return the library's path and version.

    Raises:
        RuntimeUnavailableError: LiteRT is not installed.
    """
    found = find_spec("ai_edge_litert")
    library = Path(str(found.origin)).parent / "libLiteRt.so" if found else None
    if library is None or not library.is_file():
        raise RuntimeUnavailableError("this installation of ai-edge-litert has no libLiteRt.so")
    return f"{library} {version('ai-edge-litert')}"


def main(arguments: list[str]) -> int:
    """Do one of the commands; 1 where it fails."""
    commands: dict[str, Any] = {"prepare": prepare, "compare": compare, "runtime": runtime}
    try:
        if not arguments or arguments[0] not in commands:
            raise UsageError(f"expected one of {', '.join(commands)}")
        said = commands[arguments[0]](*map(Path, arguments[1:]))
    except MobilekitError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    if said:
        sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
