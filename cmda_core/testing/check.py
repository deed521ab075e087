"""A check: one promise of a protocol, bound to one plugin, and what came of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal
from unittest import SkipTest

from cmda_core.errors import CmdaError, ContractError
from cmda_core.progress import Progress, Silent

Rule = Callable[[Any], None]
"""Raises if the subject of a check breaks the promise that is the first line of the docstring."""

Verdict = Literal["kept", "broken", "skipped"]


class BrokenPromiseError(ContractError):
    """One promise is broken.

    Args:
        seen: What was seen, as a sentence.
        mend: What to do about it, as a sentence.
    """

    def __init__(self, seen: str, mend: str) -> None:
        super().__init__(f"{seen} {mend}")
        self.seen = seen
        self.mend = mend


def expect(kept: bool, seen: str, mend: str) -> None:
    """Raise BrokenPromiseError unless ``kept``."""
    # Not an assert statement: these checks must hold under python -O too.
    if not kept:
        raise BrokenPromiseError(seen, mend)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check.

    Attributes:
        rule: Name of the check.
        promise: What the plugin promises, as a sentence.
        verdict: ``kept``, ``broken`` or ``skipped``.
        seen: What was seen if it is broken, the reason if it was skipped; else empty.
        mend: What to do if it is broken; else empty.
        seconds: How long the check took.
    """

    rule: str
    promise: str
    verdict: Verdict
    seen: str
    mend: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Check:
    """One promise of one plugin.

    Attributes:
        rule: Does the work.
        subject: The plugin under check.
        excuse: Why the promise is expected to be broken; empty if it is to be kept.
    """

    rule: Rule
    subject: Any
    excuse: str = ""

    @property
    def name(self) -> str:
        """Name of the rule."""
        return str(self.rule.__name__)

    @property
    def promise(self) -> str:
        """What the plugin promises, as a sentence."""
        return (self.rule.__doc__ or "").strip().splitlines()[0]

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> None:
        """Do the check.

        Raises:
            ContractError: If the promise is broken; or kept, though an excuse says that it is not.
            SkipTest: If it cannot be checked here, or is broken as the excuse says; pytest and
                unittest count that as skipped.
        """
        outcome, error = self._result()
        if outcome.verdict == "broken":
            raise ContractError(f"{self.subject.offer.name} breaks {describe(outcome)}") from error
        if outcome.verdict == "skipped":
            raise SkipTest(outcome.seen)

    def outcome(self) -> Outcome:
        """Do the check and tell what came of it."""
        return self._result()[0]

    def _result(self) -> tuple[Outcome, Exception | None]:
        started = perf_counter()
        verdict: Verdict = "kept"
        seen = mend = ""
        raised: Exception | None = None
        try:
            self.rule(self.subject)
        except SkipTest as reason:
            verdict, seen = "skipped", str(reason)
        except Exception as error:  # noqa: BLE001  # whatever the plugin raises is its answer
            raised = error
            verdict, seen, mend = "broken", *_explained(error)
        if self.excuse and verdict == "broken":
            verdict, seen, mend = "skipped", f"expected to be broken: {self.excuse}", ""
        elif self.excuse and verdict == "kept":
            verdict, seen = "broken", f"The promise is kept, though expected to be broken ({self.excuse})."
            mend = "Take the rule off expected_failures."
        return Outcome(self.name, self.promise, verdict, seen, mend, perf_counter() - started), raised


def describe(outcome: Outcome) -> str:
    """A broken promise in one line: the rule, what was seen, how to mend it."""
    return f"{outcome.rule}: {outcome.seen} {outcome.mend}".rstrip()


def make_checks(rules: Sequence[Rule], subject: Any, expected_failures: Mapping[str, str]) -> list[Check]:
    """Bind rules to a subject.

    Raises:
        ContractError: If ``expected_failures`` names a rule that there is not.
    """
    names = [str(rule.__name__) for rule in rules]
    if unknown := expected_failures.keys() - set(names):
        raise ContractError(
            f"expected_failures: no rule is called {', '.join(sorted(unknown))}. "
            f"The rules: {', '.join(names)}."
        )
    return [
        Check(rule, subject, expected_failures.get(name, "")) for rule, name in zip(rules, names, strict=True)
    ]


def run_checks(
    checks: Sequence[Check], progress: Progress | None = None, description: str = "check"
) -> list[Outcome]:
    """Do all checks, whatever comes of each."""
    outcomes = []
    with (progress or Silent()).task(description, len(checks)) as advance:
        for check in checks:
            outcomes.append(check.outcome())
            advance(1)
    return outcomes


def require_kept(name: str, outcomes: Iterable[Outcome]) -> None:
    """Refuse a plugin with broken promises.

    Raises:
        ContractError: With every broken promise of the plugin ``name``.
    """
    broken = [f"  {describe(outcome)}" for outcome in outcomes if outcome.verdict == "broken"]
    if broken:
        raise ContractError("\n".join([f"{name} breaks its contract:", *broken]))


def _explained(error: Exception) -> tuple[str, str]:
    if isinstance(error, BrokenPromiseError):
        return error.seen, error.mend
    message = " ".join(str(error).split())
    if isinstance(error, CmdaError):
        return f"It raised {type(error).__name__}: {message}", ""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"It raised {type(error).__name__}: {message}", f"See {Path(place.filename).name}:{place.lineno}."
