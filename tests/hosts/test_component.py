# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Builder is asked for an image, a component is carried out on real hosts, and hosts boot from what it made."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Lab, containers
from tests.lab.aws import BASE_PARAMETER, BUCKET, PROFILE
from tests.lab.machine import podman, start_time

COMPONENT = Path(__file__).with_name("component.yml")
PROGRAM = b'echo "$* from an image" >/run/greeting\n'
SECONDS = 120
ENDS = frozenset({"AVAILABLE", "FAILED", "CANCELLED"})


class Workshop:
    """Image Builder, by plain calls."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.service = lab.boto("imagebuilder")
        self.numbers = itertools.count(1)

    def begin(self, document: str, parameters: dict[str, str] | None = None, **infrastructure: Any) -> str:
        """The ARN of an image that is being built with this component."""
        name, service = f"greeter-{next(self.numbers)}", self.service
        component = service.create_component(name=name, semanticVersion="1.0.0", platform="Linux", data=document)
        values = [{"name": key, "value": [value]} for key, value in (parameters or {}).items()]
        chosen = {"componentArn": component["componentBuildVersionArn"], "parameters": values}
        if not values:
            del chosen["parameters"]
        recipe = service.create_image_recipe(
            name=name, semanticVersion="1.0.0", parentImage=f"ssm:{BASE_PARAMETER}", components=[chosen]
        )
        where = service.create_infrastructure_configuration(name=name, instanceProfileName=PROFILE, **infrastructure)
        return service.create_image(
            imageRecipeArn=recipe["imageRecipeArn"],
            infrastructureConfigurationArn=where["infrastructureConfigurationArn"],
        )["imageBuildVersionArn"]

    def image(self, arn: str) -> dict[str, Any]:
        return self.service.get_image(imageBuildVersionArn=arn)["image"]

    def end(self, arn: str) -> dict[str, Any]:
        """The image, when it is not being built any more."""
        wait_until(lambda: self.image(arn)["state"]["status"] in ENDS, lambda: self.log(arn))
        return self.image(arn)

    def steps(self, arn: str) -> dict[str, str]:
        runs = self.service.list_workflow_executions(imageBuildVersionArn=arn)["workflowExecutions"]
        found = [
            self.service.list_workflow_step_executions(workflowExecutionId=run["workflowExecutionId"]) for run in runs
        ]
        return {step["name"]: step["status"] for run in found for step in run["steps"]}

    def log(self, arn: str) -> list[str]:
        image = self.image(arn)
        names = {"logGroupName": f"/aws/imagebuilder/{image['name']}", "logStreamName": image["version"]}
        logs = self.lab.boto("logs")
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            return [event["message"] for event in logs.get_log_events(**names, startFromHead=True)["events"]]
        return []

    def instances(self, arn: str) -> dict[str, str]:
        """{name: state} of what this image was built and tested on."""
        filters = [{"Name": "tag:Ec2ImageBuilderArn", "Values": [arn]}]
        reservations = self.lab.boto("ec2").describe_instances(Filters=filters)["Reservations"]
        found = [instance for reservation in reservations for instance in reservation["Instances"]]
        return {name_of(instance): instance["State"]["Name"] for instance in found}

    def hosts(self, kind: str) -> list[str]:
        """Containers of build or test instances."""
        prefix = f"{self.lab.container_prefix}-{kind}-"
        return [one for one in containers.listed(containers.of_lab(self.lab.name)) if one.startswith(prefix)]

    def snapshots(self) -> list[str]:
        return containers.snapshots(containers.of_lab(self.lab.name))


def name_of(thing: dict[str, Any]) -> str:
    return next(tag["Value"] for tag in thing["Tags"] if tag["Key"] == "Name")


def wait_until(condition: Callable[[], bool], said: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.1)


def document(**phases: list[dict[str, Any]]) -> str:
    told = [{"name": name, "steps": steps} for name, steps in phases.items()]
    return yaml.safe_dump({"schemaVersion": 1.0, "phases": told}, sort_keys=False)


def bash(name: str, *commands: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "action": "ExecuteBash", **keys, "inputs": {"commands": list(commands)}}


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with Lab.up("component", hosts=0) as lab:
        lab.boto("s3").put_object(Bucket=BUCKET, Key="images/greet", Body=PROGRAM)
        yield Workshop(lab)
    assert containers.listed(containers.of_lab("component")) == []
    assert containers.snapshots(containers.of_lab("component")) == []


def test_hosts_boot_from_what_a_component_made(workshop: Workshop) -> None:
    arn = workshop.begin(COMPONENT.read_text(), {"Source": f"s3://{BUCKET}/images/greet", "Greeting": "good day"})
    image = workshop.end(arn)
    log = workshop.log(arn)
    assert image["state"] == {"status": "AVAILABLE"}, "\n".join(log)
    assert set(workshop.steps(arn).items()) >= {
        ("LaunchBuildInstance", "COMPLETED"),
        ("ApplyBuildComponents", "COMPLETED"),
        ("CreateOutputAMI", "COMPLETED"),
        ("TerminateBuildInstance", "COMPLETED"),
        ("ApplyTestComponents", "COMPLETED"),
        ("DistributeOutputAMI", "COMPLETED"),
    }
    order = [
        "Phase build",
        "Step Restart",
        "Stdout: restarted, and active",
        "Phase validate",
        "Phase test",
        "Step Greets",
    ]
    assert [line for line in log if line in order] == order
    assert workshop.hosts("build") == workshop.hosts("test") == []
    states = workshop.instances(arn)
    assert states == {f"{kind} instance for {image['name']}": "terminated" for kind in ("Build", "Test")}

    ami = image["outputResources"]["amis"][0]["image"]
    first, second = workshop.lab.launch(2, image_id=ami)
    found = workshop.lab.boto("ec2").describe_instances(InstanceIds=[first.instance_id])["Reservations"]
    assert [instance["ImageId"] for one in found for instance in one["Instances"]] == [ami]
    assert first.exec(["cat", "/run/greeting"]).stdout == "good day from an image\n"
    assert first.exec(["stat", "--format=%a", "/opt/greeter"]).stdout == "750\n"
    assert second.exec(["sh", "-c", "echo $HOSTNAME $(hostname)"]).stdout == "web-2 web-2\n"
    machines = {host.exec(["cat", "/etc/machine-id"]).stdout for host in (first, second)}
    assert len({first.exec(["cat", "/etc/built-on"]).stdout, *machines}) == 3
    assert first.exec(["sh", "-c", "ls -d /tmp/TOE_* /run/of-the-build-instance"], check=False).stdout == ""


def test_a_failure_is_told_and_the_instance_stays_if_it_shall(workshop: Workshop) -> None:
    download = {"source": f"s3://{BUCKET}/images/greet", "destination": "/no/such/folder/greet"}
    steps = [
        {"name": "NoFolder", "action": "S3Download", "onFailure": "Ignore", "inputs": [download]},
        {
            "name": "Stranger",
            "action": "S3Download",
            "onFailure": "Ignore",
            "inputs": [{**download, "destination": "/tmp/greet", "expectedBucketOwner": "999999999999"}],
        },
        bash("LastCounts", "false", "echo a failure before the last command is not seen"),
        bash("Patient", "test -e /tmp/second || { touch /tmp/second; exit 1; }", maxAttempts=2),
        bash("Slow", "sleep 600", timeoutSeconds=1, onFailure="Ignore"),
        bash("Numbers", "seq 30", "echo why it failed >&2", "exit 3", onFailure="Continue"),
        bash("GoesOn", "exit 4"),
        bash("Never", "true"),
    ]
    arn = workshop.begin(document(build=steps), terminateInstanceOnFailure=False)
    image = workshop.end(arn)
    assert image["state"]["status"] == "FAILED"
    failure = image["state"]["failureContext"]["componentFailure"]
    assert (failure["phaseName"], failure["stepName"], failure["action"]) == ("build", "Numbers", "ExecuteBash")
    last = "\n".join(map(str, range(21, 31)))
    assert failure["errorMessage"] == f"the step build.Numbers failed: exit status 3\n{last}\nwhy it failed"

    log = workshop.log(arn)
    assert [line.partition(" EXECUTION, ")[2] for line in log if "FAILED EXECUTION" in line] == [
        "attempt 1 of 1: the folder /no/such/folder does not exist",
        "attempt 1 of 1: AccessDenied: the bucket dtk-releases does not belong to the account 999999999999",
        "attempt 1 of 2: exit status 1",
        "attempt 1 of 1: it took longer than 1 s",
        "attempt 1 of 1: exit status 3",
        "attempt 1 of 1: exit status 4",
    ]
    said = [line.removeprefix("Stdout: ") for line in log if line.startswith("Stdout: ")]
    assert [line for line in said if line.isdigit()] == [str(number) for number in range(1, 31)]
    assert "Stderr: why it failed" in log and "Step Never" not in log
    assert log[-1] == "TOE has completed execution with failure - Execution failed!"

    assert list(workshop.instances(arn).values()) == ["running"]
    (kept,) = workshop.hosts("build")
    assert podman("exec", kept, "test", "-e", "/tmp/second").returncode == 0


def test_a_build_that_is_cancelled_ends_at_once(workshop: Workshop) -> None:
    arn = workshop.begin(document(build=[bash("Long", "echo begun", "sleep 600")]))
    wait_until(lambda: "Stdout: begun" in workshop.log(arn), lambda: workshop.image(arn))
    before = time.monotonic()
    workshop.service.cancel_image_creation(imageBuildVersionArn=arn)
    assert workshop.end(arn)["state"]["status"] == "CANCELLED"
    assert time.monotonic() - before < SECONDS / 4
    assert list(workshop.instances(arn).values()) == ["terminated"]


def test_an_image_that_fails_its_test_is_none(workshop: Workshop) -> None:
    known = workshop.snapshots()
    arn = workshop.begin(document(build=[bash("Make", "true")], test=[bash("Prove", "echo not at all", "exit 1")]))
    image = workshop.end(arn)
    assert (image["state"]["status"], image["outputResources"]["amis"]) == ("FAILED", [])
    failure = image["state"]["failureContext"]
    assert (failure["imageStatus"], failure["failedStep"]) == ("TESTING", "ApplyTestComponents")
    assert failure["componentFailure"]["errorMessage"] == "the step test.Prove failed: exit status 1\nnot at all"
    assert workshop.snapshots() == known
    assert workshop.hosts("test") == []


def test_a_document_that_cannot_be_carried_out_is_refused_before_an_instance_starts(workshop: Workshop) -> None:
    arn = workshop.begin(document(build=[{"name": "Update", "action": "UpdateOS"}]))
    state = workshop.end(arn)["state"]
    assert state["status"] == "FAILED"
    assert "the step build.Update has the action UpdateOS, which is not carried out here" in state["reason"]
    assert workshop.instances(arn) == {}


def test_a_lab_that_ends_takes_what_it_builds_along() -> None:
    with Lab.up("component-ends", hosts=0) as lab:
        workshop = Workshop(lab)
        arns = [workshop.begin(document(build=[bash("Long", "echo begun", "sleep 600")])) for _ in range(2)]
        wait_until(lambda: all("Stdout: begun" in workshop.log(arn) for arn in arns), lambda: map(workshop.log, arns))
        assert len(workshop.hosts("build")) == 2
        before = time.monotonic()
    assert time.monotonic() - before < SECONDS / 4
    assert containers.listed(containers.of_lab(lab.name)) == containers.snapshots(containers.of_lab(lab.name)) == []
    assert start_time(lab.moto.pid) != lab.moto.started
