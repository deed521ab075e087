"""What a saved nnU-Net may make this machine import: plans name classes, and nnU-Net calls what they name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cmda_core.errors import DataError

_NETWORKS = {
    "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
}
_LAYER = re.compile(r"torch\.nn\.(modules\.[a-z]+\.)?[A-Z][A-Za-z0-9]*")
_RESAMPLING = re.compile(r"(no_)?resampl\w*")


def check_plans(plans: Mapping[str, Any], where: str) -> None:
    """Refuse plans that name anything but nnU-Net's own networks, torch's layers and resampling.

    Args:
        plans: The content of nnU-Net's ``plans.json``.
        where: The file, to begin the message with.

    Raises:
        DataError: Naming what it must not name.
    """
    try:
        problems = [name for plan in plans["configurations"].values() for name in _unknown(plan)]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: are not the plans of a segmenter ({error!r}).") from error
    if problems:
        raise DataError(
            f"{where}: names {problems[0]!r}, which is not a part of nnU-Net's networks. "
            "Use models from people that you trust."
        )


def _unknown(plan: Mapping[str, Any]) -> Iterator[str]:
    network = plan["architecture"]
    if network["network_class_name"] not in _NETWORKS:
        yield str(network["network_class_name"])
    for key in network["_kw_requires_import"]:
        layer = network["arch_kwargs"][key]
        if layer is not None and not _LAYER.fullmatch(layer):
            yield str(layer)
    for key in ("resampling_fn_data", "resampling_fn_seg", "resampling_fn_probabilities"):
        if not _RESAMPLING.fullmatch(plan[key]):
            yield str(plan[key])
