"""``manage.py push_import``: what a person sees, and what a script gets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from django_push.models import Application, Installation
from tests.support.imports import FIXTURES, document

EXPORT = str(FIXTURES / "parse_server" / "rest.json")


def run(*arguments: str) -> None:
    call_command("push_import", *arguments)


@pytest.fixture
def export(tmp_path):
    def write(*documents) -> str:
        path = tmp_path / "export.jsonl"
        path.write_text("".join(f"{json.dumps(each)}\n" for each in documents))
        return str(path)

    return write


def test_it_says_what_became_of_the_rows(application, capsys, tmp_path):
    report = tmp_path / "report.json"
    run("parse-server", EXPORT, "--application", "hall", "--report", str(report))
    said = capsys.readouterr().out
    assert "Imported: 6 created, 0 merged, 0 unchanged, 1 refused of 7 read" in said
    assert "refused, 1: its device type “toaster” is not known" in said
    assert "row 7: its device type" in said
    written = json.loads(report.read_text())
    assert (written["created"], written["complete"]) == (6, True)
    assert written["refused_rows"] == [
        {"place": "row 7", "reason": "its device type “toaster” is not known"}
    ]
    assert "a1a1" not in report.read_text() + said


def test_a_dry_run_says_so(application, capsys):
    run("parse-server", EXPORT, "--application", "hall", "--dry-run")
    assert "Would be: 6 created" in capsys.readouterr().out
    assert not Installation.objects.exists()


def test_options_reach_their_place(application, export):
    path = export(document(owner="ana", place=[13.0, 52.0]))
    run(
        *("parse-server", path, "--application", "hall", "--users", "proved"),
        *("--user-field", "owner", "--geo-field", "place", "--environment", "sandbox", "--new-ids"),
    )
    device = Installation.objects.get()
    assert (device.user_key, device.user_verified, device.latitude) == ("ana", True, 52.0)
    assert (device.environment, len(device.public_id)) == ("sandbox", 24)


def test_several_applications(application, export):
    Application.objects.register(None, "Other", key="other")
    rows = [document(1, appIdentifier="a=b"), document(2, appIdentifier="c"), document(3)]
    run("parse-server", export(*rows), "--application", "hall", "--map", "a=b=other")
    found = dict(Installation.objects.values_list("public_id", "application__key"))
    assert found == {"object0001": "other", "object0002": "hall", "object0003": "hall"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["parse-server", EXPORT], r"--application is missing. Known: hall"),
        (["parse-server", EXPORT, "--application", "hull"], "no application with the key 'hull'"),
        (["parse-server", "--application", "hall"], "Name the files"),
        (["parse-server", "/nowhere", "--application", "hall"], "No such file"),
        (["leancloud", "--database", "x", "--application", "hall"], "Name the files"),
        (["parse-server", "--database", "x", "--application", "hall"], "DATABASES has no “x”"),
        (["parse-server", EXPORT, "--map", "hall"], "NAME=KEY"),
        (["parse-server", EXPORT, "--application", "hall", "--user-lookup", "x"], "no field 'x'"),
        (
            ["parse-server", EXPORT, "--application", "hall", "--report", "/nowhere/x"],
            "--report cannot be written",
        ),
        (["fcm-django", "--application", "hall"], "no table of fcm-django: fcm_django_fcmdevice"),
        (["fcm-django", EXPORT, "--application", "hall"], "name no file"),
    ],
)
def test_wrong_arguments_say_what_to_do(application, arguments, words):
    with pytest.raises(CommandError, match=words):
        run(*arguments)
    assert not Installation.objects.exists()


def test_nothing_but_refusals_is_a_failure(application, export):
    with pytest.raises(CommandError, match="No row of it"):
        run("parse-server", export(document(deviceType="toaster")), "--application", "hall")


def test_a_damaged_export_fails_after_what_could_be_read(application, tmp_path):
    path = tmp_path / "cut.json"
    path.write_text(json.dumps([document(1), document(2)])[:-5])
    with pytest.raises(CommandError, match=r"cut off.*run the same command again"):
        run("parse-server", str(path), "--application", "hall")
    assert Installation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_ctrl_c_says_how_to_go_on(application, export, tmp_path):
    """A real process and a real signal, in the middle of an import."""
    path = export(*(document(number) for number in range(1, 30_001)))
    report = tmp_path / "report.json"
    process = subprocess.Popen(
        [
            *(sys.executable, "manage.py", "push_import", "parse-server", path),
            *("--application", "hall", "--report", str(report)),
        ],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PUSH_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Who runs the tests in the background has made all their children deaf to it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (one thread)
    )
    _wait_for(1000)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Interrupted" in err
    stored = Installation.objects.count()
    assert 1000 <= stored < 30_000
    written = json.loads(report.read_text())
    assert written["complete"] is False
    # The signal may come between a commit and the count.
    assert stored - written["created"] in (0, 500)
    assert f"{written['created']:,} created" in out


def _wait_for(number: int) -> None:
    for _try in range(2400):
        if Installation.objects.count() >= number:
            return
        time.sleep(0.05)
    raise AssertionError(f"{Installation.objects.count()} of {number} devices after two minutes")
