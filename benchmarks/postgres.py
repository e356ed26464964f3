"""A PostgreSQL for the measurements: the one that answers, or a private one for the moment."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from benchmarks.build import MissingPackages

USUAL_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
SUPERUSER = "postgres"


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """A PostgreSQL server that answers."""

    url: str
    version: str
    private: bool
    """Started for this run, with PostgreSQL's default settings."""


@contextlib.contextmanager
def server() -> Iterator[Database]:
    """The server of `DATABASE_URL`, else the one on 127.0.0.1:5432, else a private cluster.

    A `DATABASE_URL` that does not answer raises psycopg.OperationalError: another server than the
    one that was asked for is not measured. Raises MissingPackages when there is none to start.
    """
    if given := os.environ.get("DATABASE_URL"):
        yield Database(url=given, version=_version(given), private=False)
    elif version := _version_if_it_answers(USUAL_URL):
        yield Database(url=USUAL_URL, version=version, private=False)
    else:
        with _private_cluster() as url:
            yield Database(url=url, version=_version(url), private=True)


@contextlib.contextmanager
def fresh_database(url: str, name: str = "push_benchmark") -> Iterator[str]:
    """The URL of a new, empty database beside the one of `url`; dropped at the end."""
    _recreate(url, name)
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        _drop(url, name)


def _recreate(url: str, name: str) -> None:
    _drop(url, name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _drop(url: str, name: str) -> None:
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _version(url: str) -> str:
    with psycopg.connect(url, connect_timeout=3) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    return str(row[0])


def _version_if_it_answers(url: str) -> str | None:
    with contextlib.suppress(psycopg.OperationalError):
        return _version(url)
    return None


def _programs() -> Path:
    """The directory with initdb and pg_ctl of the newest PostgreSQL installed here."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(debian, key=lambda program: int(program.parts[-3]))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    if on_path:
        return Path(on_path).parent
    raise MissingPackages(
        f"No PostgreSQL answers on {USUAL_URL} and none is installed. Set DATABASE_URL, or on"
        " Debian or Ubuntu run: sudo apt-get install -y postgresql"
    )


@contextlib.contextmanager
def _private_cluster() -> Iterator[str]:
    programs, owner = _programs(), _owner()
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="push-bench-pg-") as directory:
        if owner:
            shutil.chown(directory, owner)
        data = f"{directory}/data"
        _as(owner, programs / "initdb", "-D", data, "-U", SUPERUSER, "-A", "trust", "-N")
        options = f"-p {port} -k {directory} -c listen_addresses=127.0.0.1"
        log = f"{directory}/log"
        _as(owner, programs / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            yield f"postgresql://{SUPERUSER}@127.0.0.1:{port}/postgres"
        finally:
            _as(owner, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _owner() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam(SUPERUSER).pw_name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as(user: str | None, program: Path, *arguments: str) -> None:
    subprocess.run([program, *arguments], user=user, cwd="/", check=True, stdout=subprocess.DEVNULL)
