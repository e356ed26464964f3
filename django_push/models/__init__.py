"""The rows: who may push (applications), to whom (installations), what, and how it went."""

from .application import AccessRestriction, ApiKey, Application, ApplicationAccess, Role
from .bulk import Fate, Registered
from .cleanup import CleanUp
from .credential import Credential
from .glance import Glance, glance
from .history import DeliveryFailure, PushBatch, PushHistory, State
from .idempotency import IdempotencyKey
from .installation import Installation, Subscription
from .notification import Notification
from .preferences import Purpose, PurposeChoice, Stance, Whose
from .quiet_hours import QuietHours
from .registration import Owner, Said
from .segment import Segment

__all__ = [
    "AccessRestriction",
    "ApiKey",
    "Application",
    "ApplicationAccess",
    "CleanUp",
    "Credential",
    "DeliveryFailure",
    "Fate",
    "Glance",
    "IdempotencyKey",
    "Installation",
    "Notification",
    "Owner",
    "Purpose",
    "PurposeChoice",
    "PushBatch",
    "PushHistory",
    "QuietHours",
    "Registered",
    "Role",
    "Said",
    "Segment",
    "Stance",
    "State",
    "Subscription",
    "Whose",
    "glance",
]
