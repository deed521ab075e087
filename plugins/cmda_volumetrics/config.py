"""Settings of the volumetric grader."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cmda_core.koos import Decision
from cmda_core.schema import PluginConfig


class VolumetricsConfig(PluginConfig):
    """Settings of the volumetric grader: a regression on features of the mask.

    It looks at no image, so that nothing depends on which modality is real and which is translated.
    """

    model: Literal["ordinal", "logistic"] = "ordinal"
    """``ordinal``: one logistic regression per threshold between grades (Frank & Hall 2001), which
    knows that the grades are ordered. ``logistic``: one multinomial regression, which does not."""

    inverse_regularisation: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """scikit-learn's C: the smaller, the stronger the pull of the coefficients towards zero.
    ``auto`` takes, from 0.01 to 10, the value with the lowest MA-MAE in cross-validation."""

    folds: int = Field(default=4, ge=2, le=20)
    """Folds of that cross-validation; fewer if a grade has fewer cases."""

    canal_mm: float = Field(default=10.0, ge=0, le=30)
    """Distance in mm, along the line between the cochleae, from the centre of a cochlea to the porus of
    its internal auditory canal. Tumour further medial counts as outside of the canal."""

    decision: Decision = "median"
    """How the grade follows from the probabilities; ``median`` minimises the expected absolute error."""
