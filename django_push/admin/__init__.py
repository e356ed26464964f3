"""The console: Django's admin, with a composer, a live report and a home page for pushes.

Every row, choice and count that a page shows comes from ``Application.objects.visible_to(user)``,
by one mixin: :class:`~django_push.admin.visibility.VisibleAdmin`. The nights are sums of all
applications, and shown to those who see all.
"""

from .apikey import ApiKeyAdmin
from .application import ApplicationAdmin
from .cleanup import CleanUpAdmin
from .credential import CredentialAdmin
from .failures import DeliveryFailureAdmin
from .history import PushHistoryAdmin
from .installation import InstallationAdmin
from .ledger import IdempotencyKeyAdmin, PushBatchAdmin
from .notification import NotificationAdmin
from .segment import SegmentAdmin
from .user_page import UserDevicesInline

__all__ = [
    "ApiKeyAdmin",
    "ApplicationAdmin",
    "CleanUpAdmin",
    "CredentialAdmin",
    "DeliveryFailureAdmin",
    "IdempotencyKeyAdmin",
    "InstallationAdmin",
    "NotificationAdmin",
    "PushBatchAdmin",
    "PushHistoryAdmin",
    "SegmentAdmin",
    "UserDevicesInline",
]
