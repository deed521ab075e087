import torch

from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.networks import Discriminators, Encoder, ImageDecoder, LabelDecoder


def _millions(module: torch.nn.Module) -> float:
    return round(sum(parameter.numel() for parameter in module.parameters()) / 1e6, 2)


def test_paper_sizes() -> None:
    config = MsfNetConfig()
    with torch.device("meta"):
        encoder = Encoder(config.channels, config.residual_blocks)
        image = ImageDecoder(config.channels, config.residual_blocks)
        labels = LabelDecoder(config.channels, config.residual_blocks, 209)
        judges = Discriminators.__new__(Discriminators)
        Discriminators.__init__(judges, config.discriminator_channels, config.discriminator_layers)
        features = encoder(torch.empty(1, 3, 256, 256))
        assert features.shape == (1, 256, 64, 64)
        assert image(features).shape == (1, 3, 256, 256)
        assert labels(features).shape == (1, 209, 256, 256)
    # Counted in the published networks.
    assert (_millions(encoder), _millions(image), _millions(labels)) == (7.46, 7.75, 7.46)
    assert _millions(judges.source) == 15.35
