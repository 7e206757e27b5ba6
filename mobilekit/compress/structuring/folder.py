"""A smaller network in a folder: `structure.json` and `weights.safetensors`."""

from pathlib import Path

import msgspec
from torch import Tensor, nn

from mobilekit.compress.structure import restructure
from mobilekit.compress.structuring.differences import named_tensors
from mobilekit.compress.structuring.format import Structure, decoded, seal_of
from mobilekit.compress.structuring.layers import INSTEAD
from mobilekit.core import files
from mobilekit.core.errors import ArtifactError, ModelError

STRUCTURE = "structure.json"
WEIGHTS = "weights.safetensors"


def save(folder: Path, network: nn.Module, structure: Structure) -> None:
    """Write `weights.safetensors` and `structure.json` into a folder, each whole or not at all.

    Raises:
        ModelError: a state that is not made of tensors.
        OutputError: the folder cannot be written.
    """
    from safetensors.torch import save as to_bytes

    state = network.state_dict()
    odd = next((name for name, value in state.items() if not isinstance(value, Tensor)), None)
    if odd is not None:
        raise ModelError(f"{odd}: is no tensor, a weights file cannot hold it; {INSTEAD}")
    values = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    files.write_bytes(folder / WEIGHTS, to_bytes(values))
    text = msgspec.json.encode(structure).decode()
    files.write_text(folder / STRUCTURE, text + "\n")


def load(folder: Path, network: nn.Module) -> nn.Module:
    """Return the smaller network of a folder, from a freshly built original, which is left as found.

    Weights keep the type that they have in the file.

    Raises:
        ArtifactError: a file that is missing, damaged or of another version, or two that do not belong
            together.
        ModelError: another network.
    """
    result = restructure(network, read(folder / STRUCTURE))
    state = _weights(folder / WEIGHTS)
    own = result.state_dict()
    for name in dict.fromkeys((*own, *state)):
        there, here = state.get(name), own.get(name)
        if there is None or here is None or there.shape != here.shape:
            shapes = ["none" if one is None else str(list(one.shape)) for one in (there, here)]
            raise ArtifactError(
                f"{folder / WEIGHTS}: {name}: {shapes[0]} in the file, {shapes[1]} by {STRUCTURE}"
            )
    for name, tensor in named_tensors(result):
        if name in state:
            tensor.data = tensor.data.to(state[name].dtype)
    result.load_state_dict(state, strict=True)
    return result


def read(path: Path) -> Structure:
    """Read and check a structure file.

    Raises:
        ArtifactError: missing, no JSON, of another version, or damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ArtifactError(f"{path}: cannot be read ({problem.strerror})") from problem
    structure = decoded(content, str(path))
    if structure.seal != seal_of(structure):
        raise ArtifactError(f"{path}: was changed after mobilekit wrote it; save the network again")
    return structure


def _weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as problem:
        words = " ".join(str(problem).split())[:160]
        raise ArtifactError(f"{path}: is no whole .safetensors file ({words})") from problem
