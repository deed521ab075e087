"""The ways into the contract kit: a list of checks, all at once, or by the name of a plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmda_core.hookspecs import GraderOffer, Offer, PreprocessorOffer, SegmenterOffer, TranslatorOffer
from cmda_core.registry import Kind
from cmda_core.schema import PluginConfig, Task
from cmda_core.testing.check import Check, Rule, make_checks, require_kept, run_checks
from cmda_core.testing.rules.grader import GRADER, GraderSubject
from cmda_core.testing.rules.ignoring import IGNORING
from cmda_core.testing.rules.preprocessor import PREPROCESSOR, PreprocessorSubject
from cmda_core.testing.rules.segmenter import SEGMENTER, SegmenterSubject
from cmda_core.testing.rules.translator import TRANSLATOR, TranslatorSubject, translator_rules

Settings = PluginConfig | Mapping[str, object] | None
"""Small settings to check with; the offer's ``tiny`` if left out."""

Excuses = Mapping[str, str] | None
"""Reason by rule, for promises that a method cannot keep. One that is kept after all is an error."""


def translator_checks(
    offer: TranslatorOffer,
    config: Settings = None,
    task: Task | None = None,
    *,
    expected_failures: Excuses = None,
) -> list[Check]:
    """The checks of a translator, for ``pytest.mark.parametrize``.

    Args:
        offer: What the plugin's hook returns.
        config: Settings with which it trains in seconds; the offer's ``tiny`` if left out.
        task: Modalities and structures; ceT1 and hrT2 if left out.
        expected_failures: Reason by name of the rule that the method cannot keep.

    Raises:
        ConfigError: If the settings do not fit the offer's model.
        ContractError: If ``expected_failures`` names a rule that there is not.
    """
    subject = TranslatorSubject(offer, config, task)
    return make_checks(translator_rules(subject), subject, expected_failures or {})


def segmenter_checks(
    offer: SegmenterOffer,
    config: Settings = None,
    task: Task | None = None,
    *,
    expected_failures: Excuses = None,
) -> list[Check]:
    """The checks of a segmenter; see `translator_checks`."""
    rules = (*SEGMENTER, *IGNORING) if offer.ignores_voxels else SEGMENTER
    return make_checks(rules, SegmenterSubject(offer, config, task), expected_failures or {})


def grader_checks(
    offer: GraderOffer,
    config: Settings = None,
    task: Task | None = None,
    *,
    expected_failures: Excuses = None,
) -> list[Check]:
    """The checks of a grader; see `translator_checks`."""
    return make_checks(GRADER, GraderSubject(offer, config, task), expected_failures or {})


def preprocessor_checks(
    offer: PreprocessorOffer,
    config: Settings = None,
    task: Task | None = None,
    *,
    expected_failures: Excuses = None,
) -> list[Check]:
    """The checks of a preprocessor; see `translator_checks`."""
    return make_checks(PREPROCESSOR, PreprocessorSubject(offer, config, task), expected_failures or {})


def checks_of(offer: Offer, config: Settings = None, task: Task | None = None) -> list[Check]:
    """The checks of an offer of any kind; see `translator_checks`."""
    if isinstance(offer, TranslatorOffer):
        return translator_checks(offer, config, task)
    if isinstance(offer, SegmenterOffer):
        return segmenter_checks(offer, config, task)
    if isinstance(offer, GraderOffer):
        return grader_checks(offer, config, task)
    if isinstance(offer, PreprocessorOffer):
        return preprocessor_checks(offer, config, task)
    raise TypeError(f"expected an offer, got {type(offer).__name__}")


def rules_by_kind() -> dict[Kind, dict[str, str]]:
    """Every rule and its promise, by kind."""
    kinds: dict[Kind, tuple[Rule, ...]] = {
        "preprocessor": PREPROCESSOR,
        "translator": TRANSLATOR,
        "segmenter": (*SEGMENTER, *IGNORING),
        "grader": GRADER,
    }
    return {
        kind: {check.name: check.promise for check in make_checks(rules, None, {})}
        for kind, rules in kinds.items()
    }


def check_translator(
    offer: TranslatorOffer,
    config: Settings = None,
    task: Task | None = None,
    *,
    expected_failures: Excuses = None,
) -> None:
    """Do all checks of a translator; see `translator_checks`.

    Raises:
        ContractError: With every broken promise: the rule, what was seen, how to mend it.
    """
    _check_all(offer, translator_checks(offer, config, task, expected_failures=expected_failures))


def check_segmenter(
    offer: SegmenterOffer,
    config: Settings = None,
    task: Task | None = None,
    *,
    expected_failures: Excuses = None,
) -> None:
    """Do all checks of a segmenter; see `check_translator`."""
    _check_all(offer, segmenter_checks(offer, config, task, expected_failures=expected_failures))


def check_grader(
    offer: GraderOffer,
    config: Settings = None,
    task: Task | None = None,
    *,
    expected_failures: Excuses = None,
) -> None:
    """Do all checks of a grader; see `check_translator`."""
    _check_all(offer, grader_checks(offer, config, task, expected_failures=expected_failures))


def check_preprocessor(
    offer: PreprocessorOffer,
    config: Settings = None,
    task: Task | None = None,
    *,
    expected_failures: Excuses = None,
) -> None:
    """Do all checks of a preprocessor; see `check_translator`."""
    _check_all(offer, preprocessor_checks(offer, config, task, expected_failures=expected_failures))


def _check_all(offer: Offer, checks: Sequence[Check]) -> None:
    require_kept(offer.name, run_checks(checks))
