from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cmda_core.protocols import GradingCase
from cmda_koosnet.sampling import (
    epoch_steps,
    graded_groups,
    mirror_draws,
    pooled_batch,
    stratified_batch,
    ungraded_groups,
    without_fold,
)


def subjects(kinds: list[tuple[str, int | None]]) -> list[GradingCase]:
    return [
        GradingCase("a", f"p{number}", {}, Path(), real, grade) for number, (real, grade) in enumerate(kinds)
    ]


def test_a_pooled_epoch_visits_every_subject_and_no_batch_holds_one_twice() -> None:
    for count in (4, 10, 13):
        steps = epoch_steps(count, 4)
        for epoch in range(3):
            batches = [pooled_batch(range(count), 4, epoch * steps + step, seed=0) for step in range(steps)]
            assert {subject for batch in batches for subject in batch} == set(range(count))
            assert all(len(set(batch)) == 4 for batch in batches)


def test_a_pooled_batch_takes_all_where_there_are_few() -> None:
    assert sorted(pooled_batch([5, 6, 8], 4, 7, seed=0)) == [5, 6, 8]


def test_stratified_groups_go_round_each_at_its_own_pace() -> None:
    groups = [[0, 1], [2, 3, 4], [5]]
    batches = [stratified_batch(groups, step, seed=1) for step in range(6)]
    for number, group in enumerate(groups):
        drawn = [batch[number] for batch in batches]
        for start in range(0, 6, len(group)):
            assert sorted(drawn[start : start + len(group)]) == group


def test_draws_follow_from_seed_and_step() -> None:
    assert pooled_batch(range(9), 4, 5, seed=3) == pooled_batch(range(9), 4, 5, seed=3)
    assert mirror_draws(64, 5, seed=3) == mirror_draws(64, 5, seed=3)
    assert mirror_draws(64, 5, seed=3) != mirror_draws(64, 6, seed=3)
    assert 16 < sum(mirror_draws(64, 5, seed=3)) < 48


def test_groups() -> None:
    kinds = [("ceT1", 4), ("hrT2", None), ("ceT1", 1), ("ceT1", None), ("ceT1", 4)]
    cases = dict(enumerate(subjects(kinds)))
    assert graded_groups(cases) == [[2], [0, 4]]
    assert ungraded_groups(cases) == [[3], [1]]
    assert ungraded_groups({0: cases[0]}) == []


def test_folds_leave_out_all_scans_of_a_subject() -> None:
    kinds = [("ceT1", 1), ("ceT1", 2), ("ceT1", 1), ("ceT1", 2), ("ceT1", 2), ("hrT2", None)]
    people = ["anna", "anna", "bob", "carl", "carl", "bob"]
    cases = [replace(case, subject=who) for case, who in zip(subjects(kinds), people, strict=True)]
    for fold in range(2):
        kept = without_fold(cases, fold, 2, seed=0)
        assert {case.subject for case in kept.values()}.isdisjoint(
            case.subject for position, case in enumerate(cases) if position not in kept
        )


def test_folds_leave_out_each_graded_case_once_and_no_other() -> None:
    cases = subjects([("ceT1", grade) for grade in (1, 1, 1, 2, 2, 4, None)] + [("hrT2", None)])
    left_out = [set(range(8)) - set(without_fold(cases, fold, 3, seed=0)) for fold in range(3)]
    assert sorted(position for fold in left_out for position in fold) == [0, 1, 2, 3, 4]
    assert set(without_fold(cases, 0, 1, seed=0)) == set(range(8))
