"""Which form each layer is asked to have: the file's own, or that of the last pattern it matches."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from mobilekit.core.errors import RecipeError, suggestion
from mobilekit.core.quantization import FLOAT, Form, Quantization, parse
from mobilekit.core.support import Place, require


def asked(
    quantization: Quantization, names: Sequence[str], place: Place, minimum_os: str = "ios18"
) -> list[Form | None]:
    """Return the form of each layer; None for those that stay as they are.

    Raises:
        RecipeError: no such form, the format cannot hold it, or a pattern matches no layer.
    """
    default = parse(quantization.form)
    require(default, place, minimum_os)
    rules: list[tuple[str, Form | None]] = []
    for pattern, words in quantization.layers.items():
        form = None if words.strip().lower() == FLOAT else parse(words)
        if form is not None:
            require(form, place, minimum_os)
        if not any(fnmatchcase(name, pattern) for name in names):
            raise RecipeError(
                f"quantize: layers: no layer with weights is called {pattern!r}."
                f"{suggestion(pattern, names)}"
            )
        rules.append((pattern, form))
    return [
        next((form for pattern, form in reversed(rules) if fnmatchcase(name, pattern)), default)
        for name in names
    ]
