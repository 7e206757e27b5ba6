"""The straight way: import both converters, convert one after the other, verify nothing.

Run by `export_against_script.py`; on its own: `straight_export.py FOLDER [coreml|tflite]`.
"""

import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
# coremltools imports TensorFlow where it is installed, which costs seconds and crashes when it comes
# before torch; the straight script is measured as in an environment without it.
sys.modules["tensorflow"] = None  # type: ignore[assignment]


def main(folder: Path, formats: list[str]) -> None:
    if "coreml" in formats:
        import coremltools
    if "tflite" in formats:
        import litert_torch
    import torch
    import torchvision

    net = torchvision.models.mobilenet_v2(weights=None).eval()
    example = (torch.zeros(1, 3, 224, 224),)
    if "coreml" in formats:
        program = torch.export.export(net, example).run_decompositions({})
        model = coremltools.convert(program, minimum_deployment_target=coremltools.target.iOS17)
        model.save(str(folder / "model.mlpackage"))
    if "tflite" in formats:
        litert_torch.convert(net, example).export(str(folder / "model.tflite"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["coreml", "tflite"])
