from __future__ import annotations

import pytest

from tests.support.imports import Importing


@pytest.fixture
def importing(application, tmp_path) -> Importing:
    return Importing(application, tmp_path)
