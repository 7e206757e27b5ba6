"""Puts the trained networks of `models/` into the package; all else is said in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithModels(build_py):
    """Copies recipes and weights of networks that ship trained."""

    def run(self) -> None:
        """Build, and copy."""
        super().run()
        if self.editable_mode:
            return
        for weights in Path("models").glob("*/weights.safetensors"):
            place = Path(self.build_lib, "mobilekit", "models", weights.parent.name)
            place.mkdir(parents=True, exist_ok=True)
            for file in (weights, weights.with_name("recipe.toml")):
                shutil.copy(file, place)


setup(cmdclass={"build_py": WithModels})
