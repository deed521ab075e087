import json

import numpy as np
import pytest

from cmda_core.errors import DataError, GeometryError
from cmda_core.evaluation.evaluate import evaluate_entries, evaluate_folders
from cmda_core.evaluation.grading import score_grades
from cmda_core.evaluation.references import References
from cmda_core.evaluation.segmentation import score_case
from cmda_core.evaluation.tables import GRADES_COLUMNS, PER_CASE_COLUMNS, read_table
from cmda_core.schema import Task
from cmda_core.volumes import LabelVolume, write_volume

AFFINE = np.diag([0.5, 0.8, 1.5, 1.0])
CASES = ["crossmoda2021_ldn_1", "crossmoda2021_ldn_2", "crossmoda2021_ldn_3"]


def head(shift=0, cochlea=True, case="case", affine=AFFINE):
    voxels = np.zeros((20, 18, 12), np.uint8)
    voxels[4 + shift : 10 + shift, 5:10, 4:8] = 1
    if cochlea:
        voxels[14:16, 3 + shift : 6 + shift, 6:8] = 2
    return LabelVolume(voxels, affine, case)


@pytest.fixture
def reference(tmp_path):
    folder = tmp_path / "reference"
    for case in CASES:
        write_volume(folder / "nested" / "target" / f"{case}_Label.nii.gz", head())
    (folder / "infos_target.csv").write_text(
        '\ufeff"crossmoda_name","group","center","koos"\r\n'
        f'"{CASES[0]}","target","ldn",2\r\n"{CASES[1]}","target","ldn",4\r\n'
        f'"{CASES[2]}","target","ldn","post-operative-london"',
        encoding="utf-8",
    )
    return folder


@pytest.fixture
def predictions(tmp_path):
    folder = tmp_path / "mine"
    for shift, case in enumerate(CASES):
        write_volume(folder / f"{case}_Label.nii.gz", head(shift))
    rows = ["case,class,p1,p2,p3,p4", *(f"{case},3,0.1,0.2,0.6,0.1" for case in CASES)]
    (folder / "predictions.csv").write_text("\n".join(rows))
    return folder


def test_scores_of_every_case_and_their_summary(predictions, reference, tmp_path):
    out = tmp_path / "out"
    evaluation = evaluate_folders(predictions, reference, Task(), out=out)
    table = evaluation.per_case
    assert list(table.columns) == PER_CASE_COLUMNS
    assert len(table) == 6
    vs = table[table.structure == "vs"].set_index("case")
    for shift, case in enumerate(CASES):
        score = score_case(head(shift), head(), {"vs": 1, "cochlea": 2}, case)[0]
        assert (vs.dice[case], vs.assd_mm[case]) == pytest.approx((score.dice, score.assd_mm))
    summary = json.loads((out / "summary.json").read_text())
    assert summary == evaluation.summary
    of_vs = summary["segmentation"]["mine"]["vs"]
    assert of_vs["dice"] == {"mean": vs.dice.mean(), "sd": pytest.approx(np.std(vs.dice, ddof=1))}
    assert (of_vs["cases"], of_vs["missed"]) == (3, 0)
    assert summary["definitions"]["assd_mm"].startswith("challenge")


def test_grades_leave_out_cases_without_a_true_grade(predictions, reference):
    evaluation = evaluate_folders(predictions, reference, Task())
    scores = score_grades([2, 4], [3, 3])
    summary = evaluation.summary["grading"]["mine"]
    assert (summary["ma_mae"], summary["mamse"]) == (scores.ma_mae, scores.mamse)
    assert summary["cases"] == 2
    assert summary["confusion"] == [list(row) for row in scores.confusion]
    assert list(evaluation.grades["p3"]) == [0.6] * 3


def test_tables_survive_the_disk(predictions, reference, tmp_path):
    evaluation = evaluate_folders(predictions, reference, Task(), out=tmp_path)
    again = read_table(tmp_path / "per_case.csv", PER_CASE_COLUMNS)
    assert again.to_dict("records") == evaluation.per_case.to_dict("records")
    grades = read_table(tmp_path / "grades.csv", GRADES_COLUMNS)
    assert grades["reference"].isna().tolist() == [False, False, True]


def test_numeric_names_stay_names(tmp_path):
    path = tmp_path / "per_case.csv"
    path.write_text(",".join(PER_CASE_COLUMNS) + "\nNA,007,vs,0.5,1,2,3,4,\n")
    row = read_table(path, PER_CASE_COLUMNS).iloc[0]
    assert (row.entry, row.case, row.note) == ("NA", "007", "")


def test_a_missing_prediction_is_named_and_counts_as_missed(predictions, reference):
    (predictions / f"{CASES[1]}_Label.nii.gz").unlink()
    evaluation = evaluate_folders(predictions, reference, Task())
    assert evaluation.not_predicted == {"mine": [CASES[1]]}
    assert evaluation.summary["segmentation"]["mine"]["vs"]["missed"] == 1
    row = evaluation.per_case.query("case == @CASES[1] and structure == 'vs'").iloc[0]
    assert (row.dice, row.assd_mm, row.note) == (0.0, 350.0, "no prediction")


def test_structures_without_reference_are_left_out_of_the_mean(predictions, reference):
    write_volume(reference / "nested" / "target" / f"{CASES[0]}_Label.nii.gz", head(cochlea=False))
    summary = evaluate_folders(predictions, reference, Task()).summary["segmentation"]["mine"]
    assert (summary["cochlea"]["cases"], summary["vs"]["cases"]) == (2, 3)


def test_names_of_2023_and_predictions_without_reference(predictions, reference):
    (predictions / f"{CASES[0]}_Label.nii.gz").rename(predictions / f"{CASES[0]}.nii.gz")
    write_volume(predictions / "stranger_Label.nii.gz", head())
    evaluation = evaluate_folders(predictions, reference, Task())
    assert evaluation.not_predicted == {}
    assert evaluation.without_reference == {"mine": ["stranger"]}


def test_several_entries(predictions, reference):
    references = References.find(reference)
    folders = {"a": predictions, "b": predictions}
    grades = {"a": predictions / "predictions.csv"}
    evaluation = evaluate_entries(folders, grades, references, Task())
    assert list(evaluation.summary["segmentation"]) == ["a", "b"]
    assert list(evaluation.summary["grading"]) == ["a"]


def test_a_single_case_has_no_standard_deviation(predictions, reference):
    for case in CASES[1:]:
        (reference / "nested" / "target" / f"{case}_Label.nii.gz").unlink()
    summary = evaluate_folders(predictions, reference, Task()).summary
    assert summary["segmentation"]["mine"]["vs"]["dice"]["sd"] is None


def test_nothing_in_common(predictions, tmp_path):
    other = tmp_path / "other"
    write_volume(other / "someone_Label.nii.gz", head())
    (predictions / "predictions.csv").unlink()
    with pytest.raises(DataError, match=r"holds no prediction of a case in .*the references are of someone"):
        evaluate_folders(predictions, other, Task())


def test_a_grader_must_grade_every_graded_case(predictions, reference):
    (predictions / "predictions.csv").write_text(f"case,class\n{CASES[0]},2\n")
    with pytest.raises(DataError, match=rf"1 of 2 graded cases are missing \({CASES[1]}\)"):
        evaluate_folders(predictions, reference, Task())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,grade\na,1\n", "expected the columns case, class, got case, grade"),
        ("case,class\na,5\n", "line 2: case 'a': expected a Koos grade of 1 to 4, got '5'"),
        ("case,class\na,1\na,2\n", "case 'a' has two rows"),
        ("case,class,p1,p2,p3,p4\na,1,x,0,0,0\n", "expected numbers in p1 to p4"),
        ("case,class,p1,p2,p3,p4\na,1,70,10,10,10\n", "from 0 to 1 with a sum of 1"),
        ("case,class,p1,p2,p3,p4\na,1,0.5,0.1,0.1,0.1\n", "from 0 to 1 with a sum of 1"),
    ],
)
def test_broken_tables_of_grades(predictions, reference, text, message):
    (predictions / "predictions.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        evaluate_folders(predictions, reference, Task())


def test_another_grid_is_refused(predictions, reference):
    affine = np.diag([0.6, 0.8, 1.5, 1.0])
    write_volume(predictions / f"{CASES[0]}_Label.nii.gz", head(affine=affine))
    with pytest.raises(GeometryError, match=rf"mine/{CASES[0]}_Label.nii.gz: lies up to"):
        evaluate_folders(predictions, reference, Task())


def test_two_references_of_one_case(reference, predictions):
    write_volume(reference / f"{CASES[0]}_Label.nii", head())
    with pytest.raises(DataError, match="a label map of the same case"):
        evaluate_folders(predictions, reference, Task())


def test_folders_that_are_not_there(tmp_path, predictions):
    with pytest.raises(DataError, match="no such folder"):
        evaluate_folders(predictions, tmp_path / "nowhere", Task())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no references"):
        evaluate_folders(predictions, tmp_path / "empty", Task())


def of_2023(case):
    """The same structures with the labels of crossMoDA 2023: the tumour in two parts."""
    labels = head(case=case).voxels.copy()
    labels[labels == 2] = 3
    part = labels[:, :7]
    part[part == 1] = 2
    return LabelVolume(labels, AFFINE, case)


def test_parts_of_a_reference_are_merged_as_the_task_asks(predictions, reference, tmp_path):
    for case in CASES:
        write_volume(tmp_path / "reference2023" / f"{case}_Label.nii.gz", of_2023(case))
    merged = evaluate_folders(
        predictions, tmp_path / "reference2023", Task(), values={1: 1, 2: 1, 3: 2}
    ).per_case
    columns = ["case", "structure", "dice", "assd_mm", "hd95_mm"]
    expected = evaluate_folders(predictions, reference, Task()).per_case
    assert merged[columns].equals(expected[columns])
    with pytest.raises(
        DataError, match=r"has the values \[3\]; the label files of this layout have \[1, 2\]"
    ):
        evaluate_folders(predictions, tmp_path / "reference2023", Task(), values={1: 1, 2: 2})
