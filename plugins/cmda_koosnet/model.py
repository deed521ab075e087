"""The trained parts of MSF-Koos-Net, and what they say of one view."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from cmda_core.koos import GRADES
from cmda_core.protocols import SharedEncoder
from cmda_core.training.state import load_weights, save_weights
from cmda_koosnet.config import KoosNetConfig
from cmda_koosnet.features import encode_stack
from cmda_koosnet.network import HighEncoder

_WEIGHTS = "koosnet.safetensors"
_ENCODER_WEIGHTS = "encoder.safetensors"


@dataclass(frozen=True, slots=True)
class KoosModel:
    """E_H, the classifier and, where E was not frozen, a copy of E.

    Attributes:
        encoder: The translator's; gives the features unless there is a tuned copy.
        high: E_H.
        classifier: The last layer.
        tuned: The copy of the encoder that is fine-tuned; None where E is frozen.
        encoder_batch: Slices that go through the encoder at once.
    """

    encoder: SharedEncoder
    high: HighEncoder
    classifier: nn.Linear
    tuned: nn.Module | None
    encoder_batch: int

    @classmethod
    def new(cls, config: KoosNetConfig, encoder: SharedEncoder) -> Self:
        """An untrained model, with weights from torch's global generator."""
        return cls(
            encoder=encoder,
            high=HighEncoder(encoder.feature_channels, config.channels, config.stages, config.mask_fusion),
            classifier=nn.Linear(config.channels, len(GRADES)),
            tuned=None if config.freeze else encoder.copy_encoder(),
            encoder_batch=config.encoder_batch,
        )

    @torch.no_grad()
    def scores(self, triples: Tensor, mask: Tensor) -> Tensor:
        """Scores of grade 1 to 4 before the softmax, shape ``(4,)``, on the CPU.

        Args:
            triples: 2.5D inputs, ``(slices, 3, H, W)``.
            mask: Share of tumour, ``(1, slices, h, w)``.
        """
        device = self.classifier.weight.device
        if self.tuned is None:
            features = encode_stack(self.encoder.encode, triples, self.encoder_batch).to(device)
        else:
            features = encode_stack(self.tuned, triples.to(device), self.encoder_batch)
        scores: Tensor = self.classifier(self.high(features[None], mask[None].to(device)))[0]
        return scores.cpu()

    def to(self, device: str) -> None:
        """Move the weights to a torch device; the translator's encoder stays where it is."""
        for part in self._parts().values():
            part.to(device)

    def save(self, folder: Path) -> None:
        """Write the weights into a folder.

        Raises:
            OutputError: If a file cannot be written.
        """
        for name, part in self._parts().items():
            save_weights(folder / name, part)

    def restore(self, folder: Path) -> None:
        """Read weights that ``save`` wrote, onto the CPU, for inference.

        Raises:
            DataError: If a file is missing, damaged, or made for another network.
        """
        self.to("cpu")  # The copy of the encoder may come from a translator on another device.
        for name, part in self._parts().items():
            load_weights(folder / name, part)
            part.eval()

    def _parts(self) -> dict[str, nn.Module]:
        own = nn.ModuleDict({"high": self.high, "classifier": self.classifier})
        return {_WEIGHTS: own} if self.tuned is None else {_WEIGHTS: own, _ENCODER_WEIGHTS: self.tuned}
