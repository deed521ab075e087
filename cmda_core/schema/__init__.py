"""Typed configuration and data records: task, case, cohort, experiment."""

from cmda_core.schema.adaptation import IntensityAugmentation, SelfTraining
from cmda_core.schema.cohort import Case, Cohort, Pose
from cmda_core.schema.experiment import (
    Baselines,
    DataConfig,
    Experiment,
    Grading,
    Layout,
    PluginChoice,
    Runtime,
)
from cmda_core.schema.labels import LabelScheme, task_values
from cmda_core.schema.settings import (
    PluginConfig,
    apply_overrides,
    parse_settings,
    portable_settings,
    read_yaml,
)
from cmda_core.schema.task import Task

__all__ = [
    "Baselines",
    "Case",
    "Cohort",
    "DataConfig",
    "Experiment",
    "Grading",
    "IntensityAugmentation",
    "LabelScheme",
    "Layout",
    "PluginChoice",
    "PluginConfig",
    "Pose",
    "Runtime",
    "SelfTraining",
    "Task",
    "apply_overrides",
    "parse_settings",
    "portable_settings",
    "read_yaml",
    "task_values",
]
