"""What lies beside a stage's folder: a plugin that writes there breaks what others have made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cmda_core.errors import ContractError
from cmda_core.pipeline.folder import unfinish

_State = tuple[int, int]


@contextmanager
def undisturbed(root: Path, own: Path, others: Sequence[Path], blamed: str) -> Iterator[None]:
    """See to it that the block changes nothing in a run but one stage's folder.

    Args:
        root: The run folder. Files that lie directly in it are the harness's own.
        own: The stage's folder.
        others: Folders of all stages.
        blamed: Who works, for the message.

    Raises:
        ContractError: Naming what was changed. A stage whose files were changed counts as not done: the
            next attempt makes them again.
    """
    before = _files(root, own)
    yield
    after = _files(root, own)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if not changed:
        return
    for folder in others:
        if folder != own and any(Path(path).is_relative_to(folder) for path in changed):
            unfinish(folder)
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    raise ContractError(
        f"{blamed}: changed {changed[0]}{more}, outside of its folder {own}. A plugin writes below "
        "run.folder alone. Start the run again: what was changed is made anew."
    )


def _files(root: Path, own: Path) -> dict[str, _State]:
    found: dict[str, _State] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(folder, name) != own]
        if Path(folder) == root:
            continue
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118  # of tens of thousands
            state = os.lstat(path)
            found[path] = state.st_size, state.st_mtime_ns
    return found
