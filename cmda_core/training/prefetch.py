"""Training samples that are loaded ahead."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Sample = TypeVar("Sample")


class Prefetched(Generic[Sample]):
    """Loads the sample of the next step while the device is busy with this one.

    Used as a context manager, which ends its thread.

    Args:
        load: Gives the sample of a step; depends on the number of the step alone.
    """

    def __init__(self, load: Callable[[int], Sample]) -> None:
        self._load = load
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="samples")
        self._ahead: tuple[int, Future[Sample]] | None = None

    def __enter__(self) -> Prefetched[Sample]:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.shutdown(cancel_futures=True)

    def sample(self, step: int) -> Sample:
        """The sample of a step; from now on that of the following step is loaded.

        Raises:
            DataError: If a file cannot be read.
        """
        ahead, self._ahead = self._ahead, None
        sample = ahead[1].result() if ahead is not None and ahead[0] == step else self._load(step)
        self._ahead = step + 1, self._worker.submit(self._load, step + 1)
        return sample
