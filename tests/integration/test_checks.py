"""Checks speak when something is wrong, and only then."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks

from django_push.checks import check_cache, check_databases, check_secrets, check_settings
from django_push.models import ApiKey


def ids(found) -> list[str]:
    return [each.id for each in found]


@pytest.mark.django_db  # on Django 6 some of the checks ask the database
def test_the_demo_is_fine():
    assert [each for each in run_checks() if str(each.id).startswith("django_push")] == []


@pytest.mark.parametrize(
    ("given", "id_"),
    [
        ({"REDIRECT_TOO": "file"}, "django_push.E001"),
        ({"REDIRECT_TO": "fax"}, "django_push.E003"),
        ({"BATCH_SIZE": 70_000}, "django_push.E004"),
        ({"PROVIDERS": {"mine": "django_push.providers.apns.NoSuch"}}, "django_push.E005"),
        ({"DISPATCHER": "django_push.no_such.wake"}, "django_push.E005"),
        ({"AUDIENCE_LOOKUPS": ["user__shoe_size"]}, "django_push.E008"),
        ({"AUDIENCE_LOOKUPS": ["is_staff"]}, "django_push.E008"),
    ],
)
def test_settings_that_cannot_work(settings, given, id_):
    settings.DJANGO_PUSH = given
    assert ids(check_settings(None)) == [id_]


def test_a_provider_of_an_extra_that_is_not_installed_is_fine(settings):
    settings.DJANGO_PUSH = {"PROVIDERS": {"other": "tests.support.needs_extra.Provider"}}
    assert check_settings(None) == []


def test_naive_time_is_an_error(settings):
    settings.USE_TZ = False
    assert ids(check_settings(None)) == ["django_push.E002"]


def test_sqlite_as_django_makes_it_is_warned_of(settings):
    from django.db import connection

    if connection.vendor != "sqlite":
        assert check_databases(None) == []
        return
    assert check_databases(None) == []
    options = connection.settings_dict.pop("OPTIONS")
    try:
        assert ids(check_databases(None)) == ["django_push.W001"]
    finally:
        connection.settings_dict["OPTIONS"] = options


def test_a_cache_of_one_process_is_warned_of(settings):
    assert ids(check_cache(None)) == ["django_push.W002"]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}
    assert check_cache(None) == []


@pytest.mark.django_db
def test_secrets_that_no_key_opens(application, settings):
    ApiKey.objects.issue(application, ApiKey.Kind.SERVER)
    assert check_secrets(None, databases=["default"]) == []
    before = settings.SECRET_KEY
    settings.SECRET_KEY = "another"
    assert ids(check_secrets(None, databases=["default"])) == ["django_push.W003"]
    settings.SECRET_KEY_FALLBACKS = [before]
    assert check_secrets(None, databases=["default"]) == []
