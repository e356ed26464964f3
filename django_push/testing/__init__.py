"""For the tests of projects that send pushes: nothing leaves the house, everything can be seen.

::

    from django_push.testing import assert_push_sent, deliver_pushes, outbox

    def test_the_winner_is_told(self):
        with deliver_pushes():
            finish_game(winner=self.ana)
        assert_push_sent(user=self.ana, title="You won")

Works under ``TestCase``, where ``on_commit`` never runs: :func:`deliver_pushes` plans and delivers
inline, through the real pipeline and the ``locmem`` provider. With pytest there is the fixture
``push_outbox``, which does the same for a whole test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, overload

from django.db.models import Q
from django.test import override_settings

from ..conf import alias, push_settings
from ..messages import Status
from ..models import Installation, PushHistory
from ..providers import locmem
from ..providers.locmem import Delivery
from ..signals import push_submitted
from ..worker import Worker

__all__ = ["Outbox", "assert_push_sent", "deliver_pushes", "outbox"]


class Outbox(Sequence[Delivery]):
    """What was handed over to the ``locmem`` provider, oldest first."""

    submitted: list[PushHistory]
    """Pushes in the order of their submit, delivered or not."""

    def __init__(self) -> None:
        self.submitted = []
        push_submitted.connect(self._on_submitted)

    @overload
    def __getitem__(self, index: int) -> Delivery: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Delivery]: ...
    def __getitem__(self, index: int | slice) -> Delivery | Sequence[Delivery]:
        return locmem.outbox[index]

    def __len__(self) -> int:
        return len(locmem.outbox)

    def clear(self) -> None:
        locmem.outbox.clear()
        self.submitted.clear()

    def deliver(self) -> None:
        """Plan and deliver what is due, now."""
        worker = Worker(listen=False)
        worker.drain(60.0)
        worker.close()

    def _on_submitted(self, *, history: PushHistory, **_: Any) -> None:
        self.submitted.append(history)


outbox = Outbox()


@contextmanager
def deliver_pushes() -> Iterator[Outbox]:
    """Deliver what is submitted inside the block, to :data:`outbox`, when the block ends.

    The outbox is emptied first. Pushes that were in the queue before are delivered too; one that
    is scheduled for later stays where it is.
    """
    outbox.clear()
    given = {"REDIRECT_TO": "locmem", "DISPATCHER": lambda database: None}
    with override_settings(DJANGO_PUSH={**push_settings.given, **given}):
        yield outbox
        outbox.deliver()


def assert_push_sent(
    *,
    user: Any = None,
    installation: Installation | None = None,
    count: int | None = None,
    **texts: str,
) -> list[Delivery]:
    """The deliveries that were accepted and fit; fails with what was sent instead when none does.

    ``user`` is a user or a user id; ``count`` asks for exactly so many; ``texts`` are ``title``,
    ``body`` or ``subtitle``, compared with the payload's.
    """
    accepted = [d for d in outbox if d.outcome is Status.SENT]
    fitting = [d for d in accepted if _is_for(d, user, installation) and _says(d, texts)]
    wrong = len(fitting) != count if count is not None else not fitting
    if wrong:
        sent = (
            "\n".join(f"  {d.provider} {d.token[:16]} {d.outcome} {d.payload}" for d in outbox)
            or "  nothing"
        )
        raise AssertionError(f"{len(fitting)} fitting pushes were sent. Sent was:\n{sent}")
    return fitting


def _is_for(delivery: Delivery, user: Any, installation: Installation | None) -> bool:
    if installation is not None and delivery.token != installation.address:
        return False
    if user is None:
        return True
    theirs = Q(user_key=str(getattr(user, "pk", user)), address=delivery.token)
    return Installation.objects.using(alias()).filter(theirs).exists()


def _says(delivery: Delivery, texts: dict[str, str]) -> bool:
    found = dict(_texts(delivery.payload))
    return all(found.get(name) == text for name, text in texts.items())


def _texts(payload: Any) -> Iterator[tuple[str, str]]:
    """Every title, subtitle and body in a payload, wherever its network wants them."""
    if isinstance(payload, dict):
        for name, value in payload.items():
            if isinstance(value, str):
                yield name, value
            else:
                yield from _texts(value)
