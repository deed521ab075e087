"""Joins processes into a group of torch.distributed, and gives them a Fabric that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment

from cmda_core.processes.place import Place
from cmda_core.schema import Runtime

STEP_TIMEOUT = timedelta(minutes=30)
"""A training in which one process waits longer for another has failed."""


class PlacedEnvironment(ClusterEnvironment):
    """Tells Fabric the place of a process whose group is joined already.

    Args:
        place: Of this process.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    @property
    def creates_processes_externally(self) -> bool:
        """True: Fabric starts none."""
        return True

    @property
    def main_address(self) -> str:
        """Not used, because the group is joined already."""
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        """Not used, because the group is joined already."""
        return 0

    @staticmethod
    def detect() -> bool:
        """False: it is always given."""
        return False

    def world_size(self) -> int:
        """Number of all processes."""
        return self._place.size

    def set_world_size(self, size: int) -> None:
        """Do nothing: it is known."""

    def global_rank(self) -> int:
        """Number of this process."""
        return self._place.rank

    def set_global_rank(self, rank: int) -> None:
        """Do nothing: it is known."""

    def local_rank(self) -> int:
        """Number of this process on its machine."""
        return self._place.local_rank

    def node_rank(self) -> int:
        """Number of its machine."""
        return self._place.rank // self._place.local_size


def placed_fabric(runtime: Runtime, place: Place) -> Fabric:
    """A launched Fabric: of one device, or of one of those that share a training.

    Args:
        runtime: Device, precision, threads, algorithms.
        place: Of this process; its group is joined if it is not alone.
    """
    import torch

    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    if runtime.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    together = place.size > 1
    fabric = Fabric(
        accelerator=runtime.device,
        devices=place.local_size,
        num_nodes=place.nodes,
        strategy="ddp" if together else "auto",
        precision=runtime.precision,
        plugins=[PlacedEnvironment(place)] if together else None,
    )
    fabric.launch()
    return fabric


@contextmanager
def joined(place: Place, store: Any, device: str) -> Iterator[None]:
    """A process group for as long as the block runs.

    Args:
        place: Of this process.
        store: Of torch.distributed, where the processes meet; of this group alone.
        device: ``cuda`` or ``cpu``.
    """
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(
        backend, store=store, rank=place.rank, world_size=place.size, timeout=STEP_TIMEOUT
    )
    try:
        yield
    finally:
        dist.destroy_process_group()
