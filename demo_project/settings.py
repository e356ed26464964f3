"""The demo: everything on one machine, no account at Apple or Google, no service to install.

Read from the environment: ``PUSH_REDIRECT_TO`` and ``PUSH_FILE`` (see the README), ``DEMO_DIR``
(where the database and the simulator's certificates live), ``DATABASE_URL`` (postgresql://…),
``SIMULATOR_PORT`` (the first of four ports), ``ALLOWED_HOSTS`` (separated by commas).
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent
DEMO_DIR = Path(os.environ.get("DEMO_DIR", BASE_DIR / "var"))
SIMULATOR_PORT = int(os.environ.get("SIMULATOR_PORT", "8443"))
SIMULATOR_CONTROL_PORT = int(os.environ.get("SIMULATOR_CONTROL_PORT", SIMULATOR_PORT + 1))
SIMULATOR_FCM_PORT = int(os.environ.get("SIMULATOR_FCM_PORT", SIMULATOR_PORT + 2))
SIMULATOR_SANDBOX_PORT = int(os.environ.get("SIMULATOR_SANDBOX_PORT", SIMULATOR_PORT + 3))
SIMULATOR_STATE = DEMO_DIR / "simulator"

SECRET_KEY = os.environ.get("SECRET_KEY", "the-demo-is-for-one-machine-and-keeps-no-secrets")
DEBUG = os.environ.get("DEBUG", "1") == "1"
# Everybody knows the demo's passwords: no web page may reach it under a name of its own.
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]").split(",")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_push",
    "demo_project",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

ROOT_URLCONF = "demo_project.urls"
ASGI_APPLICATION = "demo_project.asgi.application"


def sqlite(path: Path | str) -> dict[str, object]:
    """SQLite as a queue needs it: writers wait for each other instead of failing."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)  # in a fresh clone there is no var/
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def from_url(url: str) -> dict[str, object]:
    """``postgresql://user:password@host:port/name`` or ``mysql://…`` as Django's settings."""
    parts = urlsplit(url)
    mysql = parts.scheme in {"mysql", "mariadb"}
    return {
        "ENGINE": f"django.db.backends.{'mysql' if mysql else 'postgresql'}",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": {"charset": "utf8mb4"} if mysql else {},
    }


DATABASES = {
    "default": from_url(os.environ["DATABASE_URL"])
    if "DATABASE_URL" in os.environ
    else sqlite(DEMO_DIR / "demo.sqlite3")
}

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en-us"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "django_push",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
}

DJANGO_PUSH = {
    "REDIRECT_TO": os.environ.get("PUSH_REDIRECT_TO") or None,
    "FILE": os.environ.get("PUSH_FILE", "push-deliveries.jsonl"),
    "APNS_PRODUCTION_URL": f"https://127.0.0.1:{SIMULATOR_PORT}",
    "APNS_SANDBOX_URL": f"https://127.0.0.1:{SIMULATOR_SANDBOX_PORT}",
    "FCM_URL": f"https://127.0.0.1:{SIMULATOR_FCM_PORT}",
    "FCM_TOKEN_URL": f"https://127.0.0.1:{SIMULATOR_FCM_PORT}/token",
    "CA_FILE": str(SIMULATOR_STATE / "identity" / "ca.pem"),
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django_push": {"handlers": ["console"], "level": "INFO"}},
}

if "CELERY_BROKER_URL" in os.environ:
    CELERY_BROKER_URL = os.environ["CELERY_BROKER_URL"]
    CELERY_TASK_IGNORE_RESULT = True
    # A broker that is down must not hold up who submits a push: the beat finds the work.
    CELERY_BROKER_CONNECTION_TIMEOUT = 1
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 1, "socket_connect_timeout": 1}
    CELERY_BEAT_SCHEDULE = {"push": {"task": "django_push.tick", "schedule": 5.0}}
    DJANGO_PUSH["DISPATCHER"] = "django_push.tasks.wake"
