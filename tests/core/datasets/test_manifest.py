from pathlib import Path

import pytest

from cmda_core.datasets import read_dataset
from cmda_core.datasets.manifest import Row, manifest_rows, write_manifest
from cmda_core.errors import DataError
from cmda_core.evaluation.references import References
from cmda_core.schema import DataConfig, Task

TASK = Task(source="CT", target="MR", structures={"heart": 1}, tumour="heart")
TABLE = """image,Notes,split,labels,case,subject,grade
scans/a.nii.gz,good,source,maps/a.nii.gz,,p1,
scans/b.nii.gz,,target,maps/b.nii.gz,second,p2,3
scans/c.nii.gz,,TEST,maps/c.nii.gz,,p3,4.0
scans/d.nii.gz,not used,,,,,
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in "abcd":
        for folder in ("scans", "maps"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.nii.gz").touch()
    (tmp_path / "manifest.csv").write_text(TABLE)
    return tmp_path


@pytest.mark.parametrize("name", ["", "manifest.csv"])
def test_a_manifest_describes_any_task(root: Path, name: str) -> None:
    dataset = read_dataset(DataConfig(root=root / name), TASK)

    (source,), (target,), (test,) = dataset.cohorts
    assert (source.id, source.subject, source.modality) == ("a", "p1", "CT")
    assert source.labels == root / "maps/a.nii.gz"
    assert (target.id, target.modality, target.labels, target.grade) == ("second", "MR", None, None)
    assert (test.id, test.labels, test.grade) == ("c", None, None)
    assert dataset.values is None


def test_the_held_out_rows_are_the_reference(root: Path) -> None:
    references = References.find(root / "manifest.csv")

    assert dict(references.labels) == {"second": root / "maps/b.nii.gz", "c": root / "maps/c.nii.gz"}
    assert references.grades == {"second": 3, "c": 4}


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_line_ends_and_byte_order_marks_do_not_matter(root: Path, end: str) -> None:
    expected = manifest_rows(root)
    (root / "manifest.csv").write_bytes(end.join(TABLE.splitlines()).encode("utf-8-sig"))

    assert manifest_rows(root) == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scans/b.nii.gz", "scans/z.nii.gz", r"line 3: image: .*z.nii.gz is missing"),
        ("TEST", "tset", r"line 4: split: expected source, target, test or nothing \(not used\), got 'tset'"),
        (",labels,", ",label,", "column 'label': did you mean 'labels'"),
        (",split,", ",part,", "expected the columns split, image, got image, Notes, part"),
        ("second", "a", "case a: is in source and again in target"),
        ("target", "test", "holds no target scan"),
        ("maps/a.nii.gz", "", "holds no source scan with labels"),
        ("scans/c.nii.gz", "", "line 4: image: is empty"),
    ],
)
def test_what_is_wrong_is_named(root: Path, old: str, new: str, message: str) -> None:
    (root / "manifest.csv").write_text(TABLE.replace(old, new))

    with pytest.raises(DataError, match=message):
        read_dataset(DataConfig(root=root), TASK)


def test_what_is_written_can_be_read(root: Path) -> None:
    rows = [
        Row(
            case="x",
            subject="s",
            split="source",
            modality="CT",
            image=root / "scans/a.nii.gz",
            labels=root / "maps/a.nii.gz",
            grade=2,
            centre="here",
        ),
        Row(case="y", subject="s", split=None, modality="MR", image=root / "scans/b.nii.gz"),
    ]

    write_manifest(root / "manifest.csv", rows)

    assert manifest_rows(root) == rows
    assert "x,s,source,CT,scans/a.nii.gz,maps/a.nii.gz,,2,here" in (root / "manifest.csv").read_text()
