"""The only part that knows the order of the stages: load, trace, convert, verify, measure, write."""

from mobilekit.pipeline.exporting import export
from mobilekit.pipeline.inspecting import Inspection, inspect
from mobilekit.pipeline.profiling import Profile, profile
from mobilekit.pipeline.request import ExportRequest
from mobilekit.pipeline.verifying import Verification, verify

__all__ = [
    "ExportRequest",
    "Inspection",
    "Profile",
    "Verification",
    "export",
    "inspect",
    "profile",
    "verify",
]
