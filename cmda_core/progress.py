"""How long work tells whoever started it that it goes on. The core draws nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]
"""Report that so many more steps are done."""


class Progress(Protocol):
    """Shows how far a task has come."""

    def task(self, description: str, total: int) -> AbstractContextManager[Advance]:
        """Show a task of ``total`` steps for as long as the block runs."""
        ...

    def note(self, message: str) -> None:
        """Show one line, such as the start of a stage or a warning."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        """Show nothing."""

        def advance(_steps: int) -> None:
            """Show nothing."""

        yield advance

    def note(self, message: str) -> None:
        """Show nothing."""
