"""What tests of the importers share."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django_push.importers import LeanCloud, ParseServer, Plan, Report, Source, run_import
from django_push.models import Application, Installation

FIXTURES = Path(__file__).parent.parent / "fixtures" / "imports"


def token(number: int) -> str:
    """A made-up device token of Apple."""
    return f"{number:064x}"


def document(number: int = 1, **more: Any) -> dict[str, Any]:
    """A row of ``_Installation`` as the API has it; ``None`` takes a field away."""
    found = {
        "objectId": f"object{number:04d}",
        "installationId": f"installation-{number}",
        "deviceType": "ios",
        "deviceToken": token(number),
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-06-01T00:00:00.000Z",
        **more,
    }
    return {name: value for name, value in found.items() if value is not None}


class Importing:
    """Imports documents into one application."""

    def __init__(self, application: Application, directory: Path) -> None:
        self.application, self._path = application, directory / "export.jsonl"

    def documents(
        self, *documents: dict[str, Any], source: type[ParseServer] = ParseServer, **plan: Any
    ) -> Report:
        lines = "".join(f"{json.dumps(each)}\n" for each in documents)
        self._path.write_text(lines)
        return self.source(source([self._path]), **plan)

    def leancloud(self, *documents: dict[str, Any], **plan: Any) -> Report:
        return self.documents(*documents, source=LeanCloud, **plan)

    def source(self, source: Source, **plan: Any) -> Report:
        return run_import(source, Plan(**{"application": self.application, **plan}))


def counts(report: Report) -> tuple[int, int, int, int]:
    """Created, merged, unchanged, refused."""
    assert report.read == report.created + report.merged + report.unchanged + report.refused
    return report.created, report.merged, report.unchanged, report.refused


def at(month: int, day: int = 1) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC)


def everything() -> list[dict[str, Any]]:
    """All devices with all they have, but what is another at every import."""
    own = {"id", "application_id", "updated_at"}
    return [
        {name: value for name, value in row.items() if name not in own}
        | {"channels": Installation.objects.get(pk=row["id"]).channels}
        for row in Installation.objects.order_by("pk").values()
    ]
