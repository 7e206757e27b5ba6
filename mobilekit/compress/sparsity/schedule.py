"""When: how the sparsity grows with the progress of training, both 0 to 1.

A schedule is a value without state: the share of the final sparsity that is due at a progress. It is 0
before `start` and 1 from `end` on, but for `dense_sparse_dense`, which ends dense.

Source: Hubens' thesis, section 4.2.4 and pseudo-codes 4.6 and 5.4 (`one_shot`, `iterative`, `gradual`,
`one_cycle`); `gradual` is Zhu and Gupta 2017, equation 1, as printed there: 1 − (1 − t)³. The thesis
prints β = 6 in one place and 5 in the other; 5 is the default here. `dense_sparse_dense` follows Han et
al. 2017, with half cosines both ways.
"""

import ast
import inspect
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from mobilekit.core.choices import CHOICES
from mobilekit.core.errors import RecipeError, suggestion

Share = Callable[[float], float]
"""From progress between start and end, 0–1, to the share of the final sparsity, 0–1."""


@dataclass(frozen=True)
class Schedule:
    """How the sparsity grows between two points of the training."""

    name: str
    share: Share = field(repr=False)
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end <= 1:
            raise RecipeError(
                f"schedule {self.name}: start and end are 0 <= start <= end <= 1, not {self.start} and"
                f" {self.end}"
            )

    def __call__(self, progress: float) -> float:
        """Return the share of the final sparsity that is due, 0–1.

        Args:
            progress: of the training, 0–1.

        Raises:
            RecipeError: the function of the user gives a share out of range.
        """
        if progress < self.start:
            return 0.0
        if progress >= self.end:
            share = self.share(1.0)
        else:
            share = self.share((progress - self.start) / (self.end - self.start))
        if not -1e-9 <= share <= 1 + 1e-9:  # NaN too
            raise RecipeError(
                f"schedule {self.name}: the share of the sparsity is in [0, 1], not {share} at {progress}"
            )
        return min(max(share, 0.0), 1.0)


def one_shot(start: float = 0.5, end: float = 1.0) -> Schedule:
    """Prune at once, at `start`.

    >>> one_shot()(0.49), one_shot()(0.5)
    (0.0, 1.0)
    """
    return Schedule("one_shot", lambda _: 1.0, start, end)


def iterative(n: int = 5, start: float = 0.2, end: float = 1.0) -> Schedule:
    """Prune in n equal steps, the first right after `start`.

    >>> [round(iterative(4, start=0.0)(t), 2) for t in (0, 0.1, 0.25, 0.3, 1)]
    [0.0, 0.25, 0.25, 0.5, 1.0]
    """
    if not (isinstance(n, int) and n >= 1):
        raise RecipeError(f"schedule iterative: n must be a whole number, at least 1, not {n}")
    # A progress that a float misses by little is on the step before.
    return Schedule("iterative", lambda t: math.ceil(t * n - 1e-9) / n, start, end)


def gradual(start: float = 0.2, end: float = 1.0) -> Schedule:
    """Prune fast first, then slower: 1 − (1 − t)³, "automated gradual pruning".

    >>> gradual(start=0.0)(0.5)
    0.875
    """
    return Schedule("gradual", lambda t: 1 - (1 - t) ** 3, start, end)


def one_cycle(
    alpha: float = 14.0, beta: float = 5.0, start: float = 0.0, end: float = 1.0
) -> Schedule:
    """Prune gently at both ends: (1 + e^(−α+β)) / (1 + e^(−αt+β)).

    >>> round(one_cycle()(5 / 14), 3), one_cycle()(1.0)  # half of it at t = β / α
    (0.5, 1.0)
    """
    if not (alpha > 0 and math.isfinite(alpha) and math.isfinite(beta)):
        raise RecipeError(f"schedule one_cycle: alpha must be above 0, not {alpha}")
    top = 1 + math.exp(min(beta - alpha, 700))
    return Schedule(
        "one_cycle",
        lambda t: min(top / (1 + math.exp(min(beta - alpha * t, 700))), 1.0),
        start,
        end,
    )


def cosine(start: float = 0.0, end: float = 1.0) -> Schedule:
    """Prune along half a cosine: (1 − cos πt) / 2.

    >>> round(cosine()(0.5), 9)
    0.5
    """
    return Schedule("cosine", lambda t: (1 - math.cos(math.pi * t)) / 2, start, end)


def linear(start: float = 0.0, end: float = 1.0) -> Schedule:
    """Prune evenly.

    >>> linear()(0.25)
    0.25
    """
    return Schedule("linear", lambda t: t, start, end)


def dense_sparse_dense(start: float = 0.0, end: float = 1.0) -> Schedule:
    """Prune until half-way, and let all weights grow again from zero: (1 − cos 2πt) / 2.

    >>> [round(dense_sparse_dense()(t), 9) for t in (0, 0.5, 1)]
    [0.0, 1.0, 0.0]
    """
    return Schedule("dense_sparse_dense", lambda t: (1 - math.cos(2 * math.pi * t)) / 2, start, end)


def custom(share: Share | str, start: float = 0.0, end: float = 1.0) -> Schedule:
    """Prune as a function of one's own says, a formula in t or any callable.

    Raises:
        RecipeError: a formula that is none, or whose value is not a share of 0–1 at some point.

    >>> custom("t ** 2")(0.5), custom(lambda t: t ** 2)(0.5)
    (0.25, 0.25)
    """
    made = Schedule("custom", formula(share) if isinstance(share, str) else share, start, end)
    if isinstance(share, str):
        for i in range(101):
            made(start + (end - start) * i / 100)
    return made


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    make.__name__: make
    for make in (
        one_shot, iterative, gradual, one_cycle, cosine, linear, dense_sparse_dense, custom,
    )
}  # fmt: skip


ScheduleName = Annotated[
    str,
    Meta(
        extra={
            CHOICES: tuple(
                f"{name} ({', '.join(inspect.signature(make).parameters)})"
                for name, make in SCHEDULES.items()
            )
        }
    ),
]


def schedule(kind: str, **options: Any) -> Schedule:
    """Make a schedule by its name.

    Raises:
        RecipeError: there is none of that name, it has no such option, or an option is of another type.

    >>> schedule("gradual", start=0.0)(1.0)
    1.0
    """
    if kind not in SCHEDULES:
        raise RecipeError(
            f"unknown schedule {kind!r}; there are {', '.join(SCHEDULES)}.{suggestion(kind, SCHEDULES)}"
        )
    known = inspect.signature(SCHEDULES[kind]).parameters
    for name, value in options.items():
        _check_option(kind, name, value, known)
    lacking = [
        name for name, one in known.items() if one.default is one.empty and name not in options
    ]
    if lacking:
        raise RecipeError(
            f"schedule {kind}: {lacking[0]} is missing; its options are {', '.join(known)}"
        )
    return SCHEDULES[kind](**options)


def _check_option(kind: str, name: str, value: object, known: Mapping[str, Any]) -> None:
    if name not in known:
        raise RecipeError(
            f"schedule {kind}: there is no option {name!r}; its options are {', '.join(known)}."
            f"{suggestion(name, known)}"
        )
    if name == "share":
        if not (isinstance(value, str) or callable(value)):
            raise RecipeError(
                f"schedule {kind}: share must be a formula in t, such as 't ** 2', not {value!r}"
            )
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(f"schedule {kind}: {name} must be a number, not {value!r}")


def formula(text: str) -> Share:
    """Read a formula in t: numbers, + − * / **, parentheses, and cos, exp, sin, sqrt, min, max, pi.

    Raises:
        RecipeError: anything else is in it, or it has no value at some of 101 points from 0 to 1.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        for i in range(101):
            _value(tree, i / 100)
    except (SyntaxError, ValueError, KeyError, ArithmeticError, TypeError) as problem:
        raise RecipeError(
            f"schedule custom: {text!r} is not a formula in t ({problem}); such as 1 - (1 - t) ** 3"
        ) from problem
    return lambda t: _value(tree, t)


_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "cos": math.cos, "sin": math.sin, "exp": math.exp, "sqrt": math.sqrt, "min": min, "max": max,
}  # fmt: skip


def _value(node: ast.AST, t: float) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id="t"):
            return t
        case ast.Name(id="pi"):
            return math.pi
        case ast.UnaryOp(op=sign, operand=operand):
            return _OPERATORS[type(sign)](_value(operand, t))
        case ast.BinOp(left=left, op=sign, right=right):
            result = _OPERATORS[type(sign)](_value(left, t), _value(right, t))
            return float(result)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _FUNCTIONS[name](*(_value(each, t) for each in arguments))
        case _:
            raise ValueError(f"{type(node).__name__} does not belong there")
