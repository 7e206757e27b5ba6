"""The only part that knows the order of the stages: load, compress, trace, convert, verify, measure, write."""

from mobilekit.pipeline.ablation import ablate, is_ablation
from mobilekit.pipeline.bundled import Bundles, check_bundles
from mobilekit.pipeline.bundling import arguments_for_apps, bundle, check_apps, targets_for_apps
from mobilekit.pipeline.compressing import Pruning, Specialization, prune, specialize
from mobilekit.pipeline.device_profiling import (
    DeviceProfile,
    DeviceProfileRequest,
    profile_on_device,
)
from mobilekit.pipeline.exporting import export
from mobilekit.pipeline.forgery import ForgeryRequest, ForgeryScore, detect_forgery
from mobilekit.pipeline.history import TrainingHistory, history
from mobilekit.pipeline.inspecting import Inspection, inspect
from mobilekit.pipeline.mixing import Mixed, Mixing, mix
from mobilekit.pipeline.parsing import ParseRequest, Parsing, parse
from mobilekit.pipeline.previewing import Preview, PreviewRequest, preview
from mobilekit.pipeline.profiling import Profile, ProfileRequest, profile
from mobilekit.pipeline.quantizing import quantize
from mobilekit.pipeline.reporting import Reporting, ReportRequest, report
from mobilekit.pipeline.request import ExportRequest
from mobilekit.pipeline.sensitivity import Sensitivity, SensitivityRequest, sensitivity
from mobilekit.pipeline.shipping import Shipping, ship
from mobilekit.pipeline.verifying import Verification, VerifyRequest, verify

__all__ = [
    "Bundles",
    "DeviceProfile",
    "DeviceProfileRequest",
    "ExportRequest",
    "ForgeryRequest",
    "ForgeryScore",
    "Inspection",
    "Mixed",
    "Mixing",
    "ParseRequest",
    "Parsing",
    "Preview",
    "PreviewRequest",
    "Profile",
    "ProfileRequest",
    "Pruning",
    "ReportRequest",
    "Reporting",
    "Sensitivity",
    "SensitivityRequest",
    "Shipping",
    "Specialization",
    "TrainingHistory",
    "Verification",
    "VerifyRequest",
    "ablate",
    "arguments_for_apps",
    "bundle",
    "check_apps",
    "check_bundles",
    "detect_forgery",
    "export",
    "history",
    "inspect",
    "is_ablation",
    "mix",
    "parse",
    "preview",
    "profile",
    "profile_on_device",
    "prune",
    "quantize",
    "report",
    "sensitivity",
    "ship",
    "specialize",
    "targets_for_apps",
    "verify",
]
