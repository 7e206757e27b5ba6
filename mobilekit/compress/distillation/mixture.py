"""How the losses come together: L = β · (α · L_l + (1 − α) · L_f) + (1 − β) · L_c.

Equation 2.4 of Hubens' thesis: L_l compares logits, L_f features, L_c is the loss of the task.
"""

from dataclasses import dataclass

from torch import Tensor

from mobilekit.core.errors import RecipeError


@dataclass(frozen=True)
class Mixture:
    """The weights of the three losses."""

    alpha: float = 1.0
    """Share of the logits in what the teacher says, 0–1; 1: no features."""
    beta: float = 0.5
    """Share of the teacher, 0–1; 0: the task alone."""

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0 <= value <= 1:
                raise RecipeError(f"distillation: {name} must be in [0, 1], not {value}")

    @property
    def weights(self) -> tuple[float, float, float]:
        """Weights of logits, features and task; their sum is 1.

        >>> Mixture(alpha=0.75, beta=0.5).weights
        (0.375, 0.125, 0.5)
        """
        return self.beta * self.alpha, self.beta * (1 - self.alpha), 1 - self.beta


def mixed(
    mixture: Mixture, task: Tensor, logits: Tensor | None = None, features: Tensor | None = None
) -> Tensor:
    """Add the three losses; one whose weight is 0 is not looked at.

    Args:
        mixture: the weights.
        task: L_c, shape `[]`.
        logits: L_l, shape `[]`.
        features: L_f, shape `[]`; of several pairs of layers, their sum.

    Returns:
        Shape `[]`.

    Raises:
        RecipeError: a loss with a weight is missing.

    >>> import torch
    >>> one, two, four = torch.tensor(1.0), torch.tensor(2.0), torch.tensor(4.0)
    >>> mixed(Mixture(alpha=0.75, beta=0.5), one, two, four)  # 0.5 + 0.75 + 0.5
    tensor(1.7500)
    """
    parts = []
    for name, weight, loss in zip(
        ("logits", "features", "task"), mixture.weights, (logits, features, task), strict=True
    ):
        if weight > 0:
            if loss is None:
                raise RecipeError(
                    f"distillation: alpha {mixture.alpha} and beta {mixture.beta} weigh a loss of "
                    f"{name}, but there is none"
                )
            parts.append(weight * loss)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
