"""Keeps earlier fakes, so that a discriminator does not forget them (Shrivastava et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Hands out each new image, or with probability 1/2 an earlier one that it takes the place of.

    Draws from the global generator of torch, whose state the training loop keeps.

    Args:
        size: Images kept; 0 hands out the new ones always.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._images: list[Tensor] = []

    def exchange(self, images: Tensor) -> Tensor:
        """Images ``(N, C, H, W)`` for the discriminator, without gradients."""
        if not self._size:
            return images.detach()
        return torch.stack([self._exchange(image) for image in images.detach()])

    def _exchange(self, image: Tensor) -> Tensor:
        if len(self._images) < self._size:
            self._images.append(image.clone())
            return image
        if torch.rand(()) < 0.5:
            return image
        place = int(torch.randint(self._size, ()))
        earlier, self._images[place] = self._images[place], image.clone()
        return earlier.to(image.device)

    def state_dict(self) -> dict[str, Any]:
        """The images that are kept."""
        return {"images": list(self._images)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Keep the images of a state; they follow the next fakes to their device."""
        self._images = list(state["images"])
