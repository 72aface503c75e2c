"""What tests of portfolios share."""

from __future__ import annotations

import pytest

from portfolio.assessor import Assessor
from tests.applications import POLICY_FILE
from tests.portfolio.portfolios import MODEL


@pytest.fixture(scope="session")
def assessor() -> Assessor:
    """The default book's model and policy."""
    return Assessor.open(MODEL, POLICY_FILE)
