"""``DATABASE_URL=postgresql://… make demo``."""

from __future__ import annotations

import json
import os
import uuid

import psycopg
import pytest
from psycopg import sql

from .demo.conftest import Demo, eventually


@pytest.fixture
def database():
    """The address of a new, empty database on the server of ``DATABASE_URL``."""
    server, _slash, _name = os.environ["DATABASE_URL"].rpartition("/")
    name = f"django_push_demo_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield f"{server}/{name}"
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.service("postgresql")
def test_the_demo_sends_from_postgresql(database, tmp_path):
    demo = Demo(tmp_path, DATABASE_URL=database)
    try:
        demo.wait_until_up()
        push = {"title": "Hello", "audience": {"everyone": True}}
        assert demo.post("/push/api/notifications/", "demo-server-key", push)[0] == 201
        eventually(lambda: len(json.loads(demo.get("/phones/feed?since=0"))["arrivals"]) == 12)
        assert not list(tmp_path.glob("*.sqlite3"))
        assert demo.end() == 0
    finally:
        demo.process.kill()
        demo.process.wait()
