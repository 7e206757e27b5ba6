"""What of a detector can be exported: backbone, feature pyramid and proposal head, no post-processing."""

from torch import Tensor, nn
from torchvision.models.detection import maskrcnn_resnet50_fpn


class _BackboneAndHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        detector = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)
        self.backbone, self.head = detector.backbone, detector.rpn.head

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        levels = list(self.backbone(image).values())
        scores, boxes = self.head(levels)
        named = {}
        for index, parts in enumerate(zip(levels, scores, boxes, strict=True)):
            for word, part in zip(("level", "score", "box"), parts, strict=True):
                named[f"{word}_{index}"] = part
        return named


def backbone_and_heads() -> nn.Module:
    return _BackboneAndHeads()
