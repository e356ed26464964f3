"""Signals. ``pre_submit`` may veto, the others only tell.

* ``pre_submit(sender, notification)``: sent with ``send`` inside submit's transaction, before
  anything is queued. Raise :class:`~django_push.exceptions.InvalidPush` to refuse the push.
* ``push_submitted(sender, history)``: a push is in the queue, or scheduled; sent inside submit's
  transaction, which may still be rolled back by the caller.
* ``push_finished(sender, history)``: every device of the push has its final outcome.
* ``push_paused(sender, history, credential, reason)``: a credential's batches were paused by
  the guard.
* ``installation_deactivated(sender, installation_ids, reason)``: the provider said that these
  are gone (``dead``), or knows their token in no environment (``wrong``).

All but the first two are sent after the transaction that they tell of. All but the first are
sent with ``send_robust``.
"""

from django.dispatch import Signal

__all__ = [
    "installation_deactivated",
    "pre_submit",
    "push_finished",
    "push_paused",
    "push_submitted",
]

pre_submit = Signal()
push_submitted = Signal()
push_finished = Signal()
push_paused = Signal()
installation_deactivated = Signal()
