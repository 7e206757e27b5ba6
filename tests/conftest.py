"""Third parties are imported once, in the order that works, before any test."""

from mobilekit.runtime.coreml_reference.loader import quiet_coremltools

quiet_coremltools()
