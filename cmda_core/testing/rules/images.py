"""Expectations of images that several kinds share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmda_core.testing.check import expect
from cmda_core.volumes import LabelVolume, Volume

ROUNDING = 1e-6
"""Prepared intensities may leave [-1, 1] by so much."""


def expect_same_place(found: Volume | LabelVolume, image: Volume) -> None:
    """Expect a result on the grid of its image."""
    expect(
        found.voxels.shape == image.voxels.shape,
        f"{image.case}: shape {image.voxels.shape} became {found.voxels.shape}.",
        "Pad the image to what the network needs and crop the result back.",
    )
    expect(
        np.array_equal(found.affine, image.affine),
        f"{image.case}: the affine changed.",
        "Use volume.with_voxels() or volume.with_labels().",
    )


def expect_finite_float32(values: NDArray[np.generic], where: str) -> None:
    """Expect float32 without NaN and infinities."""
    expect(values.dtype == np.float32, f"{where}: the result is {values.dtype}.", "Return float32 voxels.")
    bad = int((~np.isfinite(values)).sum())
    expect(not bad, f"{where}: {bad} values are not finite.", "Look for divisions by a spread of zero.")


def expect_prepared_range(values: NDArray[np.float32], where: str) -> None:
    """Expect intensities in [-1, 1]."""
    low, high = float(values.min()), float(values.max())
    expect(
        low >= -1 - ROUNDING and high <= 1 + ROUNDING,
        f"{where}: intensities from {low:.4g} to {high:.4g}.",
        "Prepared intensities lie in [-1, 1]: clip them.",
    )


def expect_untouched(before: NDArray[np.generic], after: NDArray[np.generic], what: str) -> None:
    """Expect that an input was not written to."""
    expect(np.array_equal(before, after), f"It wrote into {what}.", "Copy before an in-place step.")
