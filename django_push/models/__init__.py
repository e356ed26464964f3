"""The rows: who may push (applications), to whom (installations), what, and how it went."""

from .application import ApiKey, Application, ApplicationAccess, Role
from .credential import Credential
from .history import DeliveryFailure, PushBatch, PushHistory, State
from .idempotency import IdempotencyKey
from .installation import Installation, Subscription
from .notification import Notification
from .registration import Owner

__all__ = [
    "ApiKey",
    "Application",
    "ApplicationAccess",
    "Credential",
    "DeliveryFailure",
    "IdempotencyKey",
    "Installation",
    "Notification",
    "Owner",
    "PushBatch",
    "PushHistory",
    "Role",
    "State",
    "Subscription",
]
