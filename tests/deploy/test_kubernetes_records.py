"""The component that records decisions in a PostgreSQL elsewhere, put into the production overlay as the page says."""

from __future__ import annotations

import re
import shutil

import kubernetes_validate
import pytest

from records.commands.options import RECORDS
from tests.deploy.manifests import FOLDER, Manifests, rendered
from tests.deploy.shipped import USER, check_image
from tests.deploy.test_kubernetes import CHECKS, PAGE, allows, selects

URL = "postgresql://service:password@db.example:5432/records?sslmode=verify-full"
MIGRATION = "credit-risk-migration"


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    folder = tmp_path_factory.mktemp("records") / "kubernetes"
    shutil.copytree(FOLDER.parent, folder)
    (line,) = re.findall(r"^components: .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    with (folder / "overlays" / "production" / "kustomization.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    return Manifests(rendered(folder / "overlays" / "production"), {("credit-risk-records", "url"): URL})


@pytest.mark.parametrize("check", CHECKS)
def test_overlay_stays_as_it_is(manifests: Manifests, check: str) -> None:
    """What holds without the component holds with it: a read-only root, nothing writable but /tmp."""
    CHECKS[check](manifests)


def test_settings(manifests: Manifests) -> None:
    """Decisions are recorded, by keys that are mounted; nothing is spooled in a pod."""
    settings = manifests.settings
    (mount,) = (each for each in manifests.container["volumeMounts"] if each["name"] == "record-keys")
    assert URL == settings.records
    assert settings.records_key_file is not None
    assert str(settings.records_key_file.parent) == mount["mountPath"]
    assert settings.records_spool is None


def test_migration(manifests: Manifests) -> None:
    """The same image, user and rights as the API, by the owner's URL, which no pod that serves has."""
    spec = manifests.named("Job", MIGRATION)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (variable,) = container["env"]
    assert manifests.container["image"] == container["image"]
    check_image(container["image"])
    assert ["python", "-m", "records", "migrate", "--grant", "service"] == container["command"]
    assert RECORDS == variable["name"]
    owner = variable["valueFrom"]["secretKeyRef"]["name"]
    assert owner not in str(manifests["Deployment"])
    assert USER == spec["securityContext"]["runAsUser"]
    assert manifests.pod["spec"]["securityContext"] == spec["securityContext"]
    assert manifests.container["securityContext"] == container["securityContext"]
    assert spec["automountServiceAccountToken"] is False
    assert "volumes" not in spec


def test_nobody_calls_the_migration(manifests: Manifests) -> None:
    """Its pod is none of the Service's; both kinds of pods reach the database and nothing else on its port."""
    policy = manifests.named("NetworkPolicy", "credit-risk-records")
    labels = manifests.named("Job", MIGRATION)["spec"]["template"]["metadata"]["labels"]
    assert not manifests["Service"]["spec"]["selector"].items() <= labels.items()
    assert not selects(manifests["NetworkPolicy"]["spec"]["podSelector"], labels)
    for each in (labels, manifests.pod["metadata"]["labels"]):
        assert selects(policy["spec"]["podSelector"], each)
    assert "ingress" not in policy["spec"]
    database, names = policy["spec"]["egress"]
    assert ([5432], [{"ipBlock"}]) == ([each["port"] for each in database["ports"]], [set(to) for to in database["to"]])
    assert allows(
        {"spec": {"egress": [names]}}, "to", {"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "kube-dns"}, 53
    )


def test_secrets_are_those_of_the_page(manifests: Manifests) -> None:
    """Each Secret that a manifest names is made by the page's commands, with the key that is looked for."""
    options = dict(re.findall(r"create secret generic (\S+) (.*)", PAGE.read_text(encoding="utf-8")))
    job = manifests.named("Job", MIGRATION)["spec"]["template"]
    named = set(re.findall(r"'(?:secretName|name)': '(credit-risk-record[\w-]*)'", f"{manifests.pod}{job}"))
    assert {"credit-risk-records", "credit-risk-records-owner", "credit-risk-record-keys"} == named
    assert options["credit-risk-records"].startswith("--from-file=url=")
    assert options["credit-risk-records-owner"].startswith("--from-file=url=")
    assert manifests.settings.records_key_file is not None
    assert f"--from-file={manifests.settings.records_key_file.name}" == options["credit-risk-record-keys"]


def test_a_misspelt_field_is_seen(manifests: Manifests) -> None:
    """The schema knows the migration's fields."""
    job = manifests.named("Job", MIGRATION)
    wrong = job | {"spec": job["spec"] | {"backofLimit": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)
