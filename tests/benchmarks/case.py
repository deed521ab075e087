"""Measures how a full-size case is translated and segmented.

    python -m tests.benchmarks.case --threads 2

Small networks of the right shape: what is measured is what lies around them. Translating is compared with
the bare network on the same slices, segmenting with nnU-Net's own predictor on the same array; peak memory
is that of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from cmda_core.protocols import SegmentationData
from cmda_core.run import Run
from cmda_core.schema import Case, Cohort, Runtime, Task
from cmda_core.training.saving import save_network
from cmda_core.training.slices import neighbours
from cmda_core.volumes import Volume, read_volume, write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.networks import MsfNet
from cmda_msfnet.translator import MsfNetTranslator
from cmda_nnunet.config import NnUnetConfig
from cmda_nnunet.segmenter import NnUnetSegmenter
from cmda_nnunet.surroundings import quiet_nnunet

from .arrays import CROP, head, structures
from .measuring import (
    CLOCKS,
    Clock,
    Table,
    arguments,
    finish,
    in_own_process,
    interleaved,
    medians,
    peak_mb,
    ratio,
)

GOAL = 1.05
SMALL = (64, 64, 24)
TASK = Task()


def write_translator(folder: Path, batch: int) -> None:
    """An MSF-Net with random weights."""
    config = MsfNetConfig(channels=8, residual_blocks=2, proxies=(), perceptual="off", inference_batch=batch)
    torch.manual_seed(0)
    save_network(folder, MsfNet(config.channels, config.residual_blocks, {}), config, TASK, regions=())


def write_segmenter(folder: Path) -> None:
    """An nnU-Net that was trained for a moment, with the patches of a larger one."""
    cases = []
    for number in range(2):
        paths = {"image": folder / f"{number}.nii", "labels": folder / f"{number}_Label.nii"}
        write_volume(paths["image"], head(SMALL, number), step=INTENSITY_STEP)
        write_volume(paths["labels"], structures(SMALL, number))
        cases.append(Case(id=f"{number}", subject=f"{number}", modality="hrT2", **paths))
    config = NnUnetConfig(
        folds="all",
        epochs=1,
        iterations_per_epoch=20,
        validation_iterations=0,
        optimiser="adamw",
        base_features=8,
        max_features=64,
        patch_size=(32, 96, 96),
        batch_size=2,
        mirroring=False,
    )
    segmenter = NnUnetSegmenter(config, TASK)
    segmenter.fit(
        SegmentationData(Cohort(name="two", cases=tuple(cases))), Run(folder / "run", Runtime(device="cpu"))
    )
    segmenter.save(folder / "segmenter")


def translating(folder: Path, scan: Volume, repeats: int, clock: Clock) -> Table:
    """Whole cases against the bare network."""
    rows = []
    for batch in (1, 8):
        write_translator(folder / f"translator{batch}", batch)
        translator = MsfNetTranslator.load(folder / f"translator{batch}")
        network = MsfNet(8, 2, {}).eval()
        stack = torch.from_numpy(np.ascontiguousarray(scan.voxels.transpose(2, 1, 0)))
        batches = [
            torch.stack(
                [stack[neighbours(k, len(stack))] for k in range(start, min(start + batch, len(stack)))]
            )
            for start in range(0, len(stack), batch)
        ]

        @torch.no_grad()
        def bare(network: MsfNet = network, batches: list[torch.Tensor] = batches) -> None:
            for triples in batches:
                network.translate(triples, to_target=False)

        seconds = interleaved(
            {"bare": bare, "ours": lambda t=translator: t.translate(scan, "ceT1")}, repeats, clock=clock
        )
        memory = _memory("translate", folder / f"translator{batch}", scan)
        middle = medians(seconds)
        rows.append(
            [
                str(batch),
                f"{middle['bare']:.1f}",
                f"{middle['ours']:.1f}",
                f"{ratio(seconds, 'ours', 'bare'):.3f}",
                *memory,
            ]
        )
    header = [
        "slices at once",
        "network alone, s",
        "case, s",
        "case / network",
        "peak, MB",
        "of it before the case",
    ]
    return Table(f"Translating a case of {_edges(scan)}", header, rows)


def segmenting(folder: Path, scan: Volume, repeats: int, clock: Clock) -> Table:
    """Whole cases against nnU-Net's predictor."""
    write_segmenter(folder)
    segmenter = NnUnetSegmenter.load(folder / "segmenter")
    with quiet_nnunet(torch.get_num_threads()):
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        from cmda_nnunet.dataset import properties_of, to_array
        from cmda_nnunet.model import Model
        from cmda_nnunet.trainer import Trainer
        from cmda_nnunet.weights import set_weights

        model = Model.load(folder / "segmenter", ["all"])
        predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        manager = PlansManager(model.plans)
        configuration = manager.get_configuration("3d_fullres")
        network = Trainer.build_network_architecture(manager, configuration, 1, 3, False)
        set_weights(network, model.folds["all"], "all")
        predictor.manual_initialization(
            network, manager, configuration, [network.state_dict()], dict(model.description), "Trainer", None
        )
    array, properties = to_array(scan), properties_of(scan)

    def bare() -> None:
        with quiet_nnunet(torch.get_num_threads()):
            predictor.predict_single_npy_array(array, properties, None, None, True)

    seconds = interleaved({"bare": bare, "ours": lambda: segmenter.segment(scan)}, repeats, clock=clock)
    middle, share = medians(seconds), ratio(seconds, "ours", "bare")
    memory = _memory("segment", folder / "segmenter", scan)
    header = [
        "threads", "nnUNetPredictor, s", "ours with clean-up, s", f"ours / nnU-Net (goal {GOAL})", "peak, MB",
        "of it before the case",
    ]  # fmt: skip
    row = [
        str(torch.get_num_threads()),
        f"{middle['bare']:.1f}",
        f"{middle['ours']:.1f}",
        f"{share:.3f}",
        *memory,
    ]
    return Table(f"Segmenting a case of {_edges(scan)}", header, [row])


def _memory(part: str, folder: Path, scan: Volume) -> list[str]:
    path = folder / "scan.nii"
    write_volume(path, scan)
    words = ["--only", part, "--model", str(folder), "--scan", str(path)]
    words += ["--threads", str(torch.get_num_threads())]
    peak = in_own_process("tests.benchmarks.case", *words)
    return [f"{peak['peak_mb']:.0f}", f"{peak['before_mb']:.0f}"]


def only(options: argparse.Namespace) -> None:
    """Do one case and print the peak memory."""
    scan = read_volume(options.scan, "hrT2")
    if options.only == "translate":
        translator = MsfNetTranslator.load(options.model)
        before = peak_mb()
        translator.translate(scan, "ceT1")
    else:
        segmenter = NnUnetSegmenter.load(options.model)
        segmenter.segment(head((96, 96, 32)))  # imports nnU-Net and sets up its predictor
        before = peak_mb()
        segmenter.segment(scan)
    print(json.dumps({"before_mb": before, "peak_mb": peak_mb()}))  # for the other process


def _edges(scan: Volume) -> str:
    return "×".join(map(str, scan.voxels.shape))


def main() -> None:
    """Print the tables."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--only", choices=["translate", "segment"], help="do one case and print the peak memory"
    )
    parser.add_argument("--model", type=Path, help="model for --only")
    parser.add_argument("--scan", type=Path, help="case for --only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.only:
        only(options)
        return
    repeats = options.repeats or (1 if options.quick else 3)
    scan = head((96, 96, 32) if options.quick else CROP)
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), CLOCKS[options.clock]
        parts = (translating, segmenting)
        finish(options, [part(folder, scan, repeats, clock) for part in parts])


if __name__ == "__main__":
    main()
