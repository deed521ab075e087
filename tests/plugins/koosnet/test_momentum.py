from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from cmda_core.protocols import GradingData
from cmda_core.run import Run
from cmda_core.schema import Task
from cmda_core.training.state import load_state
from cmda_koosnet import momentum
from cmda_koosnet.config import KoosNetConfig
from cmda_koosnet.momentum import rising_average
from cmda_koosnet.network import KeyQueue
from cmda_koosnet.plugin import build

MOCO = {"contrastive": "moco", "moco": {"momentum": 0.9, "queue": 20}}


def test_the_queue_holds_the_latest_keys() -> None:
    queue = KeyQueue(5, 2)
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(5))
    assert queue.owners.tolist() == [-1] * 5
    for first in (0, 3):
        numbers = torch.arange(first, first + 3)
        queue.push(numbers[:, None].repeat(1, 2).float(), numbers)
    assert queue.owners.tolist() == [3, 4, 5, 0, 1]
    assert queue.keys[:, 0].tolist() == [3, 4, 5, 0, 1]


def test_the_slow_encoder_follows_by_hand() -> None:
    fast = nn.BatchNorm1d(1)
    slow = AveragedModel(fast, multi_avg_fn=rising_average(0.5), use_buffers=True)
    expected = 0.0
    for number in range(12):
        value = float(number**2)
        fast.weight.data.fill_(value)
        fast.running_mean.fill_(2 * value)
        fast.num_batches_tracked.fill_(number)
        slow.update_parameters(fast)
        kept = min((1 + number) / (10 + number), 0.5) if number else 0.0
        expected = kept * expected + (1 - kept) * value
        assert slow.module.weight.item() == pytest.approx(expected, rel=1e-6)
        assert slow.module.running_mean.item() == pytest.approx(2 * expected, rel=1e-6)
        assert slow.module.num_batches_tracked.item() == number


def test_keys_are_the_other_modality_and_none_is_ones_own(
    data: GradingData,
    tiny: Callable[..., KoosNetConfig],
    run_in: Callable[[Path], Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loss, calls = momentum.info_nce, []

    def spy(queries: torch.Tensor, keys: torch.Tensor, *rest: object) -> torch.Tensor:
        calls.append((queries.detach(), keys, *rest))
        return loss(queries, keys, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(momentum, "info_nce", spy)
    build(tiny(**MOCO), Task()).fit(data, run_in(tmp_path))
    assert len(calls) == 2 * 6  # two epochs of 24 subjects, four at a time
    for queries, keys, queue, _, temperature in calls:
        assert queries.shape == keys.shape == (8, 4)
        assert queue.shape == (20, 4)
        assert not keys.requires_grad
        assert temperature == 0.2
    assert all(calls[0][3].all(dim=1))  # nobody's keys at first
    # What is pushed is the key of the view itself; its partner's stands N rows away.
    torch.testing.assert_close(calls[1][2][:8], calls[0][1].roll(4, 0))


def test_the_checkpoint_holds_queue_and_slow_encoder(
    data: GradingData,
    tiny: Callable[..., KoosNetConfig],
    run_in: Callable[[Path], Run],
    tmp_path: Path,
) -> None:
    build(tiny(**MOCO), Task()).fit(data, run_in(tmp_path))
    parts = load_state(tmp_path / "pretraining" / "checkpoint.safetensors")["parts"]["modules"]
    assert parts["queue"]["keys"].shape == (20, 4)
    assert set(parts["queue"]["owners"].tolist()) <= set(range(24))
    fast, slow = parts["net"]["head.layers.0.weight"], parts["slow"]["module.head.layers.0.weight"]
    assert not torch.equal(fast, slow)


def test_grades_are_not_learnt_from(
    data: GradingData,
    tiny: Callable[..., KoosNetConfig],
    run_in: Callable[[Path], Run],
    tmp_path: Path,
) -> None:
    turned = tuple(replace(case, grade=5 - case.grade if case.grade else None) for case in data.annotated)
    weights = []
    for name, some in (("a", data), ("b", replace(data, annotated=turned))):
        build(tiny(**MOCO), Task()).fit(some, run_in(tmp_path / name))
        state = load_state(tmp_path / name / "pretraining" / "checkpoint.safetensors")
        weights.append(state["parts"]["modules"]["net"])
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
