# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance metadata service, version 2, of many emulated instances in one process.

    with Imds.start(aws.endpoint) as imds:
        imds.assign("10.88.0.5", "i-0123456789abcdef0")      # who calls from there is this instance

    python -m tests.fakes.imds --endpoint http://127.0.0.1:5005 --map instances.json --listen 10.88.0.1:80

Who calls is known by the address that it calls (`--listen 127.0.0.2:80=i-0123456789abcdef0`), or by its own: as the
file says, {"peer address": "instance id"}, which is read again whenever it changes; else as the instance's private one.
What is answered comes from the emulated EC2, IAM and Auto Scaling at that moment; these requests count for nobody. An
instance's own metadata options apply: whether it has the service at all, needs a token, and sees its tags. Hop limits
do not.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import datetime
import json
import re
import secrets
import signal
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.emulation.clients import ACCESS_KEY, ACCOUNT, SECRET_KEY, Clients

REGION = "eu-west-1"
LONGEST_TOKEN = 21_600
_VERSION = re.compile(r"latest|1\.0|\d{4}-\d\d-\d\d")
_TTL, _TOKEN = "X-aws-ec2-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token"
# A folder's entry is a value, a folder, or what makes one of them when somebody asks.
Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Listener:
    """An address to listen at; with an instance, whoever calls there is it."""

    host: str = "127.0.0.1"
    port: int = 0
    instance_id: str = ""

    @classmethod
    def parse(cls, text: str) -> Listener:
        address, _, instance_id = text.partition("=")
        host, colon, port = address.rpartition(":")
        return cls(host or address, int(port) if colon else 80, instance_id)


class Metadata:
    """What instances may know about themselves."""

    def __init__(self, endpoint: str, region: str) -> None:
        self.region = region
        self._clients = Clients()
        self._clients.endpoint = endpoint

    def _client(self, service: str) -> Any:
        return self._clients(service, self.region, ACCOUNT)

    def instance(self, instance_id: str) -> dict[str, Any] | None:
        """As EC2 describes it, if it is there and on."""
        try:
            (reservation,) = self._client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
        except ClientError:
            return None
        (found,) = reservation["Instances"]
        return dict(found) if found["State"]["Name"] in {"pending", "running", "stopping", "shutting-down"} else None

    def at(self, address: str) -> str:
        """The running instance that has this private address."""
        filters = {"private-ip-address": address, "instance-state-name": "running"}
        asked = [{"Name": name, "Values": [value]} for name, value in filters.items()]
        found = self._client("ec2").describe_instances(Filters=asked)["Reservations"]
        return next((str(one["InstanceId"]) for reservation in found for one in reservation["Instances"]), "")

    def tree(self, instance: dict[str, Any]) -> Tree:
        return {
            "meta-data": lambda: self._metadata(instance),
            "dynamic": {"instance-identity": {"document": lambda: json.dumps(self._document(instance), indent=2)}},
            "user-data": lambda: self._user_data(instance),
        }

    def _metadata(self, instance: dict[str, Any]) -> Tree:
        zone = instance["Placement"]["AvailabilityZone"]
        found: dict[str, Any] = {
            "ami-id": instance["ImageId"],
            "ami-launch-index": str(instance.get("AmiLaunchIndex", 0)),
            "hostname": instance.get("PrivateDnsName"),
            "instance-id": instance["InstanceId"],
            "instance-life-cycle": instance.get("InstanceLifecycle", "on-demand"),
            "instance-type": instance["InstanceType"],
            "local-hostname": instance.get("PrivateDnsName"),
            "local-ipv4": instance.get("PrivateIpAddress"),
            "public-ipv4": instance.get("PublicIpAddress"),
            "mac": next((one["MacAddress"] for one in instance.get("NetworkInterfaces", [])), None),
            "placement": {
                "availability-zone": zone,
                "availability-zone-id": lambda: self._zone_id(zone),
                "region": self.region,
            },
            "security-groups": "\n".join(one["GroupName"] for one in instance.get("SecurityGroups", [])) or None,
            "services": {"domain": "amazonaws.com", "partition": "aws"},
            "autoscaling": lambda: self._autoscaling(instance["InstanceId"]),
            "iam": lambda: self._iam(instance),
            "tags": self._tags(instance),
        }
        return {name: value for name, value in found.items() if value is not None}

    def _document(self, instance: dict[str, Any]) -> dict[str, Any]:
        return {
            "accountId": ACCOUNT,
            "architecture": instance.get("Architecture", "x86_64"),
            "availabilityZone": instance["Placement"]["AvailabilityZone"],
            "imageId": instance["ImageId"],
            "instanceId": instance["InstanceId"],
            "instanceType": instance["InstanceType"],
            "pendingTime": _stamp(instance["LaunchTime"]),
            "privateIp": instance.get("PrivateIpAddress"),
            "region": self.region,
            "version": "2017-09-30",
        }

    def _user_data(self, instance: dict[str, Any]) -> str | None:
        asked = {"InstanceId": instance["InstanceId"], "Attribute": "userData"}
        found = self._client("ec2").describe_instance_attribute(**asked).get("UserData", {}).get("Value")
        return base64.b64decode(found).decode() if found else None

    def _zone_id(self, zone: str) -> str:
        (found,) = self._client("ec2").describe_availability_zones(ZoneNames=[zone])["AvailabilityZones"]
        return str(found["ZoneId"])

    @staticmethod
    def _tags(instance: dict[str, Any]) -> Tree | None:
        """Where the instance's options let it see them; those of AWS itself are not among them."""
        if instance.get("MetadataOptions", {}).get("InstanceMetadataTags") != "enabled":
            return None
        tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", []) if not tag["Key"].startswith("aws:")}
        return {"instance": tags} if tags else None

    # --- Auto Scaling ---

    def _autoscaling(self, instance_id: str) -> Tree | None:
        found = self._client("autoscaling").describe_auto_scaling_instances(InstanceIds=[instance_id])
        if not found["AutoScalingInstances"]:
            return None
        (member,) = found["AutoScalingInstances"]
        return {"target-lifecycle-state": self._target(member["AutoScalingGroupName"], member["LifecycleState"])}

    def _target(self, group: str, state: str) -> str:
        """Where an instance in this state is going to, or is."""
        if state.startswith("Warmed:Pending"):
            pool = self._client("autoscaling").describe_warm_pool(AutoScalingGroupName=group)
            return f"Warmed:{pool.get('WarmPoolConfiguration', {}).get('PoolState', 'Stopped')}"
        for begun, target in (
            ("Pending", "InService"),
            ("EnteringStandby", "Standby"),
            ("Detaching", "Detached"),
            ("Terminating", "Terminated"),
            ("Warmed:Terminating", "Warmed:Terminated"),
        ):
            if state.startswith(begun):
                return target
        return state

    # --- IAM ---

    def _iam(self, instance: dict[str, Any]) -> Tree | None:
        profile = instance.get("IamInstanceProfile", {}).get("Arn")
        if not profile:
            return None
        name = profile.rpartition("/")[2]
        found = self._client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        info = {"Code": "Success", "LastUpdated": _stamp(_now()), "InstanceProfileArn": profile}
        roles = {role["RoleName"]: lambda: json.dumps(_credentials(), indent=2) for role in found["Roles"]}
        return {"info": json.dumps(info, indent=2), "security-credentials": roles}


def _credentials() -> dict[str, str]:
    return {
        "Code": "Success",
        "LastUpdated": _stamp(_now()),
        "Type": "AWS-HMAC",
        "AccessKeyId": ACCESS_KEY,
        "SecretAccessKey": SECRET_KEY,
        "Token": "a-session-token",
        "Expiration": _stamp(_now() + datetime.timedelta(hours=6)),
    }


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _stamp(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Tokens:
    """Each is of one instance, for so long."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[tuple[str, str], float] = {}

    def make(self, instance_id: str, ttl: int) -> str:
        token = secrets.token_urlsafe(40)
        with self._lock:
            self._until[instance_id, token] = self._clock() + ttl
        return token

    def left(self, instance_id: str, token: str) -> int:
        """For how many seconds it still counts."""
        with self._lock:
            return max(0, int(self._until.get((instance_id, token), 0) - self._clock()))


@dataclass(frozen=True)
class Reply:
    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Imds:
    """Answers requests of known peers; the servers of its addresses run in threads."""

    def __init__(self, endpoint: str, region: str = REGION, map_file: Path | None = None) -> None:
        self.metadata = Metadata(endpoint, region)
        self.tokens = Tokens()
        self._lock = threading.Lock()
        self._assigned: dict[str, str] = {}
        self._map_file, self._read_at = map_file, 0
        self._from_file: dict[str, str] = {}
        self._servers: list[ThreadingHTTPServer] = []

    @classmethod
    @contextlib.contextmanager
    def start(
        cls,
        endpoint: str,
        *listeners: Listener,
        region: str = REGION,
        map_file: Path | None = None,
    ) -> Iterator[Imds]:
        """At a free port of loopback, unless there are listeners."""
        imds = cls(endpoint, region, map_file)
        try:
            for listener in listeners or (Listener(),):
                imds.listen(listener)
            yield imds
        finally:
            imds.stop()

    @property
    def urls(self) -> list[str]:
        return ["http://{}:{}".format(*server.server_address[:2]) for server in self._servers]

    def assign(self, peer: str, instance_id: str) -> None:
        """Who calls from this address is this instance."""
        with self._lock:
            self._assigned[peer] = instance_id

    def listen(self, listener: Listener) -> str:
        """Where it listens from now on."""
        handler = type("Handler", (_Handler,), {"imds": self, "instance_id": listener.instance_id})
        server = ThreadingHTTPServer((listener.host, listener.port), handler)
        server.daemon_threads = True
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self.urls[-1]

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    # --- who asks ---

    def who(self, peer: str) -> str:
        with self._lock:
            if self._map_file:
                self._read_map(self._map_file)
            known = self._assigned.get(peer) or self._from_file.get(peer, "")
        return known or self.metadata.at(peer)

    def _read_map(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            changed = path.stat().st_mtime_ns
            if changed != self._read_at:
                self._from_file, self._read_at = json.loads(path.read_text(encoding="utf-8")), changed

    # --- what is said ---

    def put(self, instance_id: str, path: str, headers: Mapping[str, str]) -> Reply:
        refused, _ = self._checked(instance_id)
        if refused:
            return refused
        if path != "/latest/api/token":
            return Reply(405)
        # Whoever comes by way of a proxy may be anybody.
        if "X-Forwarded-For" in headers:
            return Reply(403)
        ttl = headers.get(_TTL, "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= LONGEST_TOKEN:
            return Reply(400)
        return Reply(200, self.tokens.make(instance_id, int(ttl)), ((_TTL, ttl),))

    def get(self, instance_id: str, path: str, headers: Mapping[str, str]) -> Reply:
        refused, instance = self._checked(instance_id)
        if refused:
            return refused
        token = headers.get(_TOKEN)
        left = self.tokens.left(instance_id, token) if token else 0
        required = instance.get("MetadataOptions", {}).get("HttpTokens") == "required"
        if (token or required) and not left:
            return Reply(401)
        answer = self._look_up(instance, path)
        return Reply(answer.status, answer.body, ((_TTL, str(left)),) if token else ())

    def _checked(self, instance_id: str) -> tuple[Reply | None, dict[str, Any]]:
        instance = self.metadata.instance(instance_id) if instance_id else None
        if instance is None:
            return Reply(404, "nobody knows whose instance this address is"), {}
        if instance.get("MetadataOptions", {}).get("HttpEndpoint") == "disabled":
            return Reply(403), {}
        return None, instance

    def _look_up(self, instance: dict[str, Any], path: str) -> Reply:
        version, *parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        if not version:
            return Reply(200, "latest")
        if not _VERSION.fullmatch(version):
            return Reply(404)
        found: Any = self.metadata.tree(instance)
        for part in parts:
            found = found() if callable(found) else found
            found = found.get(part) if isinstance(found, Mapping) else None
        found = found() if callable(found) else found
        if found is None:
            return Reply(404)
        return Reply(200, found if isinstance(found, str) else _listing(found))


def _listing(folder: Tree) -> str:
    """One entry a line. What has more below it ends with a slash; whether a thing has, only its making tells."""
    return "\n".join(name + ("/" if isinstance(value, Mapping) else "") for name, value in _made(folder))


def _made(folder: Tree) -> Iterator[tuple[str, Any]]:
    for name, value in sorted(folder.items()):
        made = value() if callable(value) else value
        if made is not None:
            yield name, made


class _Handler(BaseHTTPRequestHandler):
    imds: Imds
    instance_id: str
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "EC2ws", ""
    # Headers and body in one packet: a second one would wait 40 ms for the first to be acknowledged.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_PUT(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self._answer(self.imds.put)

    def do_GET(self) -> None:
        self._answer(self.imds.get)

    def do_HEAD(self) -> None:
        self._answer(self.imds.get)

    def _answer(self, ask: Callable[[str, str, Mapping[str, str]], Reply]) -> None:
        instance_id = self.instance_id or self.imds.who(self.client_address[0])
        reply = ask(instance_id, urllib.parse.urlsplit(self.path).path, self.headers)
        body = reply.body.encode()
        self.send_response(reply.status)
        for name, value in (("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *reply.headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_unused: Any) -> None:
        """Hosts ask often."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.imds", description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", required=True, help="of the emulated AWS")
    parser.add_argument("--region", default=REGION, help="default: %(default)s")
    parser.add_argument(
        "--listen",
        action="append",
        type=Listener.parse,
        metavar="HOST[:PORT][=INSTANCE]",
        help="port 80 by default; default: any free port of loopback",
    )
    parser.add_argument("--map", type=Path, metavar="FILE", help="JSON, peer address to instance id")
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    listeners = options.listen or []
    with (
        contextlib.suppress(KeyboardInterrupt),
        Imds.start(options.endpoint, *listeners, region=options.region, map_file=options.map) as imds,
    ):
        for url in imds.urls:
            print(url, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
