"""One quantization as the worker is told of it: a saved file of floats in, a smaller one out."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mobilekit.core.quantization import Quantization, parse
from mobilekit.core.quantization_plan import QuantizationPlan
from mobilekit.export.quantization.made import Quantized

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is made of what."""

    do: str
    format: str
    """coreml or tflite."""
    file: str
    """Of floats; it is not touched."""
    out: str
    quantization: Quantization
    program: str
    """Of the network, for the names of its layers."""
    minimum_os: str = ""
    calibration: tuple[str, ...] = ()
    """Inputs in the file's own layout and types, a safetensors file each."""
    plan: QuantizationPlan | None = None
    """Of the network's quantization-aware training; its ranges go before calibrated ones."""


class Workshop:
    """Makes smaller files one after the other, and keeps what several of them need."""

    def __init__(self) -> None:
        self._networks: dict[str, dict[str, Array]] = {}
        self._seen: dict[tuple[object, ...], Any] = {}

    def carry_out(self, job: Job) -> Quantized:
        """Make one file.

        Raises:
            ExportError: the file cannot be quantized so; with `strict`, a layer is not quantized as asked.
            RecipeError: a pattern that no layer has.
        """
        started = time.monotonic()
        make = self._coreml if job.format == "coreml" else self._tflite
        made = make(job, self._network(job.program))
        return msgspec.structs.replace(made, seconds=time.monotonic() - started)

    def _tflite(self, job: Job, network: "dict[str, Array]") -> Quantized:
        from mobilekit.export.quantization import tflite

        shown = None
        if _calibrated(job.quantization):
            key = (job.file, job.calibration)
            if key not in self._seen:
                self._seen[key] = tflite.collect(Path(job.file), _loaded(job.calibration))
            shown = self._seen[key]
            shown.plan = job.plan
        return tflite.quantize(
            Path(job.file), Path(job.out), job.quantization, network, calibration=shown
        )

    def _coreml(self, job: Job, network: "dict[str, Array]") -> Quantized:
        from mobilekit.export.quantization import coreml

        found = None
        if _calibrated(job.quantization):
            observer = job.quantization.observer
            key = (job.file, job.calibration, observer)
            if key not in self._seen:
                inputs = _loaded(job.calibration)
                self._seen[key] = coreml.collect(Path(job.file), inputs, observer)
            found = self._seen[key]
            found.plan = job.plan
        return coreml.quantize(
            Path(job.file),
            Path(job.out),
            job.quantization,
            network,
            minimum_os=job.minimum_os,
            statistics=found,
        )

    def _network(self, path: str) -> "dict[str, Array]":
        """Return the network's parameters of two dimensions and more, by name."""
        if path not in self._networks:
            from mobilekit.runtime import program as programs

            found = programs.weights_of(programs.load(Path(path)))
            self._networks[path] = {name: value.float().numpy() for name, value in found.items()}
        return self._networks[path]


def _calibrated(quantization: Quantization) -> bool:
    return parse(quantization.form).calibrated


def _loaded(paths: tuple[str, ...]) -> "list[Arrays]":
    from safetensors.numpy import load_file

    return [load_file(path) for path in paths]
