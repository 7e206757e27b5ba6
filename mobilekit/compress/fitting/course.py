"""How long a network trains, in what steps, on images shown how, and towards what."""

from dataclasses import dataclass, field

from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.fitting.showing import Showing


@dataclass(frozen=True)
class Course:
    """How long and in what steps."""

    epochs: int = 10
    batch_size: int = 64
    """Images per step, of all devices together."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    checkpoint_every: int = 0
    """Steps between checkpoints; 0: at the end of each epoch."""
    keep_epochs: bool = False
    workers: int = 0
    """Processes that read images, per device."""
    clip: float = 0.0
    """Greatest norm of the gradient; 0 for no limit."""
    showing: Showing = field(default_factory=Showing)
    """What is done to the images of the training."""
    label_smoothing: float = 0.0
    """Share of each label that is spread evenly over all classes."""
    class_weights: float = 0.0
    """Exponent e of the classes' weights, frequency⁻ᵉ; 0: none is weighed."""
    keep_best: bool = False
    """End with the weights of the epoch that was judged best, not with the last ones."""
    channels_last: bool = False
    """Keep images and weights with their channels last in memory, which most convolutions run faster on."""
