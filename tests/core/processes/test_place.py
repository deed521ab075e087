"""What the variables of launchers say of a process."""

from __future__ import annotations

import pytest

from cmda_core.processes.place import Launch, Place, first_host, forget_launch, launched

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "gpu07",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RESTART_COUNT": "2",
}
SLURM = {
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_JOB_ID": "1000",
    "SLURM_STEP_ID": "3",
}


def test_torchrun() -> None:
    assert launched(TORCHRUN) == Launch(Place(5, 8, 1, 4), "gpu07", 29500, serves=False, prefix="cmda/2")
    assert Place(5, 8, 1, 4).nodes == 2


def test_srun() -> None:
    assert launched(SLURM) == Launch(Place(5, 8, 1, 4), "gpu07", 15000 + (16 * 1000 + 3) % 15000)
    chosen = launched({**SLURM, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "1234"})
    assert chosen is not None
    assert (chosen.address, chosen.port) == ("10.0.0.1", 1234)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"},  # sbatch alone
        {**SLURM, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},
        {**TORCHRUN, "WORLD_SIZE": "1", "RANK": "0"},
        {"RANK": "1", "WORLD_SIZE": "2"},
    ],
)
def test_a_process_alone(environment: dict[str, str]) -> None:
    assert launched(environment) is None


def test_a_forgotten_launch_is_not_found_again() -> None:
    environment = {**TORCHRUN, **SLURM, "HOME": "/home/anna"}
    forget_launch(environment)
    assert launched(environment) is None
    assert environment["HOME"] == "/home/anna"


@pytest.mark.parametrize(
    ("hosts", "first"),
    [
        ("gpu07", "gpu07"),
        ("gpu[07-09,12],fat1", "gpu07"),
        ("gpu[3,5]", "gpu3"),
        ("a.b-c1,d2", "a.b-c1"),
        ("", "127.0.0.1"),
    ],
)
def test_first_host(hosts: str, first: str) -> None:
    assert first_host(hosts) == first
