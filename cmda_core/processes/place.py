"""Where a process stands among those that share a training, and what launchers say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_SLURM = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES")
_FIRST_PORT, _PORTS = 15000, 15000


@dataclass(frozen=True, slots=True)
class Place:
    """Of one process.

    Attributes:
        rank: Its number among all; 0 leads.
        size: Number of all.
        local_rank: Its number among those of its machine, and that of its device.
        local_size: Number of those of its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether it runs the pipeline, and writes."""
        return self.rank == 0

    @property
    def nodes(self) -> int:
        """Number of machines."""
        return self.size // self.local_size


@dataclass(frozen=True, slots=True)
class Launch:
    """A place, and where the processes meet.

    Attributes:
        place: Of this process.
        address: Of the machine where they meet.
        port: On it.
        serves: Whether the leader opens the port; otherwise the launcher has done so.
        prefix: Tells this launch from others that meet in the same place.
    """

    place: Place
    address: str
    port: int
    serves: bool = True
    prefix: str = "cmda"


def launched(environment: Mapping[str, str]) -> Launch | None:
    """What a launcher of several processes has left in the environment; nothing if there was none.

    Args:
        environment: Variables of ``torchrun`` (and of launchers that set the same), or of ``srun``.
    """
    if all(name in environment for name in _TORCHRUN):
        found = _torchrun(environment)
    elif all(name in environment for name in _SLURM):
        found = _slurm(environment)
    else:
        return None
    return found if found.place.size > 1 else None


def forget_launch(environment: MutableMapping[str, str]) -> None:
    """Take a launch out of the environment, lest workers that inherit it be taken for its processes."""
    for name in (*_TORCHRUN, *_SLURM):
        environment.pop(name, None)


def _torchrun(environment: Mapping[str, str]) -> Launch:
    rank, size, local_rank, local_size = (int(environment[name]) for name in _TORCHRUN[:4])
    return Launch(
        Place(rank, size, local_rank, local_size),
        environment["MASTER_ADDR"],
        int(environment["MASTER_PORT"]),
        serves=environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
        prefix=f"cmda/{environment.get('TORCHELASTIC_RESTART_COUNT', 0)}",
    )


def _slurm(environment: Mapping[str, str]) -> Launch:
    rank, local_rank, size, nodes = (int(environment[name]) for name in _SLURM)
    # Two steps of one job may run at the same time.
    number = 16 * int(environment.get("SLURM_JOB_ID", 0)) + int(environment.get("SLURM_STEP_ID", 0))
    return Launch(
        Place(rank, size, local_rank, max(1, size // nodes)),
        environment.get("MASTER_ADDR") or first_host(environment.get("SLURM_STEP_NODELIST", "127.0.0.1")),
        int(environment.get("MASTER_PORT") or _FIRST_PORT + number % _PORTS),
    )


def first_host(hosts: str) -> str:
    """The first of a list as SLURM writes it: ``gpu[07-09,12],fat1`` begins with ``gpu07``."""
    found = re.match(r"([^\[,\s]+)(?:\[([^\],-]+)[^\]]*\])?", hosts)
    return "127.0.0.1" if found is None else found[1] + (found[2] or "")
