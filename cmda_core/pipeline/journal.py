"""The journal of a run: one line of JSON per event of a stage."""

from __future__ import annotations

import json
import os
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Journal:
    """Appends events to ``journal.jsonl``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, stage: str, event: str, **facts: object) -> None:
        """Append one event and wait until it is on the disk."""
        line = json.dumps(
            {"time": datetime.now(UTC).isoformat(timespec="seconds"), "stage": stage, "event": event, **facts}
        )
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def read(self) -> list[dict[str, Any]]:
        """All events; a last line that was cut off by a crash is left out."""
        if not self._path.exists():
            return []
        events = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
        return events


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
