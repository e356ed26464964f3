"""Addresses of the API: ``path("push/", include("django_push.api.urls"))``.

All work with and without a final slash: a redirect would lose the body of a POST, and the clients
out there do not follow one.
"""

from __future__ import annotations

from django.urls import include, re_path
from rest_framework.routers import SimpleRouter

from .base import NotFoundView
from .views.bulk import InstallationBulkViewSet
from .views.own_device import FindDevice, OpenedView, OwnDevice
from .views.people import UserData
from .views.preferences import DevicePreferences, Preferences, UserPreferences
from .views.purposes import PurposeViewSet
from .views.pushes import PUSH_ID, CountView, FailureViewSet, HistoryViewSet, NotificationViewSet
from .views.registration import RegisterDevice, UnregisterDevice
from .views.registry import INSTALLATION_ID, ApplicationViewSet, InstallationViewSet
from .views.schema import DocsView, SchemaView
from .views.segments import SegmentViewSet
from .views.traces import TraceViewSet
from .views.user_devices import UserDevices

app_name = "django_push"

_DEVICE = "(?P<app_key>[^/]+)/devices/(?P<id>[^/\\x00]{1,64})"


class _Router(SimpleRouter):
    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"


router = _Router()
router.register("applications", ApplicationViewSet, basename="application")
router.register("installations", InstallationViewSet, basename="installation")
router.register("purposes", PurposeViewSet, basename="purpose")
router.register("notifications", NotificationViewSet, basename="notification")
router.register("history", HistoryViewSet, basename="history")
router.register("segments", SegmentViewSet, basename="segment")

_api = [
    re_path(
        r"^installations/bulk/?$",
        InstallationBulkViewSet.as_view(
            {"post": "create", "patch": "partial_update"}, basename="installation_bulk"
        ),
        name="installation-bulk",
    ),
    *router.urls,
    re_path(
        rf"^history/(?P<id>{PUSH_ID})/failures/?$",
        FailureViewSet.as_view({"get": "list"}),
        name="history-failures",
    ),
    re_path(
        rf"^installations/(?P<id>{INSTALLATION_ID})/preferences/?$",
        DevicePreferences.as_view(),
        name="device-preferences",
    ),
    re_path(
        r"^users/(?P<user>[^/\x00]{1,191})/preferences/?$",
        UserPreferences.as_view(),
        name="user-preferences",
    ),
    re_path(
        r"^users/(?P<user>[^/\x00]{1,191})/devices/?$",
        UserDevices.as_view({"get": "list"}),
        name="user-devices",
    ),
    re_path(r"^users/(?P<user>[^/\x00]{1,191})/data/?$", UserData.as_view(), name="user-data"),
    re_path(
        rf"^installations/(?P<id>{INSTALLATION_ID})/history/?$",
        TraceViewSet.as_view({"get": "list"}),
        name="installation-history",
    ),
    re_path(
        rf"^installations/(?P<id>{INSTALLATION_ID})/history/(?P<push>{PUSH_ID})/?$",
        TraceViewSet.as_view({"get": "retrieve"}),
        name="installation-history-check",
    ),
    re_path(r"^audience/count/?$", CountView.as_view(), name="audience-count"),
    re_path(r"^schema/?$", SchemaView.as_view(), name="schema"),
    re_path(r"^docs/?$", DocsView.as_view(), name="docs"),
    re_path(r"^", NotFoundView.as_view()),
]

# The registrations stand first, so that an application may even be called "api".
urlpatterns = [
    re_path(
        r"^(?P<app_key>[^/]+)/register-device/?$", RegisterDevice.as_view(), name="register-device"
    ),
    re_path(
        r"^(?P<app_key>[^/]+)/unregister-device/?$",
        UnregisterDevice.as_view(),
        name="unregister-device",
    ),
    re_path(rf"^{_DEVICE}/?$", OwnDevice.as_view(), name="own-device"),
    re_path(rf"^{_DEVICE}/opened/?$", OpenedView.as_view(), name="own-device-opened"),
    re_path(r"^(?P<app_key>[^/]+)/find-device/?$", FindDevice.as_view(), name="find-device"),
    re_path(r"^(?P<app_key>[^/]+)/preferences/?$", Preferences.as_view(), name="preferences"),
    re_path(r"^api/", include(_api)),
]
