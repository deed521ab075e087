"""Random changes of training slices; all draws come from one generator, on the host."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cmda_unet.config import UnetConfig


def augment(
    images: Tensor, labels: Tensor, config: UnetConfig, draw: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mirror, turn, scale, brighten and disturb slices, each in its own way.

    Args:
        images: ``(N, C, H, W)``.
        labels: ``(N, H, W)``, integers; moved as the images are.
        config: How far.
        draw: Random generator.

    Returns:
        Both in the same shapes; what comes from outside of a slice repeats its edge.
    """
    count = len(images)
    sides = draw.choice([-1.0, 1.0], count) if config.flip else np.ones(count)
    angles = np.deg2rad(draw.uniform(-config.rotation_degrees, config.rotation_degrees, count))
    sizes = draw.uniform(1 - config.scaling, 1 + config.scaling, count)
    images, labels = moved(images, labels, _matrices(sides, angles, sizes, images.shape[-2:]))
    gains = draw.uniform(1 - config.intensity, 1 + config.intensity, count)
    shifts = draw.uniform(-config.intensity, config.intensity, count)
    noise = draw.standard_normal(tuple(images.shape), dtype=np.float32)
    noise *= draw.uniform(0, config.noise, count).astype(np.float32)[:, None, None, None]
    return images * _per_image(gains, images) + _per_image(shifts, images) + torch.from_numpy(noise), labels


def moved(images: Tensor, labels: Tensor, matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Resample slices and their labels.

    Args:
        images: ``(N, C, H, W)``, interpolated linearly.
        labels: ``(N, H, W)``, integers; the nearest one is taken.
        matrices: ``(N, 2, 3)``: from places in the result to places in the slice, as torch's
            ``affine_grid`` takes them.
    """
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    turned = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    nearest = functional.grid_sample(
        labels[:, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False
    )
    return turned, nearest[:, 0].to(labels.dtype)


def _matrices(
    sides: NDArray[np.float64], angles: NDArray[np.float64], sizes: NDArray[np.float64], shape: torch.Size
) -> Tensor:
    height, width = shape
    cosines, sines = np.cos(angles) / sizes, np.sin(angles) / sizes
    # affine_grid measures both axes from -1 to 1, whatever the shape: without the ratio a turn would shear.
    rows = [[sides * cosines, -sides * sines * height / width], [sines * width / height, cosines]]
    matrices = np.zeros((len(sides), 2, 3), np.float32)
    matrices[:, :, :2] = np.moveaxis(np.array(rows), -1, 0)
    return torch.from_numpy(matrices)


def _per_image(values: NDArray[np.float64], images: Tensor) -> Tensor:
    return torch.from_numpy(values).to(images.dtype)[:, None, None, None]
