"""The only part that knows the order of the stages: load, compress, trace, convert, verify, measure, write."""

from mobilekit.pipeline.ablation import ablate, is_ablation
from mobilekit.pipeline.compressing import Pruning, Specialization, prune, specialize
from mobilekit.pipeline.exporting import export
from mobilekit.pipeline.history import TrainingHistory, history
from mobilekit.pipeline.inspecting import Inspection, inspect
from mobilekit.pipeline.mixing import Mixed, Mixing, mix
from mobilekit.pipeline.profiling import Profile, ProfileRequest, profile
from mobilekit.pipeline.quantizing import quantize
from mobilekit.pipeline.request import ExportRequest
from mobilekit.pipeline.sensitivity import Sensitivity, SensitivityRequest, sensitivity
from mobilekit.pipeline.shipping import Shipping, ship
from mobilekit.pipeline.verifying import Verification, VerifyRequest, verify

__all__ = [
    "ExportRequest",
    "Inspection",
    "Mixed",
    "Mixing",
    "Profile",
    "ProfileRequest",
    "Pruning",
    "Sensitivity",
    "SensitivityRequest",
    "Shipping",
    "Specialization",
    "TrainingHistory",
    "Verification",
    "VerifyRequest",
    "ablate",
    "export",
    "history",
    "inspect",
    "is_ablation",
    "mix",
    "profile",
    "prune",
    "quantize",
    "sensitivity",
    "ship",
    "specialize",
    "verify",
]
