from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cmda_core.errors import DataError
from cmda_core.training.stacks import Stack
from cmda_core.volumes import LabelVolume, write_volume


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, NDArray[np.uint8]]:
    voxels = np.random.default_rng(0).integers(0, 200, (5, 7, 9)).astype(np.uint8)
    write_volume(tmp_path / "case.nii", LabelVolume(voxels, np.eye(4), "case"))
    return tmp_path / "case.nii", voxels.transpose(2, 1, 0)


@pytest.mark.parametrize(
    ("slices", "top", "rows"),
    [([3, 4, 5], 0, 7), ([0, 0, 1], 2, 4), ([7, 8, 8], 6, 1), ([4], 0, 7)],
    ids=["whole slices", "a window at the start", "a row at the end", "one slice"],
)
def test_reads_the_rows_of_the_volume(
    stored: tuple[Path, NDArray[np.uint8]], slices: list[int], top: int, rows: int
) -> None:
    path, stack = stored
    with Stack.of(path).asked(slices, top, rows) as asked:
        assert np.array_equal(asked.read(), stack[slices, top : top + rows])


def test_several_files_can_be_asked_before_the_first_is_read(stored: tuple[Path, NDArray[np.uint8]]) -> None:
    path, stack = stored
    with ExitStack() as streams:
        asked = [streams.enter_context(Stack.of(path).asked([index], 1, 3)) for index in range(4)]
        for index in reversed(range(4)):
            assert np.array_equal(asked[index].read(), stack[[index], 1:4])


def test_a_file_that_has_been_cut_off_is_named(stored: tuple[Path, NDArray[np.uint8]]) -> None:
    path, _ = stored
    stack = Stack.of(path)
    path.write_bytes(path.read_bytes()[:-100])
    with stack.asked([8], 0, 7) as asked, pytest.raises(DataError, match=r"case\.nii.*has become shorter"):
        asked.read()


def test_a_file_that_has_gone_is_named(stored: tuple[Path, NDArray[np.uint8]]) -> None:
    path, _ = stored
    stack = Stack.of(path)
    path.unlink()
    with pytest.raises(DataError, match=r"case\.nii.*Prepare the data again"):
        stack.asked([0], 0, 7)


def test_files_are_read_where_the_system_takes_no_hints(
    stored: tuple[Path, NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stack = stored
    monkeypatch.delattr("os.posix_fadvise", raising=False)
    with Stack.of(path).asked([1, 2], 0, 7) as asked:
        assert np.array_equal(asked.read(), stack[[1, 2]])
