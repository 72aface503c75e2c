"""The bill of materials of what the project is imported, trained, tested and built with."""

from __future__ import annotations

import json
import re

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.image.sbom import LOCKS, bill_of_locks
from tests.servers import ROOT


def test_is_valid_and_the_same_each_time() -> None:
    """It is CycloneDX 1.6 by the standard's own schema."""
    bill = bill_of_locks()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    assert bill == bill_of_locks()


def test_is_the_locks() -> None:
    """Each package of each lock with the digests it is held to, those of serving and importing among them."""
    components = json.loads(bill_of_locks())["components"]
    text = "\n".join((ROOT / name).read_text() for name in LOCKS)
    digests = [entry["content"] for each in components for entry in each["externalReferences"][0]["hashes"]]
    assert sorted(set(re.findall("sha256:([0-9a-f]{64})", text))) == sorted(set(digests))
    listed = {(each["name"], each["version"]) for each in components}
    for lock in (*LOCKS, "requirements.txt", "requirements-import.txt"):
        assert set(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / lock).read_text(), re.MULTILINE)) <= listed
