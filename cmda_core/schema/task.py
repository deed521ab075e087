"""What is to be learnt: from which modality to which, and which structures."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from cmda_core.errors import ModalityError
from cmda_core.schema.names import PlainName
from cmda_core.schema.settings import PluginConfig


class Task(PluginConfig):
    """Source and target modality, and the structures to segment."""

    source: PlainName = "ceT1"
    """Modality with labels."""

    target: PlainName = "hrT2"
    """Modality without labels."""

    structures: dict[str, int] = Field(default={"vs": 1, "cochlea": 2}, min_length=1)
    """Label value of each structure; 0 is background and the values count up from 1."""

    tumour: str = "vs"
    """The structure whose Koos grade is predicted and whose shape the translator must preserve."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.source == self.target:
            raise ValueError("source and target must be two modalities")
        if sorted(self.structures.values()) != list(range(1, len(self.structures) + 1)):
            raise ValueError(f"labels of structures must be 1 to {len(self.structures)}, each once")
        if self.tumour not in self.structures:
            raise ValueError(f"tumour must be one of the structures: {', '.join(self.structures)}")
        return self

    @property
    def modalities(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target

    @property
    def tumour_label(self) -> int:
        """Label value of the tumour."""
        return self.structures[self.tumour]

    def other(self, modality: str) -> str:
        """The modality that ``modality`` is translated to.

        Raises:
            ModalityError: If ``modality`` is neither source nor target.
        """
        if modality not in self.modalities:
            raise ModalityError(
                f"modality {modality!r} is not part of the task ({self.source}, {self.target})."
            )
        return self.target if modality == self.source else self.source
