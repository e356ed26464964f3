"""A real Chromium against the console, a real worker and a simulator of Apple and Google.

``DJANGO_ALLOW_ASYNC_UNSAFE=1`` is needed: Playwright keeps an event loop running in the thread of
the test, and Django would refuse its ORM there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from django_push.models import Application, Installation
from django_push.simulator import Simulator
from tests.support.processes import endpoints

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = ROOT / "artifacts" / "console"

# Playwright waits five seconds, which a busy machine needs for a page now and then.
expect.set_options(timeout=30_000)

PHONE, DESKTOP = (390, 844), (1440, 900)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which comes inside a Python package: no npm is needed."""
    return (files("axe_playwright_python") / "axe.min.js").read_text()


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator.run(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture
def given(simulator: Simulator, settings: Any) -> dict[str, Any]:
    """The settings of this test, for the worker too."""
    simulator.clear()
    found = {**endpoints(simulator), "CONFIRM_ABOVE": 20}
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **found}
    settings.MIDDLEWARE = [*django_settings.MIDDLEWARE, "tests.browser.csp.strict_policy"]
    cache.clear()
    return found


@pytest.fixture
def application(transactional_db: None) -> Application:
    return Application.objects.register(None, "Concert Hall", key="hall")


@pytest.fixture
def devices(application: Application) -> list[Installation]:
    """Forty that work, and three that do not."""
    tokens = [f"{number:064x}" for number in range(1, 41)]
    tokens += [f"dead{number:060x}" for number in range(2)] + [f"bad0{1:060x}"]
    found = [
        Installation.objects.register(
            application,
            device_type="android" if number % 4 == 0 else "ios",
            address=token,
            channels=["matinee"] if number < 8 else [],
        )
        for number, token in enumerate(tokens)
    ]
    Installation.objects.update(last_seen_at="2020-01-01T00:00:00Z")
    return found


@pytest.fixture
def admin_user(transactional_db: None) -> Any:
    return get_user_model()._default_manager.create_superuser("sara", password="sara")


@pytest.fixture
def console(
    browser: Browser, live_server: Any, admin_user: Any, given: dict[str, Any]
) -> Iterator[Callable[..., Page]]:
    """A function that opens a page of the console, logged in. Trouble in its log fails the test."""
    contexts: list[BrowserContext] = []
    trouble: list[str] = []

    def open_page(
        path: str, *, size: tuple[int, int] = DESKTOP, scheme: Any = "light", **options: Any
    ) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            base_url=live_server.url,
            **options,
        )
        contexts.append(context)
        context.add_cookies([_session_of(admin_user, live_server.url)])
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda said: _note(trouble, said))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert trouble == []


def _session_of(user: Any, url: str) -> Any:
    client = Client()
    client.force_login(user)
    value = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    return {"name": django_settings.SESSION_COOKIE_NAME, "value": value, "url": url}


def _note(trouble: list[str], said: Any) -> None:
    address = said.location.get("url", "")
    # The icon is the host project's; 400 is how the console answers a form that it refuses, 409
    # one that would write over somebody else's.
    refused = "status of 400" in said.text or "status of 409" in said.text
    expected = address.endswith("/favicon.ico") or refused
    if said.type == "error" and not expected:
        trouble.append(f"{address}: {said.text}")


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """A function that keeps a picture of a page under artifacts/console/, for people to look at."""

    def take(page: Page, name: str) -> None:
        if os.environ.get("CI"):
            return
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    return take
