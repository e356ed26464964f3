"""Keeps pushes in memory, for tests: look into :data:`outbox`.

::

    from django_push.providers.locmem import outbox

    outbox.clear()
    ...
    assert [d.token for d in outbox] == ["t1"]

Threads of one process share the list; ``list.append`` is atomic, so no lock is needed. Another
process, such as a worker, has a list of its own: use ``file`` there.
"""

from __future__ import annotations

from .redirect import Delivery, RedirectProvider

__all__ = ["Delivery", "LocmemProvider", "outbox"]

outbox: list[Delivery] = []
"""All hand-overs, oldest first, the refused ones too (see ``outcome``)."""


class LocmemProvider(RedirectProvider):
    """Appends to :data:`outbox`."""

    name = "locmem"
    verbose_name = "Memory"

    def write(self, delivery: Delivery) -> None:
        outbox.append(delivery)
