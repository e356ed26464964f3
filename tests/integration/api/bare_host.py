"""Settings of a project that never configured REST framework or drf-spectacular."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _DEMO

INSTALLED_APPS = [app for app in _DEMO if not app.startswith("drf_spectacular")]
REST_FRAMEWORK: dict[str, object] = {}
SPECTACULAR_SETTINGS: dict[str, object] = {}
