"""What people may do at the desk."""

from __future__ import annotations

from enum import StrEnum

from desk.host import Person


class Role(StrEnum):
    """A role; somebody may have several, and whoever has any may look."""

    VIEWER = "viewer"
    OFFICER = "officer"
    REVIEWER = "reviewer"
    POLICY = "policy"


def may(person: Person, role: Role) -> bool:
    """Whether somebody may do what takes a role."""
    return bool(person.roles) if role is Role.VIEWER else role in person.roles
