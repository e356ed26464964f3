"""Django's settings of the process that is measured; the harness gives the addresses."""

import os

from demo_project.settings import from_url

SECRET_KEY = "for-measuring-only"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_push"]
DATABASES = {"default": from_url(os.environ["BENCH_DATABASE"])}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_ORIGIN = os.environ.get("BENCH_ORIGIN", "https://127.0.0.1:1")
DJANGO_PUSH = {
    "APNS_PRODUCTION_URL": _ORIGIN,
    "FCM_URL": _ORIGIN,
    "FCM_TOKEN_URL": f"{_ORIGIN}/token",
    "CA_FILE": os.environ.get("BENCH_CA_FILE"),
}
