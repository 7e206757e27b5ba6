"""The inputs that files are verified on, and what the network itself makes of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.core import artifact
from mobilekit.core.artifact import Normalization
from mobilekit.core.quantization import parse
from mobilekit.core.seeding import child_seed
from mobilekit.core.targets import CoremlTarget, Target, quantization_of
from mobilekit.core.tensors import INTEGER_BOUNDS, TensorSpec, has_integers
from mobilekit.data import images as photographs
from mobilekit.data.images import ImageSet, PixelRange

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays
    from mobilekit.data.catalog import DataConfig
    from mobilekit.data.task import Split
    from mobilekit.runtime.program import Program

NOISE_SAMPLES = 2
MOST_BROKEN = 0.05
"""Share of unreadable calibration images above which a folder is refused."""


@dataclass(frozen=True)
class InputSet:
    """Inputs in the network's own layout (NCHW), and where they come from."""

    name: str
    provenance: str
    inputs: "list[Arrays]"


@dataclass(frozen=True)
class SampleSet:
    """Inputs in the network's own layout (NCHW), and the network's outputs for them."""

    name: str
    provenance: str
    inputs: "list[Arrays]"
    references: "list[Arrays]"


def choose_images(
    path: Path | None,
    count: int,
    seed: int,
    data: "DataConfig | None" = None,
    *,
    calibrating: bool = False,
) -> ImageSet:
    """Take the user's images, or those of a data set, or the bundled photographs.

    Args:
        path: the user's folder.
        count: images, at most.
        seed: by which they are chosen.
        data: what the network was trained on, where that is known.
        calibrating: they are to give ranges of activations: of a data set those it is trained on, of
            a folder at most 1 in 20 that cannot be read.
    """
    if path is not None and calibrating:
        own = child_seed(seed, "calibration")
        return photographs.folder(path, count, own, "--calibrate", MOST_BROKEN)
    if path is not None:
        return photographs.folder(path, count, child_seed(seed, "images"))
    if data is not None:
        return _of_data(data, count, "train" if calibrating else "test")
    return photographs.bundled(count)


def _of_data(data: "DataConfig", count: int, split: "Split") -> ImageSet:
    """Take images of a data set, evenly spaced over it, as 8-bit RGB."""
    from mobilekit.data.catalog import open_data
    from mobilekit.data.task import spread

    found = open_data(data)[0 if split == "train" else 1]
    some = spread(count, len(found))
    pixels = tuple(photographs.as_pixels(found[index][0].numpy()) for index in some)
    return photographs.image_set(split, pixels, f"{split} images of {found.provenance}")


def sample_inputs(
    program: "Program",
    images: ImageSet,
    normalization: Normalization | None,
    seed: int,
    targets: tuple[Target, ...] = (),
) -> list[InputSet]:
    """Build the sets: photographs where an input is an image, and noise.

    Pixels are 0–255 where normalization is baked in, 0–1 where Core ML scales an 8-bit image, and
    normalized with ImageNet's statistics otherwise. Integers are drawn from the widest of a few small
    ranges that the program takes: an index must lie inside its table.
    """
    scaled = any(isinstance(target, CoremlTarget) and target.image_input for target in targets)
    pixels: PixelRange = "0-255" if normalization else "0-1" if scaled else "imagenet"
    integral = has_integers(program.inputs)
    for bound in INTEGER_BOUNDS if integral else INTEGER_BOUNDS[-1:]:
        sets = _sets(program.inputs, images, pixels, seed, bound)
        if not integral or _takes(program, sets):
            break
    return sets


def _sets(
    specs: tuple[TensorSpec, ...], images: ImageSet, pixels: PixelRange, seed: int, bound: int
) -> list[InputSet]:
    sets = []
    if any(spec.whole.layout == "NCHW" for spec in specs):
        batches = photographs.batches(images, specs, pixel_range=pixels, integers=bound)
        sets.append(InputSet("images", images.provenance, batches))
    noise = photographs.noise(
        specs, NOISE_SAMPLES, child_seed(seed, "noise"), pixel_range=pixels, integers=bound
    )
    words = f"seeded noise, integers 0-{bound - 1}" if has_integers(specs) else "seeded noise"
    sets.append(InputSet("noise", words, noise))
    return sets


def _takes(program: "Program", sets: list[InputSet]) -> bool:
    """Say whether the program runs on all samples; indices beyond a table make PyTorch raise."""
    from mobilekit.runtime import program as programs

    try:
        for arrays in (arrays for group in sets for arrays in group.inputs):
            programs.run(program, arrays)
    except (RuntimeError, IndexError, ValueError):
        return False
    return True


def with_references(program: "Program", sets: list[InputSet], threads: int) -> list[SampleSet]:
    """Run the network itself on each input."""
    from mobilekit.runtime import program as programs

    return [
        SampleSet(
            group.name,
            group.provenance,
            group.inputs,
            [programs.run(program, arrays, threads=threads) for arrays in group.inputs],
        )
        for group in sets
    ]


def write_golden(folder: Path, sets: list[SampleSet]) -> dict[str, str]:
    """Write the first sample of each set, inputs and outputs; return file → digest.

    Tensors are named `<set>.<tensor>`, in the network's own layout.
    """
    from safetensors.numpy import save

    from mobilekit.core import files

    chosen = {
        artifact.GOLDEN_INPUTS: {group.name: group.inputs[0] for group in sets},
        artifact.GOLDEN_OUTPUTS: {group.name: group.references[0] for group in sets},
    }
    digests = {}
    for name, groups in chosen.items():
        path = folder / name
        tensors = {
            f"{group}.{key}": _contiguous(value)
            for group, arrays in groups.items()
            for key, value in arrays.items()
        }
        files.write_bytes(path, save(tensors))
        digests[name] = files.sha256(path)
    return digests


def meant(target: Target, sets: list[SampleSet]) -> list[int]:
    """Return the places of the sets that a file is compared on.

    Noise is nothing for ranges of activations that come from images.
    """
    wanted = quantization_of(target)
    images = [index for index, group in enumerate(sets) if group.name != "noise"]
    if wanted is None or not parse(wanted.form).calibrated or not images:
        return list(range(len(sets)))
    return images


def read_golden(folder: Path) -> list[SampleSet]:
    """Read what `write_golden` wrote."""
    from safetensors.numpy import load_file

    groups: dict[str, tuple[Arrays, Arrays]] = {}
    for side, name in enumerate((artifact.GOLDEN_INPUTS, artifact.GOLDEN_OUTPUTS)):
        for key, value in load_file(folder / name).items():
            group, _, tensor = key.partition(".")
            groups.setdefault(group, ({}, {}))[side][tensor] = value
    return [
        SampleSet(name, "golden vectors of the artifact", [inputs], [outputs])
        for name, (inputs, outputs) in groups.items()
    ]


def _contiguous(array: "Array") -> "Array":
    import numpy as np

    return np.asarray(array, order="C")  # a scalar stays one
