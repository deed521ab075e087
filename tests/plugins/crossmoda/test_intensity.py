import numpy as np
import pytest
import SimpleITK as sitk

from cmda_core.errors import ConfigError
from cmda_crossmoda.config import IntensityConfig
from cmda_crossmoda.intensity import IntensityScale, Landmarks

CONFIG = IntensityConfig()


def scan(seed: int, gain: float = 1.0) -> np.ndarray:
    """Background, two tissues and a bright tail."""
    random = np.random.default_rng(seed)
    parts = [random.normal(m, s, 4000) for m, s in ((20, 5), (300, 40), (600, 60))]
    values = np.concatenate([*parts, random.uniform(700, 1500, 500)])
    return (gain * np.abs(random.permutation(values)[:12000])).reshape(20, 24, 25).astype(np.float32)


def matched(voxels: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return IntensityScale.fit(reference, "ceT1", CONFIG).match(voxels, Landmarks.of(voxels, CONFIG))


def test_matching_is_that_of_itk() -> None:
    voxels, reference = scan(1, gain=2.7), scan(2)

    expected = sitk.GetArrayFromImage(
        sitk.HistogramMatching(
            sitk.GetImageFromArray(voxels),
            sitk.GetImageFromArray(reference),
            numberOfHistogramLevels=1024,
            numberOfMatchPoints=7,
            thresholdAtMeanIntensity=True,
        )
    )

    # ITK places its quantiles on whole bins: they differ by about one bin of the reference.
    bin_width = (reference.max() - reference.mean()) / 1024
    assert np.abs(matched(voxels, reference) - expected).max() < 3 * bin_width


def test_quantiles_above_the_mean_become_those_of_the_reference() -> None:
    voxels, reference = scan(1, gain=0.2), scan(2)
    shares = np.arange(1, 8) / 8

    result = matched(voxels, reference)

    found = np.quantile(result[voxels > voxels.mean()], shares)
    wanted = np.quantile(reference[reference > reference.mean()], shares)
    np.testing.assert_allclose(found, wanted, rtol=0.01)


def test_the_gain_of_a_scanner_does_not_matter() -> None:
    scale = IntensityScale.fit(scan(2), "ceT1", CONFIG)
    plain, loud = scan(1), scan(1, gain=4.0)

    first = scale.apply(plain, Landmarks.of(plain, CONFIG))
    second = scale.apply(loud, Landmarks.of(loud, CONFIG))

    np.testing.assert_allclose(first, second, atol=1e-3)
    assert first.dtype == np.float32
    assert (first.min(), first.max()) == (-1, 1)


def test_fixed_range_takes_the_ceiling_of_the_modality() -> None:
    scale = IntensityScale.fit(scan(2), "hrT2", IntensityConfig(range="fixed"))

    assert (scale.low, scale.high) == (0, 1500)


def test_fixed_range_needs_a_ceiling() -> None:
    with pytest.raises(ConfigError, match="ceilings has no 'FLAIR'"):
        IntensityScale.fit(scan(2), "FLAIR", IntensityConfig(range="fixed"))


@pytest.mark.parametrize("voxels", [np.zeros((4, 4, 4), np.float32), np.eye(4, dtype=np.float32)[None]])
def test_scans_of_few_grey_levels_give_finite_values(voxels: np.ndarray) -> None:
    scale = IntensityScale.fit(scan(2), "ceT1", CONFIG)

    assert np.isfinite(scale.apply(voxels, Landmarks.of(voxels, CONFIG))).all()
