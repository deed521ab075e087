"""What this machine has: versions and devices, for the record of a run and for ``cmda doctor``."""

from __future__ import annotations

import os
import platform
import shutil
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cmda_core.registry import Registry
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


def machine_facts(registry: Registry) -> dict[str, object]:
    """What this machine has and what is missing, under names for people.

    Memory and disk are in GiB; the disk is that of the working directory.
    """
    offers = registry.offers()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": package_versions(),
        "devices": _devices(),
        "cores": os.cpu_count(),
        "free memory GiB": _free_memory(),
        "free shared memory GiB": _free_space(Path("/dev/shm")),  # noqa: S108  # only its size is read
        "free disk GiB": _free_space(Path.cwd()),
        "VGG19 weights": _vgg_weights(),
        "plugins": [f"{kind}/{name}" for kind, by_name in offers.items() for name in by_name],
        "broken plugins": {name: str(error) for name, error in registry.broken.items()},
    }


def _devices() -> list[str]:
    import torch

    found = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return [*found, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]


def _free_memory() -> float | None:
    with suppress(OSError, StopIteration):  # Linux counts what caches would give back
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return _gib(1024 * int(available.split()[1]))
    try:
        pages, size = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # not every system tells
        return None
    return _gib(pages * size)


def _free_space(folder: Path) -> float | None:
    return _gib(shutil.disk_usage(folder).free) if folder.is_dir() else None


def _gib(count: int) -> float:
    return round(count / 2**30, 1)


def _vgg_weights() -> str:
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    found = sorted(folder.glob("vgg19-*.pth"))
    return str(found[0]) if found else f"not found in {folder}"
