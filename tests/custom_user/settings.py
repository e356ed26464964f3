"""The tests' settings with another user model, and another default for keys.

``makemigrations --check`` must find nothing to do here either.
"""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _USUAL

INSTALLED_APPS = [*_USUAL, "tests.custom_user"]
AUTH_USER_MODEL = "custom_user.User"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
