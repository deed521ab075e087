"""The promises of `cmda_core.protocols` as checks that a plugin's own tests run.

One test per promise, in a plugin's test file::

    @pytest.mark.parametrize("check", translator_checks(OFFER), ids=str)
    def test_contract(check: Check) -> None:
        check()

all at once, without pytest: ``check_translator(OFFER)``; or in a shell: ``cmda plugins check NAME``.
The kit makes its own cohorts and trains with the offer's ``tiny`` settings.
"""

from cmda_core.errors import ContractError
from cmda_core.testing.by_name import Report, check_installed
from cmda_core.testing.check import Check, Outcome, run_checks
from cmda_core.testing.doors import (
    check_grader,
    check_preprocessor,
    check_segmenter,
    check_translator,
    checks_of,
    grader_checks,
    preprocessor_checks,
    rules_by_kind,
    segmenter_checks,
    translator_checks,
)

__all__ = [
    "Check",
    "ContractError",
    "Outcome",
    "Report",
    "check_grader",
    "check_installed",
    "check_preprocessor",
    "check_segmenter",
    "check_translator",
    "checks_of",
    "grader_checks",
    "preprocessor_checks",
    "rules_by_kind",
    "run_checks",
    "segmenter_checks",
    "translator_checks",
]
