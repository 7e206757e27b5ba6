"""Which networks ship, with which widths: configurations as data, read without torch."""

import functools
from importlib import resources
from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import ModelError, RecipeError, suggestion
from mobilekit.core.tensors import TensorSpec
from mobilekit.data.face_labels import FACE_COLOURS, FACE_LABELS

CAMERA = Normalization(mean=(0.5,), std=(0.5,), scale=1 / 255)
"""Camera pixels 0–255 become −1 … 1."""

IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), scale=1 / 255)
"""By which torchvision's networks were trained."""
PRETRAINED = ("weights", "weights_backbone", "pretrained", "checkpoint_path")
"""Arguments by which torchvision's and timm's builders load weights themselves."""

Size = Annotated[int, msgspec.Meta(ge=16, le=4096)]
Count = Annotated[int, msgspec.Meta(ge=1, le=4096)]


class NetBase(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True
):
    """What every configuration answers: its inputs, labels and how its image is normalized."""

    labels: ClassVar[tuple[str, ...]] = ()
    colours: ClassVar[tuple[str, ...]] = ()
    beside_weights: ClassVar[frozenset[str]] = frozenset({"size"})
    """Fields that leave the weights what they are."""

    weights: str | UnsetType = UNSET
    """A `.safetensors` file, or a `.pt` file that holds tensors only; without it, drawn with the seed."""
    fresh: tuple[str, ...] | UnsetType = UNSET
    """Patterns of weights that stay as drawn, such as `fc.*`: of a head for other classes than the file's."""

    def __post_init__(self) -> None:
        if self.fresh and not self.weights:
            raise RecipeError(
                "net: fresh says what is not taken of weights; give weights = a file too"
            )

    @property
    def kind(self) -> str:
        """The tag that names the network in a recipe."""
        return str(self.__struct_config__.tag)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Input specs, images in NCHW order."""
        raise TypeError(f"{type(self).__name__} states no inputs")

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return ("logits",)

    @property
    def state(self) -> dict[str, str]:
        """Output → input that it is fed back to in the next frame."""
        return {}

    @property
    def normalization(self) -> Normalization | None:
        """What is baked into the exported graph, for camera pixels."""
        return CAMERA


class MobileHourglassConfig(
    NetBase, frozen=True, forbid_unknown_fields=True, tag="mobile-hourglass"
):
    """Face parsing for AR (Berthelier's thesis, chapter 5).

    `features` is f and `expansion` is τ of Table 5.1; `previous_mask` is the number K of mask
    channels fed back from the last frame; `dense_tail` is the video variant of section 5.4.2.
    """

    labels: ClassVar[tuple[str, ...]] = FACE_LABELS
    colours: ClassVar[tuple[str, ...]] = FACE_COLOURS

    features: Annotated[int, msgspec.Meta(ge=1, le=512)] = 32
    expansion: Annotated[int, msgspec.Meta(ge=1, le=12)] = 6
    stem: Literal["thesis", "light"] = "thesis"
    previous_mask: Literal[0, 1, 10] = 0
    dense_tail: bool = False
    classes: Count = 10
    size: Annotated[int, msgspec.Meta(ge=16, le=4096, multiple_of=16)] = 256

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The image, and the previous mask where the net takes one."""
        image = TensorSpec("image", (1, 3, self.size, self.size), layout="NCHW")
        if not self.previous_mask:
            return (image,)
        shape = (1, self.previous_mask, self.size, self.size)
        return (image, TensorSpec("previous_mask", shape, layout="NCHW"))

    @property
    def state(self) -> dict[str, str]:
        """The softmax of the logits is the next frame's previous mask."""
        return {"logits": "previous_mask"} if self.previous_mask else {}


class DfbusterConfig(NetBase, frozen=True, forbid_unknown_fields=True, tag="dfbuster"):
    """Deepfake detection (Hubens' thesis, chapter 6)."""

    labels: ClassVar[tuple[str, ...]] = ("real", "fake")
    beside_weights: ClassVar[frozenset[str]] = frozenset({"size", "attention_map"})

    width: Annotated[float, msgspec.Meta(gt=0.0, le=4.0)] = 1.0
    squeeze_excite: bool = True
    self_attention: bool = True
    attention_map: bool = False
    classes: Count = 2
    size: Size = 256

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """One face crop."""
        return (TensorSpec("image", (1, 3, self.size, self.size), layout="NCHW"),)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Logits, and the attention map [N, 1, size/4, size/4] where it is asked for."""
        return ("logits", "attention") if self.attention_map else ("logits",)


class UnetConfig(NetBase, frozen=True, forbid_unknown_fields=True, tag="unet"):
    """U-Net with bilinear upsampling, conv bias and batch norm (comparator of Table 5.1)."""

    channels: Count = 3
    classes: Count = 10
    width: Count = 64
    size: Size = 256

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """One image."""
        return (TensorSpec("image", (1, self.channels, self.size, self.size), layout="NCHW"),)


class SegnetConfig(NetBase, frozen=True, forbid_unknown_fields=True, tag="segnet"):
    """SegNet: VGG16-BN encoder and its mirror (comparator of Table 5.1)."""

    channels: Count = 3
    classes: Count = 10
    width: Count = 64
    size: Annotated[int, msgspec.Meta(ge=32, le=4096, multiple_of=32)] = 256

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """One image."""
        return (TensorSpec("image", (1, self.channels, self.size, self.size), layout="NCHW"),)


class LenetCaffeConfig(NetBase, frozen=True, forbid_unknown_fields=True, tag="lenet-caffe"):
    """LeNet as Caffe has it: 20 and 50 filters of 5×5, 500 hidden units (Table 3.1)."""

    channels: Count = 1
    classes: Count = 10
    size: Annotated[int, msgspec.Meta(ge=16, le=512)] = 28

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """One image."""
        return (TensorSpec("image", (1, self.channels, self.size, self.size), layout="NCHW"),)


class VggConfig(NetBase, frozen=True, forbid_unknown_fields=True, tag="vgg"):
    """VGG as the theses use it: convolutions with bias, global pooling, FC 512, FC classes."""

    depth: Literal[11, 16] = 16
    classes: Count = 10
    width: Count = 64
    size: Annotated[int, msgspec.Meta(ge=32, le=1024)] = 32

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """One image."""
        return (TensorSpec("image", (1, 3, self.size, self.size), layout="NCHW"),)


class MobilenetV1Config(NetBase, frozen=True, forbid_unknown_fields=True, tag="mobilenet-v1"):
    """MobileNetV1 with global pooling, FC 512, FC classes (Table 5.8)."""

    classes: Count = 10
    width: Annotated[float, msgspec.Meta(gt=0.0, le=4.0)] = 1.0
    size: Annotated[int, msgspec.Meta(ge=32, le=1024)] = 32

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """One image."""
        return (TensorSpec("image", (1, 3, self.size, self.size), layout="NCHW"),)


class BlazefaceConfig(NetBase, frozen=True, forbid_unknown_fields=True, tag="blazeface"):
    """BlazeFace, front camera: 896 anchors with 4 box and 6 × 2 key point values each."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """One image of 128 × 128 pixels."""
        return (TensorSpec("image", (1, 3, 128, 128), layout="NCHW"),)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Raw scores [N, 896, 1] and raw boxes [N, 896, 16]."""
        return ("scores", "boxes")


class TorchvisionConfig(NetBase, frozen=True, forbid_unknown_fields=True, tag="torchvision"):
    """A network of torchvision by its name, such as `resnet18`, with a head for `classes`."""

    name: str
    classes: Count = 1000
    size: Size = 224
    options: dict[str, str | int | float | bool] = {}
    """Further arguments of torchvision's builder, such as `width_mult`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        loading = [name for name in PRETRAINED if name in self.options]
        if loading:
            raise RecipeError(
                f"net: options: {loading[0]} would be loaded by torchvision, which may download it; give"
                " weights = a file"
            )
        if "num_classes" in self.options:
            raise RecipeError("net: options: num_classes is said by classes")

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """One image."""
        return (TensorSpec("image", (1, 3, self.size, self.size), layout="NCHW"),)

    @property
    def output_names(self) -> tuple[str, ...]:
        """As the network names them: a segmentation may have two."""
        return ()

    @property
    def normalization(self) -> Normalization:
        """That of ImageNet."""
        return IMAGENET


NetConfig: TypeAlias = (
    MobileHourglassConfig
    | DfbusterConfig
    | UnetConfig
    | SegnetConfig
    | LenetCaffeConfig
    | VggConfig
    | MobilenetV1Config
    | BlazefaceConfig
    | TorchvisionConfig
)


class Variant(msgspec.Struct, frozen=True):
    """One named configuration, with what it costs (generated by tools/nets_catalog.py)."""

    reference: str
    """`name` or `name:variant`, as the command line takes it."""
    description: str
    config: NetConfig
    params: int
    params_with_buffers: int
    macs: int
    inputs: tuple[TensorSpec, ...]


@functools.cache
def variants() -> tuple[Variant, ...]:
    """Return every shipped network and variant."""
    text = resources.files("mobilekit.nets").joinpath("catalog.json").read_bytes()
    return msgspec.json.decode(text, type=tuple[Variant, ...])


def find(reference: str) -> Variant:
    """Return the variant of that name.

    Raises:
        ModelError: there is none; near names are suggested.
    """
    known = {variant.reference: variant for variant in variants()}
    if reference not in known:
        raise ModelError(
            f"{reference!r} is no shipped net (see `mobilekit nets`).{suggestion(reference, known)}"
        )
    return known[reference]
