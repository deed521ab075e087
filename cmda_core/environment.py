"""What this machine has: versions and devices, for the record of a run and for ``cmda doctor``."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from cmda_core.schema import Runtime

PACKAGES = ("cmda", "torch", "torchvision", "lightning", "nnunetv2", "SimpleITK", "numpy", "scikit-learn")


def package_versions() -> dict[str, str]:
    """Versions of the packages that results depend on; ``missing`` where one is not installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def environment_facts(runtime: Runtime) -> dict[str, object]:
    """Versions, platform and runtime settings, to be written beside results."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": package_versions(),
        "runtime": runtime.model_dump(mode="json"),
    }
