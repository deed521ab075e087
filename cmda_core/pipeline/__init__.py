"""From raw scans to a report: the run folder, its stages, and trained chains at work."""

from cmda_core.pipeline.demo import run_demo
from cmda_core.pipeline.experiments import load_experiment, preset_names
from cmda_core.pipeline.plan import STAGES, StageName
from cmda_core.pipeline.runner import RunSummary, run_experiment

__all__ = [
    "STAGES",
    "RunSummary",
    "StageName",
    "load_experiment",
    "preset_names",
    "run_demo",
    "run_experiment",
]
