"""The journal of a run: one line of JSON per event of a stage."""

from __future__ import annotations

import json
import os
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cmda_core.files import LOG_BYTES, write_text, writing


class Journal:
    """Appends events to ``journal.jsonl``; when that gets long, older ones move to ``journal.1.jsonl``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, stage: str, event: str, **facts: object) -> None:
        """Append one event and wait until it is on the disk.

        Raises:
            OutputError: If it cannot be written.
        """
        line = json.dumps(
            {"time": datetime.now(UTC).isoformat(timespec="seconds"), "stage": stage, "event": event, **facts}
        )
        with writing(self._path), self._path.open("ab") as stream:
            # A crash may have cut the last line off: this one must not be lost with it.
            begin = b"\n" if stream.tell() and not _ends_a_line(self._path) else b""
            stream.write(begin + line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def read(self) -> list[dict[str, Any]]:
        """All events; lines that were cut off by a crash are left out."""
        if not self._path.exists():
            return []
        events = []
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                events.append(event)
        return events

    def rotate(self) -> None:
        """Begin a new journal if this one is long; it starts with the last events of every stage.

        Raises:
            OutputError: If it cannot be written.
        """
        if not self._path.exists() or self._path.stat().st_size <= LOG_BYTES:
            return
        last: dict[tuple[object, object], dict[str, Any]] = {}
        for event in self.read():
            key = event.get("stage"), event.get("event")
            last.pop(key, None)  # in the order of the last ones, whatever the clock says
            last[key] = event
        old = self._path.with_name(f"{self._path.stem}.1{self._path.suffix}")
        write_text(old, self._path.read_text(encoding="utf-8", errors="replace"))
        write_text(self._path, "".join(json.dumps(event) + "\n" for event in last.values()))


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


_CLEAR_PEAK = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def forget_peak_memory() -> None:
    """Start a new measurement of the peak, where the system can."""
    if _CLEAR_PEAK.exists():
        try:
            _CLEAR_PEAK.write_text("5")
        except OSError:  # not permitted in some containers; the peak is then that of the process
            return


def peak_memory_mb() -> float:
    """Largest resident memory of this process in MiB since ``forget_peak_memory``."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
