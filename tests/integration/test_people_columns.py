"""No table that may hold somebody's data is forgotten when a person is erased."""

from __future__ import annotations

import re

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import ForeignKey, JSONField

from django_push.people.person import STAFF, STORED, tables

OURS = apps.get_app_config("django_push")

ELSEWHERE = {
    # columns that look like somebody's and are not, or go with a row that is deleted
    "Application.push_settings": "free settings of staff",
    "Application.trust_client_user_ids": "a switch",
    "Credential.public": "of the provider's account",
    "CleanUp.owner": "a worker",
    "CleanUp.report": "numbers",
    "Installation.attributes": "deleted with the device",
    "Installation.user_key": "deleted with the device",
    "Installation.user_verified": "deleted with the device",
    "Notification.content": "blank when it was for nobody else",
    "Notification.overrides": "blank when it was for nobody else",
    "Notification.texts": "blank when it was for nobody else",
    "Notification.variables": "blank when it was for nobody else",
    "PurposeChoice.user_key": "deleted",
    "PushBatch.lease_owner": "a worker",
    "PushBatch.skipped_reasons": "numbers",
    "PushHistory.per_type": "numbers",
    "PushHistory.plan_cursor": "numbers",
    "PushHistory.plan_owner": "a worker",
    "QuietHours.user_key": "deleted",
    "PushHistory.reasons": "numbers",
    "PushHistory.skipped": "numbers",
}


def test_every_column_that_may_name_somebody_is_thought_of():
    """Whoever adds one decides: see ``people/person.py``."""
    handled = {*STAFF, *ELSEWHERE}
    handled |= {f"{model}.{path[0]}" for model, path in STORED.items()}
    handled |= {f"{table.model.__name__}.{name}" for table in tables() for name in table.users}
    suspicious = re.compile(r"user|owner|person|_by$|email|phone")
    found = {
        f"{model.__name__}.{field.name}"
        for model in OURS.get_models()
        for field in model._meta.concrete_fields
        if suspicious.search(field.name)
        or isinstance(field, JSONField)
        or (isinstance(field, ForeignKey) and field.related_model is get_user_model())
    }
    assert found - handled == set()
    assert handled - found == set()  # and nothing is handled that there is not


def test_every_model_with_a_user_key_is_erased():
    with_key = {
        model
        for model in OURS.get_models()
        if any(field.name == "user_key" for field in model._meta.concrete_fields)
    }
    assert with_key <= {table.model for table in tables()}
