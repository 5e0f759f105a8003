# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a server role to a golden AMI: the component is executed on real hosts; what comes of it boots and serves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.lab import Lab

from .conftest import ROOT, Fleet, Run

ALICE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1YW5uYSB0aGlzIGlzIG5vdCBhIHJlYWwga2V5IQ alice"
# A test of the estate, on a fresh instance of the image.
SMOKE = """
- name: Smoke
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Smoke | Ask whether the app would start with the machine
      ansible.builtin.command: {argv: [systemctl, is-enabled, hello.service]}
      register: asked
      changed_when: false

    - name: Smoke | The image is what the server role says
      ansible.builtin.assert:
        that: [dtk_server_role.name == 'web', colour == 'blue', asked.stdout == 'enabled']
"""


@pytest.fixture(scope="module")
def bakery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """An AWS without hosts, and an estate that a test may change."""
    work = tmp_path_factory.mktemp("bakery")
    estate = work / "estate"
    shutil.copytree(ROOT / "inventories" / "demo", estate)
    (work / "tests").mkdir()
    (work / "tests" / "smoke.yml").write_text(SMOKE)
    with Lab.up("bake", hosts=0) as lab:
        fleet = Fleet(lab, work, inventory=estate)
        change(
            fleet, image={"base": "ssm:/dtk/base/debian-12", "tests": ["tests/smoke.yml"], "vars": {"colour": "blue"}}
        )
        change(fleet, users=[{"name": "alice", "authorized_keys": [ALICE]}])
        yield fleet


def bake(fleet: Fleet, *flags: str, playbook: str = "bake", **extra: Any) -> Run:
    # As a shell tells where it is; roles and tests of the estate are looked for there.
    return fleet.play(playbook, *flags, environ={"PWD": str(fleet.work)}, role="web", **extra)


def change(fleet: Fleet, **values: Any) -> None:
    """Change keys of the server role; None takes one away."""
    path = fleet.inventory / "group_vars" / "role_web.yml"
    document = yaml.safe_load(path.read_text())
    for key, value in values.items():
        document["dtk_server_role"][key] = value
        if value is None:
            del document["dtk_server_role"][key]
    path.write_text(yaml.safe_dump(document))


def images(fleet: Fleet) -> dict[str, str]:
    """{ARN: status} of every build there ever was."""
    service = fleet.lab.boto("imagebuilder")
    versions = service.list_images(owner="Self")["imageVersionList"]
    builds = [
        build
        for version in versions
        for build in service.list_image_build_versions(imageVersionArn=version["arn"])["imageSummaryList"]
    ]
    return {build["arn"]: build["state"]["status"] for build in builds}


def amis(fleet: Fleet) -> dict[str, dict[str, str]]:
    """{id: tags} of the AMIs that were baked."""
    found = fleet.lab.boto("ec2").describe_images(Filters=[{"Name": "tag:dtk:role", "Values": ["web"]}])["Images"]
    return {image["ImageId"]: {tag["Key"]: tag["Value"] for tag in image["Tags"]} for image in found}


def pointer(fleet: Fleet, name: str) -> str | None:
    found = fleet.lab.boto("ssm").get_parameters(Names=[f"/dtk/{fleet.env}/web/ami/{name}"])["Parameters"]
    return found[0]["Value"] if found else None


def things(fleet: Fleet) -> list[str]:
    """Everything in Image Builder."""
    service = fleet.lab.boto("imagebuilder")
    return [
        *(item["arn"] for item in service.list_components(owner="Self")["componentVersionList"]),
        *(item["arn"] for item in service.list_image_recipes(owner="Self")["imageRecipeSummaryList"]),
        *(
            item["arn"]
            for item in service.list_infrastructure_configurations()["infrastructureConfigurationSummaryList"]
        ),
        *(item["arn"] for item in service.list_distribution_configurations()["distributionConfigurationSummaryList"]),
        *(item["arn"] for item in service.list_image_pipelines()["imagePipelineList"]),
        *images(fleet),
    ]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"role": ""}, "role is not given: add -e role=<name of the server role>."),
        ({"env": ""}, "env is not given: add -e env=<name of the env>."),
        ({"role": "api"}, "dtk_server_role is not set for the server role api: declare it in the estate's"),
    ],
)
def test_what_is_not_given_is_asked_for(bakery: Fleet, extra: dict[str, str], message: str) -> None:
    run = bakery.play("bake", **{"role": "web", **extra})
    assert run.rc == 2
    assert message in run.text
    assert things(bakery) == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"base": None}, "dtk_server_role.image.base"),
        ({"base": "ssm:/dtk/base/no-such"}, "/dtk/base/no-such"),
        ({"base": "ami-0123456789abcdef0"}, "ami-0123456789abcdef0"),
        ({"roles": ["hardening"]}, "The role hardening is not in the estate"),
        ({"tests": ["tests/no.yml"]}, "tests/no.yml is not there. Correct image.tests of the server role."),
    ],
)
def test_an_image_that_cannot_be_made_is_refused_before_anything_is(
    bakery: Fleet, image: dict[str, Any], message: str
) -> None:
    path = bakery.inventory / "group_vars" / "role_web.yml"
    before = path.read_text()
    try:
        change(bakery, image={**yaml.safe_load(before)["dtk_server_role"]["image"], **image})
        run = bake(bakery)
    finally:
        path.write_text(before)
    assert run.rc == 2
    assert message in run.text
    assert things(bakery) == []


def test_the_life_of_an_image(bakery: Fleet) -> None:
    dry = bake(bakery, "--check", "--diff")
    assert dry.rc == 0 and "would be built" in dry.text, dry.out
    assert things(bakery) == [] and pointer(bakery, "candidate") is None

    first = bake(bakery)
    assert first.rc == 0 and "IMAGE web: built" in first.text, first.out
    assert "BUILDING" in first.out and "TESTING" in first.out, "the wait shows how far it is"
    assert "Smoke | The image is what the server role says" in build_log(bakery)
    (ami,) = amis(bakery)
    assert list(images(bakery).values()) == ["AVAILABLE"]
    assert pointer(bakery, "candidate") == ami and pointer(bakery, "current") is None
    everything = things(bakery)

    again = bake(bakery)
    assert again.rc == 0 and "there already, nothing built" in again.text, again.out
    assert "changed=0" in again.text.rpartition("image-web :")[2], again.out
    assert things(bakery) == everything

    promoted = bake(bakery, playbook="promote")
    assert promoted.rc == 0 and f"starts from {ami} now (before: nothing)" in promoted.text, promoted.out
    assert pointer(bakery, "current") == ami and amis(bakery)[ami]["dtk:in-use"] == "true"
    assert "changed=0" in bake(bakery, playbook="promote").text.rpartition("image-web :")[2]

    boots_and_serves(bakery, ami)

    change(bakery, sysctl={"net.ipv4.tcp_keepalive_time": 300})
    changed = bake(bakery)
    assert changed.rc == 0 and "IMAGE web: built" in changed.text, changed.out
    (new,) = set(amis(bakery)) - {ami}
    assert (pointer(bakery, "candidate"), pointer(bakery, "current")) == (new, ami)
    assert list(images(bakery).values()) == ["AVAILABLE"] * 2

    change(bakery, sysctl=None)
    back = bake(bakery)
    assert back.rc == 0 and "there already, nothing built" in back.text, back.out
    assert pointer(bakery, "candidate") == ami
    assert set(amis(bakery)) == {ami, new}


def build_log(fleet: Fleet) -> str:
    """What the first image's build said."""
    (arn,) = images(fleet)
    version, build = arn.split("/")[-2:]
    found = fleet.lab.boto("logs").get_log_events(
        logGroupName="/aws/imagebuilder/dtk-web", logStreamName=f"{version}/{build}", startFromHead=False
    )
    return "\n".join(event["message"] for event in found["events"])


def boots_and_serves(fleet: Fleet, ami: str) -> None:
    """A host of the image, by itself on nothing, takes a release as any other host does."""
    (host,) = fleet.lab.launch(1, image_id=ami)
    assert host.exec(["systemctl", "is-enabled", "hello.service"]).stdout.strip() == "enabled"
    assert host.exec(["systemctl", "is-active", "hello.service"], check=False).stdout.strip() == "inactive"
    keys = host.exec(["cat", "/home/alice/.ssh/authorized_keys"]).stdout
    assert ALICE.split()[1] in keys, "people of the server role can log in"
    assert fleet.publish("1.0.0").rc == 0
    run = fleet.play("deploy", version="1.0.0")
    assert run.rc == 0, run.out
    assert fleet.serving() == {host.name: "1.0.0"}


def test_a_host_is_prepared_by_hand_by_the_same_roles(bakery: Fleet) -> None:
    base = bakery.lab.boto("ssm").get_parameter(Name="/dtk/base/debian-12")["Parameter"]["Value"]
    (host,) = bakery.lab.launch(1, image_id=base)

    def provision(*flags: str) -> Run:
        return bakery.play("provision", "--limit", f"localhost,{host.name}", *flags, role="web")

    first = provision()
    assert first.rc == 0, first.out
    assert host.exec(["systemctl", "is-enabled", "hello.service"]).stdout.strip() == "enabled"
    assert host.exec(["/opt/dtk/bin/dtk-playbook", "--version"]).stdout.startswith("ansible-playbook [core ")
    again = provision()
    assert again.rc == 0 and "changed=0" in again.text.rpartition(f"{host.name} :")[2], again.out
    assert bakery.publish("1.0.0").rc == 0
    run = bakery.play("deploy", version="1.0.0", takeover=True)
    assert run.rc == 0, run.out
    assert bakery.serving()[host.name] == "1.0.0"


def test_a_host_that_no_one_has_is_not_prepared(bakery: Fleet) -> None:
    run = bakery.play("provision", role="nothing")
    assert run.rc == 2
    assert "No host is in both groups role_nothing and env_demo" in run.text


def test_a_role_that_changes_something_each_time_makes_no_image(bakery: Fleet) -> None:
    before, known = pointer(bakery, "candidate"), set(amis(bakery))
    tasks = bakery.work / "roles" / "restless" / "tasks"
    tasks.mkdir(parents=True)
    restless = {"name": "Touch a file", "ansible.builtin.command": {"argv": ["touch", "/etc/restless"]}}
    (tasks / "main.yml").write_text(yaml.safe_dump([{**restless, "check_mode": False}]))
    role = yaml.safe_load((bakery.inventory / "group_vars" / "role_web.yml").read_text())["dtk_server_role"]
    change(bakery, image={**role["image"], "roles": ["restless"]})
    run = bake(bakery)
    assert run.rc == 2
    assert "The server role is not idempotent" in run.text, run.out
    assert "TASK [restless : Touch a file]" in run.text
    assert "FAILED" in images(bakery).values()
    assert (pointer(bakery, "candidate"), set(amis(bakery))) == (before, known)
    change(bakery, image=role["image"])
