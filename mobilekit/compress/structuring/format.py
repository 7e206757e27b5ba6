"""What a structure file says: how to give the shape of a smaller network to its original class."""

import hashlib
from typing import Annotated, Any, Literal

import msgspec

from mobilekit.core.errors import ArtifactError

SCHEMA_VERSION = 1

Count = Annotated[int, msgspec.Meta(ge=0)]
Plain = None | bool | int | float | str
Option = Plain | tuple[Plain, ...]
"""What a layer's own number can be; a list in JSON is a tuple or a list, as in the layer."""
Kind = Literal[
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Linear",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Identity",
    "Sequential",
    "OpenAttention",
    "kept",
]
"""A class of `torch.nn`; `OpenAttention`: the multi-head attention of that place in plain layers;
`kept`: the module of that name inside the one that is replaced."""


class Original(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The network that a structure can be given to."""

    kind: str
    """Name of its class."""
    tensors: dict[str, tuple[Count, ...]]
    """Shapes of all parameters and buffers."""


class Cut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter or buffer of another shape than in the original."""

    shape: tuple[Count, ...]
    kept: dict[int, int] = {}
    """Per dimension that was cut: where in `indices` the old index of each new one is listed. Empty
    where that is not known."""


class Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A module that stands where the original has another."""

    kind: Kind
    options: dict[str, Option] = {}
    """Arguments of its class."""
    parts: dict[str, "Layer"] = {}
    """Of a `Sequential`, in order."""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One argument of a call in a traced graph."""

    kind: Literal["value", "node", "tuple", "list", "slice", "ellipsis"]
    value: Plain = None
    """The number or text, or the name of the node."""
    items: tuple["Item", ...] = ()
    """Of a tuple or list; start, stop and step of a slice."""


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call of the traced original whose arguments are others now."""

    node: str
    calls: str
    """What it calls in the original, such as `call_method view`."""
    args: tuple[Item, ...]
    kwargs: dict[str, Item] = {}
    split: bool = False
    """Whether it is a `split` now, with a size for each piece."""


class Graph(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The original as torch.fx traces it, and what was rewritten there."""

    sha256: str
    """Of the names of all nodes and what they call."""
    edits: tuple[Edit, ...]
    layers: dict[str, Layer] = {}
    """Modules that stood where the original has others when it was traced, by path."""


class Structure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a smaller network differs from its original, weights left out."""

    schema_version: int
    original: Original
    tensors: dict[str, Cut] = {}
    added: dict[str, tuple[Count, ...]] = {}
    """Shapes of parameters that the original has not, in modules that it has."""
    layers: dict[str, Layer] = {}
    """Modules that stand where the original has others, by path."""
    attributes: dict[str, dict[str, Option]] = {}
    """Numbers that modules know of themselves, such as `out_channels`, by path."""
    graph: Graph | None = None
    """Where numbers in the code were rewritten: the network is the original's traced graph."""
    indices: tuple[tuple[Count, ...], ...] = ()
    """Lists of kept indices; dimensions that were cut alike share one."""
    seal: str = ""
    """SHA-256 of all else, so that a damaged file is found."""


def seal_of(structure: Structure) -> str:
    """Return the SHA-256 of a structure without its seal."""
    bare = msgspec.structs.replace(structure, seal="")
    return hashlib.sha256(msgspec.json.encode(bare)).hexdigest()


def decoded(content: bytes, where: str) -> Structure:
    """Decode a structure; its seal is not looked at.

    Raises:
        ArtifactError: no JSON, another version, or not of this form; the line begins with `where`.
    """
    try:
        plain: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise ArtifactError(f"{where}: is not valid JSON ({problem})") from problem
    version = plain.get("schema_version") if isinstance(plain, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{where}: schema_version {version}, this mobilekit reads {SCHEMA_VERSION}"
        )
    try:
        structure: Structure = msgspec.json.decode(content, type=Structure)
    except msgspec.ValidationError as problem:
        raise ArtifactError(f"{where}: {problem}") from problem
    return structure
