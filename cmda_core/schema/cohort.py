"""Cases and cohorts, and the file that a cohort is kept in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from os.path import relpath
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError

from cmda_core.errors import DataError, HeldOutError
from cmda_core.files import write_json
from cmda_core.schema.names import PlainName
from cmda_core.schema.settings import PluginConfig
from cmda_core.volumes.geometry import Affine, Grid


class Pose(PluginConfig):
    """How a prepared volume gets back to the grid of the scan that it was made from."""

    native: Grid
    """Grid of the scan as it was acquired."""

    to_native: Affine
    """RAS+ mm of the prepared volume to RAS+ mm of the scan."""


class Case(PluginConfig):
    """One scan of one subject, and what is known of it.

    Cases that are to be predicted carry no labels and no grade, so that no stage before the
    evaluation can read them.
    """

    id: PlainName
    """Name of the case; unique within a cohort. Files are named after it."""

    subject: str = Field(min_length=1)
    """Whose scan it is; all scans of a subject stay on one side of every split."""

    modality: PlainName
    """MR sequence of the image."""

    image: Path
    """NIfTI file of the scan."""

    labels: Path | None = None
    """Label map of the task's structures, on the grid of the image."""

    parcellation: Path | None = None
    """Label map of the brain's regions (GIF), on the grid of the image."""

    grade: int | None = Field(default=None, ge=1, le=4)
    """Koos grade 1 to 4."""

    centre: str | None = None
    """Hospital or scanner that the scan comes from."""

    translated_from: str | None = None
    """Modality that this image was translated from; empty for a real scan."""

    pose: Pose | None = None
    """The way back to the native grid; only prepared cases have one."""


class Cohort(PluginConfig):
    """An ordered set of cases."""

    name: str
    """What the cohort is called in messages."""

    cases: tuple[Case, ...] = ()
    """The cases, with names that are unique."""

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:  # type: ignore[override]  # pydantic iterates over fields
        return iter(self.cases)

    def __getitem__(self, case: str) -> Case:
        """The case of that name.

        Raises:
            DataError: If there is none.
        """
        for candidate in self.cases:
            if candidate.id == case:
                return candidate
        raise DataError(f"cohort {self.name!r} has no case {case!r}.")

    def where(self, keep: Callable[[Case], bool]) -> Cohort:
        """The cases for which ``keep`` is true, in the same order."""
        return Cohort(name=self.name, cases=tuple(case for case in self.cases if keep(case)))

    def require_images_alone(self) -> None:
        """Refuse cases that carry the truth: those of the target modality are to be predicted.

        Raises:
            HeldOutError: Naming the first case that does.
        """
        for case in self.cases:
            carried = [
                name for name in ("labels", "parcellation", "grade") if getattr(case, name) is not None
            ]
            if carried:
                raise HeldOutError(
                    f"cohort {self.name!r}: case {case.id} carries {' and '.join(carried)}, which only the "
                    "evaluation may know. Use images_alone()."
                )

    def images_alone(self) -> Cohort:
        """The same scans without labels, parcellations and grades."""
        nothing = {"labels": None, "parcellation": None, "grade": None}
        cases = tuple(case.model_copy(update=nothing) for case in self.cases)
        return Cohort(name=self.name, cases=cases)

    def save(self, path: Path) -> None:
        """Write the cohort as JSON; the files of its cases are named relative to ``path``.

        Raises:
            OutputError: If the file cannot be written.
        """
        content = self.model_dump(mode="json", exclude_none=True)
        for case in content["cases"]:
            for field in _PATHS & case.keys():
                case[field] = Path(relpath(case[field], path.parent)).as_posix()
        write_json(path, content)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a cohort that ``save`` wrote.

        Raises:
            DataError: If the file is missing or damaged.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            for case in content["cases"]:
                for field in _PATHS & case.keys():
                    case[field] = path.parent / case[field]
            return cls.model_validate(content)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise DataError(f"{path}: is not a cohort file ({error}).") from error


_PATHS = {"image", "labels", "parcellation"}
