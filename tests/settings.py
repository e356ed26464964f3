"""The demo's settings, with the database and the endpoints of a test run.

``DATABASE_URL`` chooses the database; without it SQLite in a file, as real processes need.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from demo_project.settings import *  # noqa: F403
from demo_project.settings import DJANGO_PUSH as _DEMO
from demo_project.settings import from_url, sqlite

_STATE = Path(tempfile.gettempdir()) / f"django-push-tests-{os.getuid()}"
_STATE.mkdir(mode=0o700, exist_ok=True)

SECRET_KEY = "only-for-tests"
DEBUG = False

if "DATABASE_URL" in os.environ:
    DATABASES = {"default": from_url(os.environ["DATABASE_URL"])}
else:
    DATABASES = {"default": sqlite(_STATE / "db.sqlite3")}
    DATABASES["default"]["TEST"] = {"NAME": str(_STATE / f"test-{os.getpid()}.sqlite3")}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DJANGO_PUSH = {**_DEMO, "REDIRECT_TO": None, "FILE": str(_STATE / "deliveries.jsonl")}

# A process that a test starts: the test's own database, and what the test changed.
if "PUSH_TEST_DATABASE" in os.environ:
    DATABASES["default"]["NAME"] = os.environ["PUSH_TEST_DATABASE"]
DJANGO_PUSH |= json.loads(os.environ.get("PUSH_TEST_SETTINGS", "{}"))
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("PUSH_TEST_QUEUE", "celery")
