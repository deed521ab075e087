import numpy as np
import pytest

from cmda_core.reporting.curves import MOST_POINTS, WIDTH, Log, drawn_together, read_series
from cmda_core.reporting.figures import (
    Outline,
    Panel,
    axial,
    box_around,
    largest_section,
    montage,
    save_png,
    window_of,
)
from cmda_core.volumes import Volume


@pytest.mark.parametrize(
    ("affine", "expected"),
    [
        (np.diag([-1.0, -2.0, 3.0, 1.0]), (3.0, 2.0, 1.0)),
        (np.diag([1.0, 2.0, 3.0, 1.0]), (3.0, 2.0, 1.0)),
        (np.array([[0, 0, 1.0, 0], [2.0, 0, 0, 0], [0, -3.0, 0, 0], [0, 0, 0, 1]]), (3.0, 2.0, 1.0)),
    ],
)
def test_axial_puts_every_orientation_the_same_way(affine, expected):
    affine = affine.astype(float)
    voxels = np.zeros((5, 6, 7), np.float32)
    index = np.array([1, 2, 3])
    voxels[tuple(index)] = 1
    stack = axial(Volume(voxels, affine, "hrT2", "case"))
    assert stack.spacing == expected
    k, j, i = np.argwhere(stack.slices == 1)[0]
    corners = np.array([[a, b, c] for a in (0, 4) for b in (0, 5) for c in (0, 6)]) @ affine[:3, :3].T
    point = affine[:3, :3] @ index
    assert i * expected[2] == pytest.approx(corners[:, 0].max() - point[0])
    assert j * expected[1] == pytest.approx(corners[:, 1].max() - point[1])
    assert k * expected[0] == pytest.approx(point[2] - corners[:, 2].min())


def test_the_largest_section_is_the_one_with_most_voxels():
    mask = np.zeros((4, 5, 5), bool)
    assert largest_section(mask) == 2
    mask[1, :2], mask[3, :3] = True, True
    assert largest_section(mask) == 3


def test_boxes_keep_their_size_at_the_edge():
    mask = np.zeros((100, 100), bool)
    mask[0:4, 50:54] = True
    box = box_around(mask, (1.0, 0.5), margin=5, smallest=40)
    assert (box.top, box.bottom) == (0, 40)
    assert (box.left, box.right) == (6, 46)


def test_flat_images_have_a_window():
    assert window_of(np.zeros((4, 4))) == (0.0, 1.0)


def test_montages_are_true_to_scale_and_repeatable(tmp_path):
    picture = np.random.default_rng(0).random((20, 40))
    panel = Panel(picture, (2.0, 1.0), (0, 1), "hrT2", (Outline(picture > 0.9, "#ff0000"),))
    figure = montage([panel])
    width, height = figure.axes[0].get_window_extent().size
    assert width == pytest.approx(height, rel=0.01)
    save_png(tmp_path / "a.png", figure)
    save_png(tmp_path / "b.png", montage([panel]))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_curves_are_thinned_and_leave_out_what_is_no_number(tmp_path):
    path = tmp_path / "training.csv"
    rows = [f"{step},loss,{1000 - step}" for step in range(1000)]
    path.write_text("\n".join(["step,key,value", *rows, "1000,loss,nan", "1001,lo"]))
    ((curve,),) = [one.curves for one in drawn_together([Log("training", read_series(path))])]
    (line,) = curve.lines
    points = [tuple(map(float, pair.split(","))) for pair in line.points.split()]
    assert len(points) <= MOST_POINTS
    assert (points[0][0], points[-1][0]) == (0, WIDTH)
    assert [y for _, y in points] == sorted(y for _, y in points)
    assert (curve.name, curve.steps, line.first) == ("loss", 999, 997.0)


def test_curves_of_several_runs_share_their_axes(tmp_path):
    logs = []
    for seed, level in enumerate((1.0, 3.0)):
        path = tmp_path / f"{seed}.csv"
        rows = [f"{step},loss,{level}" for step in range(10 * (seed + 1))]
        path.write_text("\n".join(["step,key,value", *rows]))
        logs.append(Log("translator", read_series(path), "mine", seed))
    ((curve,),) = [one.curves for one in drawn_together(logs)]
    assert (curve.low, curve.high, curve.steps) == (1.0, 3.0, 19)
    ends = [line.points.split()[-1].split(",") for line in curve.lines]
    assert [float(x) for x, _ in ends] == pytest.approx([WIDTH * 9 / 19, WIDTH], abs=0.1)
    assert [float(y) for _, y in ends] == [84.0, 0.0]
    assert [line.title for line in curve.lines] == ["mine, seed 0: 1", "mine, seed 1: 3"]
