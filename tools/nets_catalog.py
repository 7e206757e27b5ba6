"""Write mobilekit/nets/catalog.json: each shipped network and variant, with what it costs.

Run by `make catalog` after a network or a configuration has changed; a test compares.
"""

import sys
from pathlib import Path

import msgspec
import torch

from mobilekit.nets import build, catalog
from mobilekit.nets.catalog import NetConfig, Variant
from mobilekit.nets.sources import bake
from mobilekit.profile.cost import flops

CATALOG = Path(catalog.__file__).with_name("catalog.json")

NETS: dict[str, tuple[str, NetConfig]] = {
    "mobile-hourglass": (
        "Face parsing into 10 classes, f = 32, τ = 6",
        catalog.MobileHourglassConfig(),
    ),
    "mobile-hourglass:f32t6": (
        "Face parsing, f = 32, τ = 6",
        catalog.MobileHourglassConfig(),
    ),
    "mobile-hourglass:f16t3": (
        "Face parsing, f = 16, τ = 3",
        catalog.MobileHourglassConfig(features=16, expansion=3),
    ),
    "mobile-hourglass:f16t6": (
        "Face parsing, f = 16, τ = 6",
        catalog.MobileHourglassConfig(features=16),
    ),
    "mobile-hourglass:f32t3": (
        "Face parsing, f = 32, τ = 3",
        catalog.MobileHourglassConfig(expansion=3),
    ),
    "mobile-hourglass:light": (
        "Face parsing with a stem of one convolution, f = 32, τ = 6",
        catalog.MobileHourglassConfig(stem="light"),
    ),
    "mobile-hourglass:light-f16t3": (
        "Face parsing with a stem of one convolution, f = 16, τ = 3",
        catalog.MobileHourglassConfig(features=16, expansion=3, stem="light"),
    ),
    "mobile-hourglass:video": (
        "Face parsing of video: the last frame's 10 masks fed back, dense tail",
        catalog.MobileHourglassConfig(previous_mask=10, dense_tail=True),
    ),
    "mobile-hourglass:video-light-f16t3": (
        "Face parsing of video, light: the last frame's foreground fed back, f = 16, τ = 3",
        catalog.MobileHourglassConfig(features=16, expansion=3, stem="light", previous_mask=1),
    ),
    "dfbuster": (
        "Deepfake detection with squeeze-excite and self-attention",
        catalog.DfbusterConfig(),
    ),
    "dfbuster:full": (
        "Deepfake detection with squeeze-excite and self-attention",
        catalog.DfbusterConfig(),
    ),
    "dfbuster:baseline": (
        "Deepfake detection without squeeze-excite and self-attention",
        catalog.DfbusterConfig(squeeze_excite=False, self_attention=False),
    ),
    "dfbuster:self-attention": (
        "Deepfake detection with self-attention only",
        catalog.DfbusterConfig(squeeze_excite=False),
    ),
    "dfbuster:attention-map": (
        "Deepfake detection that also shows where it looks",
        catalog.DfbusterConfig(attention_map=True),
    ),
    "dfbuster:quarter": (
        "Deepfake detection at a quarter of the width",
        catalog.DfbusterConfig(width=0.25),
    ),
    "unet": ("U-Net with bilinear upsampling, 10 classes", catalog.UnetConfig()),
    "segnet": ("SegNet with nearest upsampling, 10 classes", catalog.SegnetConfig()),
    "lenet-caffe": ("LeNet as Caffe defines it, for digits", catalog.LenetCaffeConfig()),
    "vgg": ("VGG16 with one hidden layer, for 32 × 32 images", catalog.VggConfig()),
    "vgg:11": ("VGG11 with one hidden layer, for 32 × 32 images", catalog.VggConfig(depth=11)),
    "mobilenet-v1": (
        "MobileNetV1 with one hidden layer, for 32 × 32 images",
        catalog.MobilenetV1Config(),
    ),
    "blazeface": ("Face detection, 896 anchors, raw scores and boxes", catalog.BlazefaceConfig()),
}


def variants() -> tuple[Variant, ...]:
    """Count every network; no weights are made, only shapes."""
    return tuple(_variant(name, *entry) for name, entry in NETS.items())


def encoded(entries: tuple[Variant, ...]) -> bytes:
    """Return the text of catalog.json."""
    return msgspec.json.format(msgspec.json.encode(entries), indent=1) + b"\n"


def _variant(reference: str, description: str, config: NetConfig) -> Variant:
    with torch.device("meta"), torch.no_grad():
        network = build(config).eval()
        bake(network)
        images = tuple(torch.zeros(spec.shape) for spec in config.inputs)
        exported = torch.export.export(network, images, strict=False)
    statistics = [part for part in network.buffers() if part.is_floating_point()]
    params = sum(part.numel() for part in network.parameters())
    return Variant(
        reference=reference,
        description=description,
        config=config,
        params=params,
        params_with_buffers=params + sum(part.numel() for part in statistics),
        macs=flops(exported, "mac"),
        inputs=config.inputs,
    )


if __name__ == "__main__":
    CATALOG.write_bytes(encoded(variants()))
    sys.stdout.write(f"{CATALOG.name}: {len(NETS)} networks and variants\n")
