"""Tables of grades, manifests, predictions and scores that cannot be what they should."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from .corpus import Command, Malformed, Place

INFOS = (
    '"crossmoda_name","group","center","koos"\n"crossmoda2021_ldn_1","training","london",1\n'
    '"crossmoda2021_ldn_2","training","london",2\n"crossmoda2021_ldn_3","training","london",3\n'
)
Damage = Callable[[Path, str], None]


def _replaced(*pairs: tuple[str, str]) -> Damage:
    def damage(path: Path, text: str) -> None:
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)

    return damage


def _encoded(encoding: str, more: str = "") -> Damage:
    return lambda path, text: path.write_bytes((text + more).encode(encoding)) and None


def _sparse(path: Path, text: str) -> None:
    with path.open("w") as stream:
        stream.write(text)
        stream.truncate(2**31)


def _pipe(path: Path, text: str) -> None:
    os.mkfifo(path)


def _folder(path: Path, text: str) -> None:
    path.mkdir()


def _any_table() -> Iterator[tuple[str, Damage, str]]:
    """What is wrong with a table of any kind."""
    yield "UTF-16", _encoded("utf-16"), "UTF-8"
    yield "Latin-1", _encoded("latin-1", "ä,ö,ü\n"), "UTF-8"
    yield "empty", lambda path, text: path.touch(), "none"
    yield "binary", lambda path, text: path.write_bytes(bytes(range(256)) * 40) and None, ""
    yield "quotation mark", lambda path, text: path.write_text(f'{text}"never closed\n') and None, "line"
    yield "endless cell", lambda path, text: path.write_text(f"{text}{'x' * 200_000},1\n") and None, "line"
    yield "cells too many", lambda path, text: path.write_text(f"{text}{'1,' * 30}1\n") and None, "cells"
    yield "2 GiB", _sparse, "MiB"


def _semicolons(path: Path, text: str) -> None:
    path.write_text(text.replace(",", ";"))


def _tabs(path: Path, text: str) -> None:
    path.write_text(text.replace(",", "\t"))


def _infos() -> Iterator[tuple[str, Damage, str]]:
    yield from _any_table()
    yield "semicolons", _semicolons, "separated"
    yield "tabs", _tabs, "separated"
    yield "no koos", _replaced(('"koos"', '"grade"')), "koos"
    yield "no name", _replaced(('"crossmoda_name"', '"name"')), "crossmoda_name"
    yield "koos twice", _replaced(('"group"', '"koos"')), "two columns are named 'koos'"
    yield "two grades", _replaced(('"crossmoda2021_ldn_1"', '"crossmoda2021_ldn_2"')), "1 and 2"
    for grade in ("0", "5", "2.5", "-3", "1e9", "inf", "44"):
        yield f"grade {grade}", _replaced(('london",2', f'london",{grade}')), "line 3"


def _of_infos(name: str, damage: Damage, word: str) -> Malformed:
    def make(place: Place) -> Command:
        root = place.copy(place.dataset)
        path = next(root.rglob("infos_source_training.csv"))
        path.unlink()
        damage(path, INFOS)
        return place.check(root)

    return Malformed(f"infos: {name}", make, ("infos_source_training.csv", word))


def _manifest(place: Place) -> tuple[Path, str]:
    root = place.copy(place.dataset)
    rows = ["case,subject,split,modality,image,labels,grade"]
    for path in sorted(root.rglob("*_ceT1.nii.gz")):
        name = path.name.removesuffix("_ceT1.nii.gz")
        labels = path.with_name(f"{name}_Label.nii.gz").relative_to(root)
        rows.append(f"{name},{name},source,ceT1,{path.relative_to(root)},{labels},2")
    for path in sorted(root.rglob("*_hrT2.nii.gz")):
        name = path.name.removesuffix("_hrT2.nii.gz")
        split = "test" if "validation" in str(path) else "target"
        rows.append(f"{name},{name},{split},hrT2,{path.relative_to(root)},,")
    return root, "\n".join(rows) + "\n"


def _manifests() -> Iterator[tuple[str, Damage, str]]:
    yield from _any_table()
    yield "semicolons", _semicolons, "';'"
    yield "no split", _replaced(("split", "cohort")), "split"
    yield "no image", _replaced((",image", ",file")), "image"
    yield "misspelt", _replaced((",labels", ",lables")), "did you mean 'labels'"
    yield "column twice", _replaced(("subject,split", "split,split")), "two columns are named 'split'"
    yield "other split", _replaced((",test,", ",validation,")), "line 7: split"
    yield "empty image", lambda p, t: p.write_text(f"{t}a,a,test,hrT2,,,\n") and None, "line 8: image"
    for image in ("gone.nii.gz", "..", ".", "x" * 300, "a\0b", "/dev/zero"):
        line = f"a,a,test,hrT2,{image},,\n"
        yield f"image {image[:12]!r}", lambda p, t, x=line: p.write_text(t + x) and None, "line 8: image"
    line = "a,a,source,ceT1,crossmoda2022_training/training_source/crossmoda2021_ldn_1_ceT1.nii.gz,gone,\n"
    yield "labels gone", lambda p, t: p.write_text(t + line) and None, "line 8: labels"
    for grade in ("0", "5", "7.5", "1e400"):
        yield f"grade {grade}", _replaced((".nii.gz,2\n", f".nii.gz,{grade}\n")), "line 2: grade"
    for case in ("../../evil", "/etc/evil", ".hidden", "a/b", "\x1b[31mred", "n" * 400):
        text = f"\n{case},p,source,"
        name = "\ncrossmoda2021_ldn_2,crossmoda2021_ldn_2,source,"
        yield f"case {case[:10]!r}", _replaced((name, text)), "line 3: case"
    yield "case twice", _replaced(("\ncrossmoda2021_ldn_1,", "\ncrossmoda2021_ldn_2,")), "ldn_2"
    yield "other modality", _replaced((",ceT1,", ",FLAIR,")), "FLAIR"
    yield "no source", _replaced((",source,", ",,")), "no source scan"
    yield "no target", _replaced((",target,", ",,")), "no target scan"
    yield "header alone", lambda p, t: p.write_text(t.partition("\n")[0] + "\n") and None, "no source scan"


def _of_manifest(name: str, damage: Damage, word: str) -> Malformed:
    def make(place: Place) -> Command:
        root, text = _manifest(place)
        damage(root / "manifest.csv", text)
        return place.check(root / "manifest.csv")

    return Malformed(f"manifest: {name}", make, ("manifest.csv", word))


PREDICTIONS = "case,class,p1,p2,p3,p4\ncrossmoda2021_ldn_211,2,0.1,0.7,0.1,0.1\n"


def _predictions() -> Iterator[tuple[str, Damage, str]]:
    yield from _any_table()
    yield "no class", _replaced(("class", "grade")), "class"
    for grade in ("0", "5", "II", "", "2.0", "-1", "2;3"):
        yield f"class {grade!r}", _replaced((",2,", f",{grade},")), "line 2"
    for share in ("nan", "inf", "-0.1", "1.7", "x", "0.9"):
        yield f"p2 {share}", _replaced(("0.7", share)), "line 2"
    twice = "crossmoda2021_ldn_211,3,,,,\n"
    yield "case twice", lambda p, t: p.write_text(t + twice) and None, "two rows"
    yield "case missing", _replaced(("ldn_211", "ldn_999")), "missing"


def _of_predictions(name: str, damage: Damage, word: str) -> Malformed:
    def make(place: Place) -> Command:
        predictions, truth = place.folder / "predictions", place.folder / "truth"
        predictions.mkdir()
        truth.mkdir()
        (truth / "infos_truth.csv").write_text("crossmoda_name,koos\ncrossmoda2021_ldn_211,2\n")
        damage(predictions / "predictions.csv", PREDICTIONS)
        return ["evaluate", predictions, truth, "--out", place.out]

    return Malformed(f"predictions: {name}", make, ("predictions.csv", word))


WIDE = "Case,VS_Dice,VS_ASSD,Team\n1,0.9,0.4,a\n2,0.8,0.5,a\n1,0.85,0.45,b\n2,0.7,0.8,b\n"
LONG = "entry,seed,case,structure,dice\na,0,1,vs,0.9\na,0,2,vs,0.8\nb,0,1,vs,0.7\nb,0,2,vs,0.6\n"


def _scores() -> Iterator[tuple[str, str, str]]:
    for share in ("1.2", "-0.1", "inf", "x", "", "nan"):
        yield f"Dice {share!r}", WIDE.replace("0.85", share), "Dice"
    yield "ASSD -1", WIDE.replace("0.45", "-1"), "ASSD"
    yield "no team", WIDE.replace("Team", "Group"), "team"
    yield "no score", "Case,Team\n1,a\n", "Expected"
    yield "team without a case", WIDE.replace("2,0.7,0.8,b\n", ""), "b (seed 0) has no score of case 2"
    yield "rows twice", f"{WIDE}2,0.7,0.8,b\n", "two rows"
    yield "nameless team", WIDE.replace(",b\n", ",\n"), "has no entry"
    for seed in ("-1", "x", "1.5", "9" * 40, "١"):
        yield f"seed {seed[:5]}", LONG.replace("b,0,2", f"b,{seed},2"), "line 5"
    yield "two columns but for case", LONG.replace("structure", "Structure,structure", 1), "structure"
    yield "header alone", LONG.partition("\n")[0] + "\n", "no scores"


def _of_scores(name: str, text: str, word: str) -> Malformed:
    def make(place: Place) -> Command:
        path = place.folder / "scores.csv"
        path.write_text(text)
        return ["compare", "--scores", path, "--out", place.out]

    return Malformed(f"scores: {name}", make, ("scores.csv", word))


def _of_damaged_scores(name: str, damage: Damage, word: str) -> Malformed:
    def make(place: Place) -> Command:
        damage(place.folder / "scores.csv", WIDE)
        return ["compare", "--scores", place.folder / "scores.csv", "--out", place.out]

    return Malformed(f"scores: {name}", make, ("scores.csv", word if word != "none" else ""))


TABLES = [
    *(_of_infos(*one) for one in _infos()),
    *(_of_manifest(*one) for one in _manifests()),
    *(_of_predictions(*one) for one in _predictions()),
    *(_of_scores(*one) for one in _scores()),
    *(_of_damaged_scores(*one) for one in _any_table()),
    *(
        _of_manifest(f"a {name}", damage, word)
        for name, damage, word in (("pipe", _pipe, "no such folder"), ("folder", _folder, ""))
    ),
]
