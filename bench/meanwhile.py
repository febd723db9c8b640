"""Work that goes on in threads while something else is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

Over = Callable[[], bool]
"""Whether the work should end."""


@contextmanager
def meanwhile(*works: Callable[[Over], None]) -> Iterator[None]:
    """Do each of these in a thread of its own until the block ends, then wait for them. Raises what one has raised."""
    over = threading.Event()
    with ThreadPoolExecutor(len(works)) as pool:
        going = [pool.submit(work, over.is_set) for work in works]
        try:
            yield
        finally:
            over.set()
    for work in going:
        work.result()
