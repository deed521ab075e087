"""The experiment file: what is run, on which data, with which plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cmda_core.schema.adaptation import IntensityAugmentation, SelfTraining
from cmda_core.schema.labels import LabelScheme
from cmda_core.schema.names import PlainPath
from cmda_core.schema.settings import PluginConfig
from cmda_core.schema.task import Task

Layout = Literal["auto", "crossmoda2021", "crossmoda2022", "crossmoda2023", "csv", "bids"]
"""How the files of a dataset are named."""


class PluginChoice(BaseModel):
    """The plugin of a stage, and its settings under the same heading."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    plugin: str
    """Name that ``cmda plugins list`` prints."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the plugin's name."""
        return dict(self.__pydantic_extra__ or {})


class DataConfig(PluginConfig):
    """Where the scans are."""

    layout: Layout = "auto"
    """How files and folders are named; ``auto`` finds out by looking at the folder."""

    root: PlainPath = Path("data")
    """Folder of the dataset, or the CSV manifest itself; relative to the experiment file."""

    reference: PlainPath | None = None
    """Folder (or CSV manifest) with the held-out labels and grades of the test scans, for the evaluation
    only."""

    paired: PlainPath | None = None
    """Folder with scans of source cases in the target modality, ``<case>_<target>.nii.gz``, registered to the
    source scan: the evaluation, and nothing else, compares the translations with them. Left out:
    translations are not scored."""

    labels: LabelScheme | None = None
    """Values of each structure in the label files, such as ``{vs: [1, 2], cochlea: 3}``; several values
    are merged into one structure. Left out: the layout's, or else those of the task."""

    scans: dict[str, str] = Field(default={})
    """For ``bids``: which images are of a modality, as a pattern for names without folder and ending.
    Left out: ``*_ce-*_T1w`` is ceT1, ``*_T2w`` is hrT2, and ``*_NAME`` any other modality."""


class Baselines(PluginConfig):
    """What the method is compared with in the same run."""

    source_only: bool = False
    """Also train the segmenter on the source modality alone: the lower bound without adaptation."""

    graders: tuple[PluginChoice, ...] = ()
    """Further graders, on the same masks."""


class Grading(PluginConfig):
    """How graders are judged beside the test cases."""

    folds: int = Field(default=0, ge=0, le=20)
    """Folds of a cross-validation by subject: each annotated case is graded by a grader that was trained
    without its subject. 0: no cross-validation."""

    @field_validator("folds")
    @classmethod
    def _not_one(cls, value: int) -> int:
        if value == 1:
            raise ValueError("one fold leaves nothing to train on: take 0 (none) or at least 2")
        return value


class Runtime(PluginConfig):
    """Where and how the work is done.

    Nothing here may change what is learnt, but for rounding, and for the size of a step with several devices.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Processor for training and inference."""

    devices: int = Field(default=1, ge=1)
    """GPUs (or processes) of this machine that share a training, for plugins that can: each draws
    ``batch_size`` samples of its own, so that a step sees so many times as many. Under ``torchrun`` or
    ``srun`` the launcher says how many."""

    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    """Arithmetic of the training."""

    seed: int = Field(default=0, ge=0)
    """Same seed, same machine: same result; on GPUs to rounding, unless ``deterministic``."""

    deterministic: bool = False
    """On GPUs, use algorithms that give the same bits every time, where torch has such. CPUs always do."""

    threads: int = Field(default=0, ge=0)
    """Torch threads per process; 0 leaves it to torch."""

    jobs: int = Field(default=1, ge=-1)
    """Processes for the work per case; -1 takes one per core."""

    backend: Literal["loky", "dask", "ray"] = "loky"
    """Where the work per case is done: processes of this machine, or a Dask or Ray cluster whose workers see
    the same disk."""

    address: str | None = None
    """Of the cluster's scheduler; left out, one of ``jobs`` workers is started on this machine."""


class Experiment(PluginConfig):
    """One experiment: data, the plugin of every stage, and where it runs."""

    name: str = "experiment"
    """Shown in tables and reports."""

    task: Task = Task()
    """Modalities and structures."""

    data: DataConfig = DataConfig()
    """The dataset."""

    preprocessor: PluginChoice = PluginChoice(plugin="crossmoda")
    """Brings scans onto one grid and one intensity scale."""

    translator: PluginChoice = PluginChoice(plugin="msf-net")
    """Renders one modality as the other."""

    segmenter: PluginChoice = PluginChoice(plugin="nnunet")
    """Labels the structures."""

    intensity_augmentation: IntensityAugmentation = IntensityAugmentation()
    """Copies of translated scans with another signal, for the segmenter."""

    self_training: SelfTraining = SelfTraining()
    """Target scans with pseudo-labels, for the segmenter."""

    grader: PluginChoice = PluginChoice(plugin="msf-koos-net")
    """Predicts the Koos grade."""

    baselines: Baselines = Baselines()
    """What the method is compared with."""

    grading: Grading = Grading()
    """How graders are judged."""

    runtime: Runtime = Runtime()
    """Device, seed, processes."""

    @field_validator("preprocessor", "translator", "segmenter", "grader", mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"plugin": value} if isinstance(value, str) else value

    @property
    def teacher(self) -> str:
        """Entry of the segmenter that learns from source scans and translated ones alone."""
        return self.translator.plugin

    @property
    def students(self) -> tuple[str, ...]:
        """Entries of the segmenters that learn from pseudo-labels too, round by round."""
        return tuple(f"{self.teacher}-student-{number + 1}" for number in range(self.self_training.rounds))

    @property
    def entry(self) -> str:
        """Entry of the method's own segmenter: the last student, or the teacher without self-training."""
        return (self.teacher, *self.students)[-1]
