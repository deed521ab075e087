"""What the proxy tasks predict: the task's structures, and the regions of the parcellation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cmda_core.errors import ConfigError
from cmda_core.schema import Cohort, Task
from cmda_core.training.slices import SliceBatch
from cmda_core.volumes import open_slices
from cmda_msfnet.config import MsfNetConfig

_LABEL_VALUES = 256  # prepared label maps are uint8
_MIDDLE = 1


class ProxyLabels:
    """Class numbers of the middle slice for each proxy task.

    Attributes:
        regions: Label values of the parcellation; their order gives the class numbers.
        classes: Number of classes of each proxy task, with background.

    Args:
        config: Names the proxy tasks.
        task: Structures of the ``vs`` task.
        regions: Label values of the parcellation; not used without the ``gif`` task.

    Raises:
        ConfigError: If the parcellation has more labels than ``gif_classes``.
    """

    def __init__(self, config: MsfNetConfig, task: Task, regions: Sequence[int]) -> None:
        self.regions = tuple(regions)
        count = config.gif_classes or len(self.regions)
        if len(self.regions) > count:
            raise ConfigError(
                f"gif_classes = {count}: the parcellations hold {len(self.regions)} labels. Raise it, or "
                "leave it out to count them."
            )
        known: dict[str, int] = {"vs": 1 + len(task.structures), "gif": count}
        self.classes: dict[str, int] = {name: known[name] for name in config.proxies}
        self._class_of = torch.zeros(_LABEL_VALUES, dtype=torch.long)
        self._class_of[list(self.regions)] = torch.arange(len(self.regions))

    def of(self, proxy: str, source: SliceBatch) -> Tensor:
        """Class numbers ``(N, H, W)`` of the middle slices.

        Raises:
            ConfigError: If the cases of the batch have no such labels.
        """
        labels = source.labels if proxy == "vs" else source.parcellation
        if labels is None:
            raise _missing(proxy)
        middle = labels[:, _MIDDLE]
        if proxy == "vs":
            return middle
        self._class_of = self._class_of.to(middle.device)  # once: the way to a device makes it wait
        return self._class_of[middle]


def find_regions(config: MsfNetConfig, cohort: Cohort) -> tuple[int, ...]:
    """List the labels of the parcellations.

    Returns:
        Label values in rising order; empty without the ``gif`` task.

    Raises:
        ConfigError: If a case has no labels for a proxy task.
    """
    require_labels(config, cohort)
    if "gif" not in config.proxies:
        return ()
    present = np.zeros(_LABEL_VALUES, dtype=bool)
    for parcellation in (case.parcellation for case in cohort if case.parcellation is not None):
        present[np.unique(open_slices(parcellation)[0])] = True
    return tuple(int(value) for value in np.flatnonzero(present))


def require_labels(config: MsfNetConfig, cohort: Cohort) -> None:
    """Check that all cases of the source cohort have the labels that the proxy tasks predict.

    Raises:
        ConfigError: If a case lacks some.
    """
    if "vs" in config.proxies and any(case.labels is None for case in cohort):
        raise _missing("vs")
    if "gif" in config.proxies and any(case.parcellation is None for case in cohort):
        raise _missing("gif")


def _missing(proxy: str) -> ConfigError:
    needed = "labels" if proxy == "vs" else "parcellations"
    return ConfigError(
        f"proxies = [..., {proxy!r}]: not all cases of the source cohort have {needed}. Add them, or take "
        f"{proxy!r} out of proxies."
    )
