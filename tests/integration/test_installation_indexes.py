"""Tables have the indexes that something reads, and no other: each costs every registration and
every push."""

from __future__ import annotations

import pytest
from django.db import connection

from django_push.models import (
    DeliveryFailure,
    IdempotencyKey,
    Installation,
    Notification,
    PushBatch,
    PushHistory,
    Subscription,
)

pytestmark = pytest.mark.django_db


def indexes(model) -> dict[str, dict]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return {name: each for name, each in found.items() if each["index"] or each["unique"]}


COVERING = {"django_push_inst_counted", "django_push_hist_open"}
"""The primary key again, with all that counting reads in it; the states again, of what is open."""


REGISTERED = [Installation, Subscription]
PUSHED = [Notification, PushHistory, PushBatch, DeliveryFailure, IdempotencyKey]


@pytest.mark.parametrize("model", REGISTERED + PUSHED)
def test_no_index_is_the_beginning_of_another(model):
    plain = {name: each for name, each in indexes(model).items() if name not in COVERING}
    columns = [tuple(each["columns"]) for each in plain.values()]
    prefixes = {
        short
        for short in columns
        for long in columns
        if len(short) < len(long) and long[: len(short)] == short
    }
    assert prefixes == set()
    assert len(columns) == len(set(columns)), "PostgreSQL's index for LIKE has the same column"


def plan(rows) -> str:
    """How the database would read ``rows`` if the table were too large to scan."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    return rows.explain()


@pytest.mark.parametrize("name", ["public_id", "application"])
def test_what_the_dropped_ones_served_is_still_read_by_an_index(application, device, name):
    row = device("a1")
    value = {"public_id": row.public_id, "application": application}[name]
    said = plan(Installation.objects.filter(**{name: value}).order_by()).lower()
    assert "index" in said or "django_push_" in said.replace("django_push_installation", "")


@pytest.mark.parametrize("model", PUSHED)
def test_who_deletes_what_a_row_belongs_to_finds_it_by_an_index(model):
    """What is deleted takes its rows with it, by each foreign key."""
    begins = {each["columns"][0] for each in indexes(model).values()}
    keys = {field.column for field in model._meta.concrete_fields if field.is_relation}
    assert keys <= begins


def test_one_id_is_one_device(device):
    first, second = device("a1"), device("b2")
    assert first.public_id != second.public_id
    assert Installation.objects.in_bulk([first.public_id], field_name="public_id")
