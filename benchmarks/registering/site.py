"""A project with both apps and the middleware of ``startproject``; runs in the peer's environment.

``python -m benchmarks.registering.site DEVICES`` makes the tables and fills them with the same
tokens. Of django-push-notifications the view is the one that its documentation gives for apps that
sign in, with tokens of REST framework, and ``UPDATE_ON_DUPLICATE_REG_ID``: without it, an app that
registers again is refused.
"""

import os
import sys
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

from benchmarks.registering import TOKEN_SQL
from demo_project.settings import from_url

if not settings.configured:
    settings.configure(
        SECRET_KEY="for-measuring-only",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="benchmarks.registering.urls",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "rest_framework",
            "rest_framework.authtoken",
            "django_filters",
            "push_notifications",
            "django_push",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        DATABASES={"default": {**from_url(os.environ["BENCH_DATABASE"]), "CONN_MAX_AGE": None}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        },
        PUSH_NOTIFICATIONS_SETTINGS={"UPDATE_ON_DUPLICATE_REG_ID": True},
        # All the phones of this test have one address: they are counted, and not held up.
        DJANGO_PUSH={"THROTTLE_REGISTER": "600000000/min"},
    )
application = get_wsgi_application()


def fill(devices: int) -> None:
    """The tables of both, with ``devices`` rows of one user each, and the keys to them."""
    call_command("migrate", verbosity=0)
    from django.contrib.auth import get_user_model
    from django.db import connection
    from rest_framework.authtoken.models import Token

    from benchmarks.registering import APPLICATION, KEY
    from django_push.models import ApiKey, Application, Installation

    user = get_user_model().objects.create_user("ana")
    Token.objects.create(user=user, key=KEY)
    ours = Application.objects.register(None, "Benchmark", key=APPLICATION)
    ApiKey.objects.issue(ours, ApiKey.Kind.CLIENT, value=KEY)
    Installation.objects.register(ours, device_type="ios", address="00", locale="de")
    with connection.cursor() as cursor:
        cursor.execute(_copies(Installation), [devices])
        cursor.execute(
            "INSERT INTO push_notifications_apnsdevice (registration_id, active, user_id)"
            f" SELECT {TOKEN_SQL}, true, %s FROM generate_series(1, %s) AS n",
            [user.pk, devices],
        )
        cursor.execute("VACUUM ANALYZE")


def _copies(model: Any) -> str:
    """SQL that copies the one row of our table, each time with another token."""
    own = {
        "public_id": "substr(md5(n::text), 1, 24)",
        "address": TOKEN_SQL,
        "address_hash": f"encode(sha256(convert_to({TOKEN_SQL}, 'UTF8')), 'hex')",
    }
    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    values = [own.get(column, f"one.{column}") for column in columns]
    table = model._meta.db_table
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"
        f" FROM {table} AS one, generate_series(1, %s) AS n"
    )


if __name__ == "__main__":
    print(f"Django {django.__version__}", file=sys.stderr)
    fill(int(sys.argv[1]))
