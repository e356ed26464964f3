"""The path of a push: planned into batches, claimed, sent, recorded, finished.

Faces use what is listed here; the worker uses :class:`Sender`, :func:`claim` and
:func:`claim_plan`.
"""

from ..clock import clock
from .claims import claim, expire_leases, free_stranded
from .control import cancel, pause, resume
from .lanes import preload
from .opening import open_push
from .planning import Plan, claim_plan
from .progress import (
    CredentialProgress,
    Progress,
    ReasonCount,
    failure_reasons,
    progress,
)
from .rows import PASSING
from .sender import Sender, worker_name
from .settling import fail_push, finish

__all__ = [
    "PASSING",
    "CredentialProgress",
    "Plan",
    "Progress",
    "ReasonCount",
    "Sender",
    "cancel",
    "claim",
    "claim_plan",
    "clock",
    "expire_leases",
    "fail_push",
    "failure_reasons",
    "finish",
    "free_stranded",
    "open_push",
    "pause",
    "preload",
    "progress",
    "resume",
    "worker_name",
]
