# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every key of dtk_fleet: what it may hold, its default and what it is for.

The JSON Schema for editors and the table in docs/fleet.md are made from this; `python -m tests.server_role` writes
both. It stands apart from the keys of the server role: a host reads those when it boots, and has no use for these.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .shape import Choice, Either, Flag, Key, ListOf, MapOf, Number, Record, Shape, Text

ENV = r"[a-z][a-z0-9_-]{0,31}"

_ANY_TEXT = Text(r"[^\x00]*", "text")
_LINE = Text()
_SUBNET = Text(r"subnet-[0-9a-f]+", "a subnet (subnet-…)")
_GROUP = Text(r"sg-[0-9a-f]+", "a security group (sg-…)")
_RANGE = r"[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}|[0-9a-f:]*::?[0-9a-f:]*/[0-9]{1,3}"
_SOURCE = Text(rf"sg-[0-9a-f]+|{_RANGE}", "a security group (sg-…) or a range of addresses such as 10.0.0.0/8")
_TOPIC = Text(r"arn:[a-z-]+:[a-z0-9-]+:.+", "the ARN of a topic, or of whatever else an alarm may tell")
_PERCENT = Number(0, 100)
_TAGS = MapOf(_ANY_TEXT, r"(?!aws:|dtk:)[^\x00]{1,128}", "the key of a tag that does not begin with aws: or dtk:")
_KIND = Text(r"[a-z0-9-]+\.[a-z0-9-]+", "a type such as t3.small")

_VOLUME = Record(
    {
        "size": Key(Number(1, 16384), "GiB of the root volume; that of the image if not given."),
        "type": Key(Choice(("gp3", "gp2", "io1", "io2")), "Kind of the volume.", "gp3"),
        "iops": Key(Number(100, 256000), "Operations in a second, with gp3, io1 and io2."),
        "throughput": Key(Number(125, 2000), "MiB in a second, with gp3."),
        "kms_key": Key(_LINE, "ARN of the key that it is encrypted with; the account's default key if not given."),
    },
    "the volume",
)
_RULE = Record(
    {
        "port": Key(Number(1, 65535), "Number.", required=True),
        "protocol": Key(Choice(("tcp", "udp")), "Protocol.", "tcp"),
        "from": Key(_SOURCE, "Who may connect.", required=True),
        "about": Key(Text(r"[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}", "a description as AWS takes it"), "Why."),
    },
    "a rule",
)
_HOOK = Record(
    {
        "timeout": Key(
            Number(60, 7200),
            "Seconds in which an instance must be heard of; not less than the heartbeat of role converge.",
            300,
        ),
        "default": Key(
            Choice(("ABANDON", "CONTINUE")),
            "What becomes of an instance that falls silent. CONTINUE lets it serve whatever it has.",
            "ABANDON",
        ),
    },
    "the hook",
)
_HEALTH = Record(
    {
        "type": Key(
            Choice(("EC2", "ELB")),
            "Who is asked. If not given, ELB with target groups and EC2 without.",
        ),
        "grace": Key(
            Number(0, 7200),
            "Seconds for which an instance that has gone into service is not asked. It is up by then: it waits in its "
            "hook until its apps are healthy.",
            60,
        ),
    },
    "health_check",
)
_SCALING = Record(
    {
        "metric": Key(Choice(("cpu", "requests_per_target")), "What is held at the target.", "cpu"),
        "target": Key(
            Number(0.01, whole=False),
            "Per cent of CPU on average, or requests of each instance in a minute.",
            required=True,
        ),
        "app": Key(_LINE, "The app whose requests count, where more than one is behind a load balancer."),
        "scale_in": Key(Flag(), "Whether the group becomes smaller by itself, too.", True),
    },
    "scaling",
)
_WARM_POOL = Record(
    {
        "min": Key(Number(0), "Instances that are always ready.", 0),
        "prepared": Key(Number(0), "Instances in the pool and in the group together; up to max if not given."),
        "state": Key(Choice(("Stopped", "Running", "Hibernated")), "How they wait.", "Stopped"),
        "reuse": Key(Flag(), "Whether an instance that is not needed any more goes back there.", False),
    },
    "the warm pool",
)
_ALARM = Record(
    {
        "threshold": Key(Number(0.01, whole=False), "From here on it rings."),
        "periods": Key(Number(1, 60), "Minutes in a row.", 2),
        "enabled": Key(Flag(), "Whether it is made.", True),
    },
    "an alarm",
)


def _alarm(about: str, threshold: float) -> Key:
    keys = {**_ALARM.keys, "threshold": replace(_ALARM.keys["threshold"], default=threshold)}
    return Key(replace(_ALARM, keys=keys), about, {})


_ALARMS = Record(
    {
        "unhealthy_hosts": _alarm("Hosts that a load balancer finds unhealthy, for each app behind one.", 1),
        "errors_5xx": _alarm(
            "Answers with a status from 500 on in a minute, for each app behind an application load balancer.", 10
        ),
        "status_check": _alarm("Instances of which AWS says that they, or what they run on, are broken.", 1),
        "actions": Key(ListOf(_TOPIC), "Who is told.", []),
    },
    "alarms",
)
_COUNT: Shape = Either((Number(1), Text(r"[0-9]{1,2}%|100%", 'a percentage such as "50%"')))
_REFRESH = Record(
    {
        "min_healthy_percentage": Key(_PERCENT, "Per cent of the instances that are in service at any moment.", 90),
        "max_healthy_percentage": Key(Number(100, 200), "Per cent up to which new ones come before old ones go."),
        "checkpoints": Key(
            ListOf(_COUNT, least=1), "When it pauses: numbers of new instances, or percentages.", [1, "100%"]
        ),
        "checkpoint_delay": Key(Number(0, 172800), "Seconds of each pause.", 300),
        "bake_time": Key(Number(0, 172800), "Seconds for which it is watched once everything is new.", 300),
        "instance_warmup": Key(Number(0, 3600), "Seconds until a new instance counts; `warmup` if not given."),
        "alarms": Key(ListOf(_LINE), "Further alarms that roll it back. Those of the fleet always do.", []),
    },
    "refresh",
)
_STATEMENT = MapOf(Shape(), r"[A-Za-z]+", "an element of a statement such as Effect")

_KEYS: dict[str, Key] = {
    "subnets": Key(ListOf(_SUBNET, least=1), "Where instances start; one in each availability zone.", required=True),
    "vpc": Key(Text(r"vpc-[0-9a-f]+", "a VPC (vpc-…)"), "Their VPC; found out if not given."),
    "instance_type": Key(_KIND, "What an instance is.", "t3.small"),
    "min": Key(Number(0), "Instances that there are at least.", required=True),
    "max": Key(Number(0), "Instances that there are at most.", required=True),
    "desired": Key(Number(0), "Instances to begin with; `min` if not given. Later the number belongs to scaling."),
    "volume": Key(_VOLUME, "The root volume, which is always encrypted.", {}),
    "security_groups": Key(ListOf(_GROUP), "Further ones, beside the fleet's own.", []),
    "balancers": Key(
        ListOf(_SOURCE),
        "Where load balancers come from: their security groups, or their subnets' addresses for one that has none. "
        "Needed where an app has a port with from: load_balancer.",
        [],
    ),
    "ingress": Key(ListOf(_RULE), "Further rules of the fleet's own security group.", []),
    "key_name": Key(_LINE, "Key pair for SSH."),
    "detailed_monitoring": Key(Flag(), "Whether metrics come every minute, not every five.", False),
    "permissions_boundary": Key(
        Text(r"arn:[a-z-]+:iam::.+", "the ARN of a policy"), "Boundary of the instances' role."
    ),
    "policies": Key(
        ListOf(Text(r"arn:[a-z-]+:iam::.+", "the ARN of a policy")),
        "Managed policies that the instances have, too.",
        [],
    ),
    "statements": Key(ListOf(_STATEMENT), "IAM statements for what the apps themselves do in AWS.", []),
    "hook": Key(_HOOK, "What a starting instance is held by until it has its releases.", {}),
    "health_check": Key(_HEALTH, "What makes the group replace an instance.", {}),
    "warmup": Key(Number(0, 3600), "Seconds until a new instance counts for scaling and for refreshes.", 60),
    "scaling": Key(_SCALING, "How the group grows and shrinks. Without it, only by hand."),
    "warm_pool": Key(_WARM_POOL, "Instances that are prepared beforehand."),
    "alarms": Key(_ALARMS, "What deploys and refreshes ask before they go on.", {}),
    "refresh": Key(_REFRESH, "How a new image goes through the fleet.", {}, reader="roll"),
    "tags": Key(_TAGS, "Tags of all that is made.", {}),
}
_ELSEWHERE = {
    "instance_types": "give one instance_type: a group of several types is not made here.",
    "image": "it is the one that <prefix>/<env>/<role>/ami/current names; bake and promote write it.",
    "ami": "it is the one that <prefix>/<env>/<role>/ami/current names; bake and promote write it.",
    "user_data": "what an instance is belongs into its image.",
    "desired_capacity": "did you mean desired?",
}
WHAT = "a fleet"


def _in_part(shape: Shape) -> Shape:
    """The same, of which anything may be left out: what is said for one env needs no more than what is different there.

    Items of lists stay whole, since a list is laid over another one as a whole.
    """
    if not isinstance(shape, Record):
        return shape
    keys = {name: replace(key, required=False, shape=_in_part(key.shape)) for name, key in shape.keys.items()}
    return replace(shape, keys=keys)


ONE_ENV = Record(_KEYS, WHAT, _ELSEWHERE)
_OVERRIDES = _in_part(ONE_ENV)
# As it is written: what is required may stand in each env.
FLEET = Record(
    {
        **{name: replace(key, required=False, shape=_in_part(key.shape)) for name, key in _KEYS.items()},
        "envs": Key(
            MapOf(_OVERRIDES, ENV, "the name of an env", "<env>"),
            "What is different in an env; laid over the rest.",
            {},
        ),
    },
    WHAT,
    _ELSEWHERE,
)


def merged(below: Any, above: Any) -> Any:
    """Mappings key by key; of everything else the upper one."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: merged(below[key], value) if key in below else value for key, value in above.items()}}
