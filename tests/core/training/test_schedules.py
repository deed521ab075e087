import pytest
import torch

from cmda_core.training.schedules import schedule


def _rates(name: str, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    plan = schedule(optimizer, name, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        plan.step()
    return [*rates, optimizer.param_groups[0]["lr"]]


def test_constant() -> None:
    assert _rates("constant", 4) == [2e-4] * 5


def test_linear_falls_in_the_second_half() -> None:
    assert _rates("linear", 8) == pytest.approx([2e-4] * 5 + [1.5e-4, 1e-4, 0.5e-4, 0])


def test_polynomial_ends_at_a_twentieth() -> None:
    rates = _rates("polynomial", 10)
    assert rates[5] == pytest.approx(1e-5 + 1.9e-4 * 0.5**0.9)
    assert rates[-1] == pytest.approx(1e-5)
