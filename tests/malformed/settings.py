"""Experiments, plugin configs and benchmarks that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator

from .corpus import Command, Malformed, Place

TOYS = "preprocessor: toy\ntranslator: toy\nsegmenter: toy\ngrader: toy\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def _not_yaml() -> Iterator[tuple[str, str | bytes, str]]:
    yield "open bracket", "task: [", "line"
    yield "tabs", "task:\n\tsource: a\n", "line 2"
    yield "colon", "a: b: c\n", "line 1"
    yield "list", "- a\n- b\n", "got a list"
    yield "text", "hello\n", "got a str"
    yield "number", "42\n", "got a int"
    yield "nothing", "", "got nothing"
    yield "comment", "# nothing\n", "got nothing"
    yield "two documents", "a: 1\n---\nb: 2\n", "document"
    yield "python object", "name: !!python/object/apply:os.system [ls]\n", "python/object"
    yield "python name", "name: !!python/name:os.system\n", "python/name"
    yield "unknown tag", "name: !include other.yaml\n", "!include"
    yield "bad date", "name: 2024-13-45\n", "cannot be read"
    for tag in ("int", "float", "bool", "timestamp", "null"):
        yield f"tag {tag}", f"name: !!{tag} foo\n", ""
    yield "huge number", f"runtime: {{seed: {'9' * 5000}}}\n", ""
    yield "unknown alias", "name: *gone\n", "gone"
    yield "unhashable key", "? [a]\n: b\n", ""
    yield "mapping as key", "? {a: b}\n: c\n", ""
    yield "number as key", "1: a\n", "1"
    yield "key twice", "name: a\nname: b\n", "twice"
    yield "inner key twice", "task: {source: a, source: b}\n", "twice"
    yield "holds itself", "data: &a {root: *a}\n", ""
    yield "list in itself", "data: &a [*a]\n", "itself"
    yield "bomb", BOMB, "aliases"
    yield "deep", "a: " + "[" * 5000, "nested"
    yield "deep and closed", "a: " + "[" * 3000 + "]" * 3000, "nested"
    yield "deep mapping", "".join(f"{' ' * depth}a:\n" for depth in range(600)), "nested"
    yield "large", "name: a\n" * 40_000, "KiB"
    yield "binary file", bytes(range(256)), ""
    yield "UTF-16", "name: a\n".encode("utf-16"), "UTF-8"
    yield "Latin-1", "name: Schädel\n".encode("latin-1"), "UTF-8"
    yield "control", b"name: a\x00b\n", ""
    yield "escape", b"name: \x1b[31m\n", ""


def _no_setting() -> Iterator[tuple[str, str, str]]:
    yield "unknown", "nmae: a\n", "Did you mean 'name'"
    yield "unknown, inner", "runtime: {sead: 1}\n", "Did you mean 'seed'"
    yield "plugin missing", "translator: {steps: 3}\n", "translator"
    for kind in ("translator", "segmenter", "grader", "preprocessor"):
        yield f"{kind} null", f"{kind}: null\n", kind
        yield f"{kind} a list", f"{kind}: [a]\n", kind
        yield f"{kind} unknown", f"{kind}: nowhere\n", "nowhere"
    for key, value in (
        ("seed", "-1"),
        ("seed", "1.5"),
        ("seed", "many"),
        ("seed", "null"),
        ("seed", ".inf"),
        ("device", "tpu"),
        ("devices", "0"),
        ("precision", "8"),
        ("threads", "-2"),
        ("jobs", "-2"),
        ("jobs", "[1]"),
    ):
        yield f"runtime.{key} {value}", f"runtime: {{{key}: {value}}}\n", f"runtime.{key}"
    yield "runtime a list", "runtime: [1, 2]\n", "runtime"
    yield "one modality", "task: {source: a, target: a}\n", "task"
    yield "labels with a gap", "task: {structures: {vs: 1, cochlea: 3}}\n", "task"
    yield "no structures", "task: {structures: {}}\n", "task.structures"
    yield "labels of words", "task: {structures: {vs: one}}\n", "task.structures"
    yield "other tumour", "task: {tumour: liver}\n", "tumour"
    for name in ("../../a", "a/b", ".", "''"):
        yield f"modality {name}", f"task: {{source: {name}}}\n", "task.source"
    yield "layout", "data: {layout: dicom}\n", "data.layout"
    yield "root a list", "data: {root: [a]}\n", "data.root"
    yield "root with a zero", 'data: {root: "a\\0b"}\n', "data.root"
    yield "root too long", f"data: {{root: {'x' * 300}}}\n", "data.root"
    yield "reference too long", f"data: {{reference: {'x' * 300}}}\n", "data.reference"
    yield "root gone", "data: {root: gone}\n", "gone"
    yield "labels of 0", "data: {labels: {vs: 0}}\n", "data.labels"
    yield "labels of 256", "data: {labels: {vs: 256, cochlea: 2}}\n", "data.labels"
    yield "labels shared", "data: {labels: {vs: 1, cochlea: 1}, root: ROOT}\n", "share the value 1"
    yield "labels lacking", "data: {labels: {vs: 1}, root: ROOT}\n", "cochlea"
    yield "reference gone", "data: {root: ROOT, reference: gone}\n", "data.reference"
    yield "one fold", "grading: {folds: 1}\n", "grading.folds"
    yield "grader twice", "baselines: {graders: [toy]}\n", ""
    yield "preset", "preset: nothing\n", "nothing"
    yield "preset a list", "preset: [demo]\n", "preset"
    yield "name a list", "name: [a]\n", "name"


def _no_plugin_setting() -> Iterator[tuple[str, str, str]]:
    for value in ("0", "-1", "1.5", "many", "null", "[1]", "{a: 1}", ".nan", ".inf", "true x"):
        for kind in ("translator", "segmenter"):
            yield f"{kind}.steps {value}", f"{kind}: {{plugin: toy, steps: {value}}}\n", "steps"
    yield "misspelt", "translator: {plugin: toy, setps: 3}\n", "Did you mean 'steps'"
    yield "long value", f"translator: {{plugin: toy, steps: {'x' * 5000}}}\n", "steps"
    yield "needs a file", "grader: {plugin: toy, needs: gone}\ndata: {root: ROOT}\n", "needs"
    yield "needs an encoder", "grader: picky\n", "shared encoder"


def _experiment(name: str, text: str | bytes, word: str) -> Malformed:
    def make(place: Place) -> Command:
        path = place.folder / "mine.yaml"
        content = text
        if isinstance(content, str):
            kept = [line for line in TOYS.splitlines() if f"{line.partition(':')[0]}:" not in content]
            if name != "nothing" and "plain" not in name:
                content = content + ("" if content.startswith(("-", "h", "4", "#", "?")) else "\n".join(kept))
            content = content.replace("ROOT", str(place.dataset))
            path.write_text(content, encoding="utf-8")
        else:
            path.write_bytes(content)
        return ["run", path, "--out", place.out]

    by_value = ("gone", "cochlea", "share", "nowhere", "encoder", "needs", "data.reference", "line 1")
    names = (word,) if any(known in word for known in by_value) else ("mine.yaml", word)
    return Malformed(f"experiment: {name}", make, names)


def _benchmarks() -> Iterator[tuple[str, str, str]]:
    yield "no entries", "name: a\n", "entries"
    yield "empty entries", "entries: []\n", "entries"
    yield "nameless entry", "entries: [{}]\n", "entries.0.name"
    yield "name of signs", "entries: [{name: '***'}]\n", "letter"
    yield "entries alike", "entries: [{name: a b}, {name: A-B}]\n", "entries"
    yield "other training", "entries: [{name: a, training: none}]\n", "entries.0.training"
    yield "baseline", "entries: [{name: a}]\nbaseline: b\n", "baseline"
    yield "metric", "entries: [{name: a}]\nmetrics: [iou]\n", "metrics"
    yield "no seeds", "entries: [{name: a}]\nseeds: []\n", "seeds"
    yield "seeds alike", "entries: [{name: a}]\nseeds: [1, 1]\n", "seeds"
    yield "seed below 0", "entries: [{name: a}]\nseeds: [-1]\n", "seed"
    yield "scale", "entries: [{name: a}]\nscale: big\n", "scale"
    yield "limit", "entries: [{name: a}]\nlimit_minutes: 0\n", "limit_minutes"
    yield "limit of NaN", "entries: [{name: a}]\nlimit_minutes: .nan\n", "limit_minutes"
    yield "phantom", "entries: [{name: a}]\nphantom: {preset: huge}\n", "phantom.preset"
    yield "base gone", "entries: [{name: a}]\nbase: gone.yaml\n", "gone.yaml"
    yield "setting", "entries: [{name: a, settings: {translator: {plugin: toy, setps: 1}}}]\n", "setps"
    yield "settings a list", "entries: [{name: a, settings: [1]}]\n", "entries.0.settings"
    yield "twice", "entries: [{name: a}]\nentries: [{name: b}]\n", "twice"
    yield "bomb", BOMB, "aliases"


def _benchmark(name: str, text: str, word: str) -> Malformed:
    def make(place: Place) -> Command:
        (place.folder / "base.yaml").write_text(
            f"{TOYS}data: {{root: {place.dataset}, reference: {place.dataset}/crossmoda2022_reference}}\n"
        )
        path = place.folder / "mine.yaml"
        path.write_text(text if "base:" in text else f"{text}base: base.yaml\n")
        return ["compare", path, "--out", place.out]

    return Malformed(
        f"benchmark: {name}", make, (word,) if word in ("gone.yaml", "setps", "seed") else ("mine.yaml", word)
    )


def _assignments() -> Iterator[tuple[str, str, str, int]]:
    yield "no equals", "translator.steps", "KEY=VALUE", 2
    yield "no key", "=3", "KEY=VALUE", 2
    yield "not YAML", "translator.steps=[", "translator.steps=[", 1
    yield "object", "name=!!python/name:os.system", "python/name", 1
    yield "through a value", "name.a.b=1", "name", 1
    yield "unknown", "translator.setps=1", "steps", 1
    yield "dots", "..=1", "", 1
    yield "long", f"name={'[' * 3000}", "nested", 1


def _assignment(name: str, text: str, word: str, code: int) -> Malformed:
    def make(place: Place) -> Command:
        path = place.folder / "mine.yaml"
        path.write_text(f"{TOYS}data: {{root: {place.dataset}}}\n")
        return ["run", path, "--out", place.out, "--set", text]

    return Malformed(f"--set: {name}", make, (word,), code)


SETTINGS = [
    *(_experiment(*one) for one in _not_yaml()),
    *(_experiment(*one) for one in _no_setting()),
    *(_experiment(*one) for one in _no_plugin_setting()),
    *(_benchmark(*one) for one in _benchmarks()),
    *(_assignment(*one) for one in _assignments()),
]
