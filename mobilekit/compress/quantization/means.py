"""The mean of each channel that a layer makes, and biases that bring it back."""

from collections import Counter
from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from mobilekit.compress.graph.untouched import evaluating
from mobilekit.compress.quantization.hooks import Hooks
from mobilekit.core.errors import DataError


def means_of(network: nn.Module, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the mean of each output channel of every layer that runs once, by the layer's path.

    Args:
        network: any module; it is left as found.
        inputs: one batch of positional inputs, `[N, ...]` each.

    Raises:
        DataError: inputs that the network refuses, or that give no finite means.
    """
    hooks, found, runs = Hooks(), dict[str, Tensor](), Counter[str]()

    def watch(path: str, module: nn.Module) -> None:
        def act(outputs: Tensor | None) -> None:
            if outputs is not None:
                runs[path] += 1
                found[path] = _mean(module, outputs)

        hooks.behind(module, act)

    for path, module in _layers(network).items():
        watch(path, module)
    _run(network, inputs, hooks)
    for path, mean in found.items():
        if not mean.isfinite().all():
            raise DataError(
                f"correct_biases: the calibration inputs give {path} no finite means; look for NaN in them"
            )
    return {path: mean for path, mean in found.items() if runs[path] == 1}


def set_means(network: nn.Module, inputs: Sequence[Tensor], means: Mapping[str, Tensor]) -> None:
    """Change biases while the network runs, so that each layer sees what the ones before it give now.

    Args:
        network: its biases change, and layers without one get one.
        inputs: as in `means_of`.
        means: wanted, by the path of each layer to correct.

    Raises:
        DataError: inputs that the network refuses.
    """
    hooks = Hooks()

    def mend(module: _ConvNd | nn.Linear, wanted: Tensor) -> None:
        def act(outputs: Tensor | None) -> Tensor | None:
            if outputs is None:
                return None
            change = (wanted - _mean(module, outputs)).to(outputs.dtype)
            assert module.bias is not None  # noqa: S101  given below
            module.bias.data.add_(change.flatten())
            return outputs + change

        hooks.behind(module, act)

    layers = _layers(network)
    for path, wanted in means.items():
        module = layers[path]
        if module.bias is None:
            module.bias = nn.Parameter(module.weight.new_zeros(wanted.numel()))
        mend(module, wanted)
    _run(network, inputs, hooks)


def _layers(network: nn.Module) -> dict[str, _ConvNd | nn.Linear]:
    return {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, (_ConvNd, nn.Linear)) and path
    }


def _mean(module: nn.Module, outputs: Tensor) -> Tensor:
    """Return the mean of each channel, shaped to be added to outputs, in float64."""
    spatial = len(module.kernel_size) if isinstance(module, _ConvNd) else 0
    axis = outputs.ndim - spatial - 1
    others = [dim for dim in range(outputs.ndim) if dim != axis]
    return outputs.double().mean(others).reshape(-1, *[1] * spatial)


def _run(network: nn.Module, inputs: Sequence[Tensor], hooks: Hooks) -> None:
    try:
        with evaluating(network):
            network(*inputs)
    except (RuntimeError, ValueError, TypeError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise DataError(f"correct_biases: calibration inputs: {words}") from problem
    finally:
        hooks.remove()
