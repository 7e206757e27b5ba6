"""What a person asked for, and what it comes to once the recipe or the network is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import ModelError
from mobilekit.core.quantization_plan import as_planned
from mobilekit.core.targets import Target, base_of, format_of, quantization_of, quantized
from mobilekit.core.tensors import TensorSpec
from mobilekit.data.catalog import DataConfig
from mobilekit.nets.saved import is_saved
from mobilekit.nets.shipped import meant

if TYPE_CHECKING:
    from mobilekit.nets.sources import Source
    from mobilekit.recipe import Recipe

DEFAULT_OUT = Path("build")


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One export. `targets` empty means: the recipe's, else `default_targets`."""

    reference: str
    targets: tuple[Target, ...] = ()
    default_targets: tuple[Target, ...] = ()
    out: Path | None = None
    inputs: tuple[TensorSpec, ...] = ()
    arguments: dict[str, str] = {}
    weights: Path | None = None
    normalization: Normalization | None = None
    labels: tuple[str, ...] = ()
    images: Path | None = None
    image_count: int = 8
    calibrate: Path | None = None
    """Folder of images that ranges of activations come from; the recipe's data or bundled ones else."""
    calibrate_count: int = 64
    data: "DataConfig | None" = None
    """Labelled images that the network's and the files' answers are judged on; a recipe's else."""
    data_count: int = 256
    """Images of `data`, at most; a recipe says it of its own data."""
    metadata: dict[str, str] = {}
    threads: int = 1
    runs: int = 50
    seed: int = 0
    debug: bool = False
    flags: dict[str, Any] = {}
    """For Lightning's Trainer, where a recipe trains: accelerator, devices, precision, ..."""
    resume: bool = False
    """Go on with a training that was stopped."""
    cache: Path | None = None
    """Folder where the images of a recipe's data are kept in shards."""
    recipe: "Recipe | None" = None
    """Instead of one that the reference names."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A request with its recipe resolved; building it needs no torch."""

    request: ExportRequest
    targets: tuple[Target, ...]
    seed: int
    recipe_digest: str = ""
    recipe_name: str = ""
    steps: tuple[dict[str, Any], ...] = ()
    data: "DataConfig | None" = None
    """The data set's configuration (`mobilekit.data.catalog.DataConfig`) when a recipe gives one."""
    judged: "tuple[DataConfig, ...]" = ()
    """Further ones that answers are judged on."""
    judged_images: int = 1000
    config: object | None = None
    """The net's configuration (`mobilekit.nets.catalog.NetConfig`) when a recipe gives it."""

    def digest_until(self, count: int) -> str:
        """Return the digest of what the network is made of after its first steps."""
        from mobilekit.recipe import digest_until

        return digest_until(self.config, self.data, self.seed, self.steps[:count])

    def load(self) -> "Source":
        """Build the network with its weights (this imports torch)."""
        from mobilekit.nets import sources

        request = self.request
        if self.config is not None:
            config: Any = self.config
            source = sources.load_config(
                config,
                name=self.recipe_name,
                arguments=request.arguments,
                weights=request.weights,
                seed=self.seed,
            )
            if source.weights == "seeded" and any(step["kind"] == "train" for step in self.steps):
                source = sources.to_train(source, config, request.arguments, self.seed)
            return source
        return sources.load_source(
            request.reference,
            arguments=request.arguments,
            weights=request.weights,
            inputs=request.inputs,
            seed=self.seed,
        )


def resolve(request: ExportRequest) -> Plan:
    """Find out whether the reference is a recipe, and take its targets, net and seed.

    A trained network that ships brings the data that it was trained on, where they are drawn.

    Raises:
        ModelError: the reference is a path that does not exist.
        RecipeError: the recipe is wrong.
    """
    path = Path(request.reference)
    if request.recipe or (path.is_dir() and not is_saved(path)) or path.suffix == ".toml":
        if not path.exists():
            raise ModelError(f"{path}: no such file")
        from mobilekit.compress.steps.quantize import step_among
        from mobilekit.recipe import read_recipe

        recipe = request.recipe or read_recipe(path)
        step = step_among(recipe.steps)
        targets = as_planned(request.targets or recipe.targets, step.wanted if step else None)
        return Plan(
            request=request,
            targets=targets if request.targets else with_variants(targets, request.default_targets),
            seed=request.seed or recipe.seed,
            recipe_digest=recipe.digest,
            recipe_name=recipe.name,
            config=recipe.net,
            steps=recipe.steps,
            data=recipe.data,
            judged=recipe.judged,
            judged_images=recipe.judged_images,
        )
    trained = meant(request.reference, request.arguments) if request.weights is None else None
    return Plan(
        request=request,
        targets=request.targets or request.default_targets,
        seed=request.seed,
        data=trained.data if trained and "size" not in request.arguments else None,
        judged_images=request.data_count,
    )


def with_variants(targets: tuple[Target, ...], asked: tuple[Target, ...]) -> tuple[Target, ...]:
    """Add to a recipe's targets the quantized files that a command line asks for.

    Args:
        targets: the recipe's.
        asked: of the command line; only what they quantize counts.
    """
    found: list[Target] = []
    for target in targets:
        found.append(target)
        for one in asked:
            wanted = quantization_of(one)
            if wanted is not None and format_of(one) == format_of(target):
                found.append(quantized(base_of(target), wanted))
    return tuple(one for index, one in enumerate(found) if one not in found[:index])
