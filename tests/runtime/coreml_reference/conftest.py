"""Packages made by coremltools' builder and saved, so that each test goes through a real file."""

import gc
import warnings

import pytest

from mobilekit.runtime.coreml_reference.loader import quiet_coremltools


@pytest.fixture
def saved(tmp_path):
    """Save a program or a module as a package; returns its path."""
    quiet_coremltools()
    import coremltools as ct

    def save(source, target="iOS17", precision="FLOAT32", name="model", **options):
        path = tmp_path / f"{name}.mlpackage"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # coremltools' own, and its temporary folders
            model = ct.convert(
                source,
                convert_to="mlprogram",
                minimum_deployment_target=getattr(ct.target, target),
                compute_precision=getattr(ct.precision, precision),
                skip_model_load=True,
                **options,
            )
            model.save(str(path))
            del model
            gc.collect()
        return path

    return save
