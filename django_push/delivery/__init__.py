"""The path of a push: planned into batches, claimed, sent, recorded, finished.

Faces use what is listed here; the worker uses :class:`Sender`, :func:`claim` and
:func:`claim_plan`.
"""

from ..clock import clock
from .beginning import claim_plan
from .claims import claim, expire_leases, free_stranded
from .control import cancel, pause, resume
from .finishing import fail_push, finish
from .lanes import preload
from .opening import open_push
from .opens import count_open
from .planning import Plan
from .progress import (
    CredentialProgress,
    Progress,
    ReasonCount,
    failure_reasons,
    progress,
)
from .rows import PASSING
from .sender import Sender, worker_name
from .series import advance_series, pause_series, resume_series, stop_series

__all__ = [
    "PASSING",
    "CredentialProgress",
    "Plan",
    "Progress",
    "ReasonCount",
    "Sender",
    "advance_series",
    "cancel",
    "claim",
    "claim_plan",
    "clock",
    "count_open",
    "expire_leases",
    "fail_push",
    "failure_reasons",
    "finish",
    "free_stranded",
    "open_push",
    "pause",
    "pause_series",
    "preload",
    "progress",
    "resume",
    "resume_series",
    "stop_series",
    "worker_name",
]
