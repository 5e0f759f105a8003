# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ec2_fleet
version_added: 0.2.0
short_description: The EC2 instances of a fleet, in all its regions and accounts
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Lists instances in any number of regions and accounts at the same time, with what Auto Scaling and load
    balancers know about them.
  - The name of the file ends with C(.dtk.yml) or C(.dtk.yaml), or it is C(dtk.ec2_fleet.yml).
  - A region or account that cannot be read ends the run with an error, unless O(on_partial) says otherwise. Nothing
    ever runs on a part of the fleet that looks like all of it.
  - Every option that is misspelt is an error.
  - The groups C(env_<env>), C(role_<server role>), C(app_<app>), C(az_<availability zone>), C(asg_<Auto Scaling
    group>) and C(lifecycle_<lifecycle state>) are there without configuration, see O(standard_groups). Letters,
    digits and underscores stay in the name of a group, everything else becomes an underscore. Values that become
    the same are told.
  - Variables of a host that P(amazon.aws.aws_ec2#inventory) also has keep its names. These are C(instance_id),
    C(image_id), C(instance_type), C(launch_time), C(private_ip_address), C(public_ip_address) and
    C(private_dns_name).
  - C(availability_zone) and C(ec2_tags) are ours. The tags are not called C(tags), since this is a keyword of
    playbooks.
  - All other variables begin with C(dtk_), so that no variable of yours is hidden. C(dtk_env), C(dtk_role),
    C(dtk_region), C(dtk_account_id), C(dtk_account) (the name in O(accounts)), C(dtk_state), C(dtk_image_age_days),
    C(dtk_asg), C(dtk_lifecycle_state), C(dtk_health), C(dtk_launch_template), C(dtk_launch_template_version),
    C(dtk_protected_from_scale_in), C(dtk_target_health) and C(dtk_description). One that is unknown or does not
    apply is not set.
  - C(dtk_pending) is true while the instance is on its way into service, and false otherwise.
  - What AWS says is data and never a template. A tag with curly braces stays as it is.
notes:
  - The actions C(ec2:DescribeInstances), C(ec2:DescribeImages), C(autoscaling:DescribeAutoScalingGroups) and
    C(autoscaling:DescribeWarmPool) must be allowed. C(ec2:DescribeRegions) for O(regions=all).
    C(elasticloadbalancing:DescribeTargetGroups) and C(elasticloadbalancing:DescribeTargetHealth) for
    O(target_health). C(sts:AssumeRole) for O(accounts).
  - Throttled calls are repeated up to 10 times, waiting longer each time, with jitter. Connecting is tried twice.
  - In O(compose), O(groups) and O(keyed_groups) you can use the variables of the host, and C(tags), C(placement),
    C(state), C(owner_id), C(public_dns_name), C(architecture), C(instance_lifecycle), C(key_name), C(platform),
    C(subnet_id) and C(vpc_id) by the names of P(amazon.aws.aws_ec2#inventory). Everything else that it offers needs
    O(full_description).
  - A plain expression such as C(tags['Owner'] | default('nobody')) is hundreds of times quicker than one with other
    filters.
requirements:
  - botocore
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: Says that this file is for this plugin.
    type: str
    required: true
    choices: [sysops.dtk.ec2_fleet]
  regions:
    description:
      - The regions, or V(all) for all that are enabled for the account.
      - Without it, the one region of O(region), of the environment or of the profile. If there is none, this is an
        error.
    type: list
    elements: str
    default: []
  accounts:
    description:
      - Accounts to list, each by a role that is assumed in it. Without it, the account of the credentials
        themselves.
    type: list
    elements: dict
    default: []
    suboptions:
      role_arn:
        description: The role to assume. Leave it out to have the account of the credentials themselves among the
          others.
        type: str
      name:
        description: What you call the account, in messages and in the variable C(dtk_account).
        type: str
      external_id:
        description: What the trust policy of the role asks for.
        type: str
      session_name:
        description: The name by which the session shows in CloudTrail.
        type: str
        default: sysops.dtk.ec2_fleet
      duration:
        description: Seconds for which the credentials are good, from 900 to what the role allows.
        type: int
        default: 3600
  filters:
    description:
      - Instances that match all of these filters. Names and values are those of C(aws ec2 describe-instances
        --filters).
      - Instances in the states C(pending) and C(running) are listed unless C(instance-state-name) is among the
        filters.
    type: dict
    default: {}
  include_filters:
    description: More filters like O(filters). Instances that match all of any one item are listed as well. One call
      for each.
    type: list
    elements: dict
    default: []
  exclude_filters:
    description: Instances that match all of any one item are left out. One call for each.
    type: list
    elements: dict
    default: []
  hostnames:
    description:
      - What gives a host its name, the first that an instance has. The instance id if it has none of them.
      - V(tag:Name) is the value of a tag, V(tag:Name,Alias) the first of several, V(tag:Name=web) is C(Name_web) if
        the tag has this value.
      - Otherwise one of V(architecture), V(availability-zone), V(dns-name), V(image-id), V(instance-id),
        V(instance-type), V(ip-address), V(key-name), V(owner-id), V(private-dns-name), V(private-ip-address),
        V(subnet-id) and V(vpc-id).
      - A dictionary has C(name), and optionally C(prefix) (one of these, or any text) and C(separator) (V(_) by
        default).
      - Letters, digits, dots, hyphens and underscores stay. Everything else, and a dot or hyphen at the beginning,
        becomes an underscore, since names become parts of paths and commands.
    type: list
    elements: raw
    default: ['tag:Name', 'instance-id']
  use_contrib_script_compatible_sanitization:
    description:
      - Keep hyphens in the names of groups, as the old script C(ec2.py) did.
      - Ansible's own setting C(TRANSFORM_INVALID_GROUP_CHARS) must be C(never) or C(ignore), too.
    type: bool
    default: false
  on_duplicate:
    description:
      - What to do if several instances have one name. No host is ever lost, and none is merged with another.
      - V(warn) appends the instance id to the name of each of them and tells which they are, V(suffix) does so
        without a word (right for Auto Scaling groups that give all instances one name), V(fail) is an error.
      - Names of groups and of the controller itself, such as V(all) or V(localhost), are no names for hosts. An
        instance that has one gets its id appended, with a warning.
    type: str
    choices: [warn, suffix, fail]
    default: warn
  on_partial:
    description:
      - What to do if a region or an account cannot be read.
      - V(fail) ends the run with an error and exit code 1 that names each with its cause.
      - V(warn) warns and lists the others. Every host and localhost then have the variable
        C(dtk_inventory_partial), a list of dictionaries with C(account), C(region) and C(cause). If nothing could
        be read at all, this is an error nevertheless. A partial inventory is not cached.
    type: str
    choices: [fail, warn]
    default: fail
  tag_env:
    description: The tag that names the env of an instance, for the groups C(env_<env>) and the variable C(dtk_env).
    type: str
    default: dtk:env
  tag_role:
    description: The tag that names the server role, for the groups C(role_<server role>) and the variable
      C(dtk_role).
    type: str
    default: dtk:role
  tag_app:
    description: The tag that names apps, one or several with commas between, for the groups C(app_<app>).
    type: str
    default: dtk:app
  standard_groups:
    description: Which kinds of groups are made.
    type: list
    elements: str
    choices: [env, role, app, az, asg, lifecycle]
    default: [env, role, app, az, asg, lifecycle]
  connection:
    description:
      - How Ansible reaches the hosts. V(private) and V(public) set C(ansible_host) to the address, if the instance
        has one.
      - V(ssm) uses Session Manager and sets what O(ssm_plugin) needs. Its bucket and the like are up to you, in
        group variables.
      - V(none) sets nothing. What O(compose) sets comes last and wins.
    type: str
    choices: [private, public, ssm, none]
    default: private
  ssm_plugin:
    description: The connection plugin for O(connection=ssm).
    type: str
    default: amazon.aws.aws_ssm
  autoscaling:
    description: Ask Auto Scaling about lifecycle state, health, launch template and protection. Without it,
      instances that are being terminated cannot be told from others.
    type: bool
    default: true
  target_health:
    description: Ask the load balancers about the health of targets, for the variable C(dtk_target_health), a list
      of dictionaries with C(target_group), C(port), C(state) and C(reason). One call for each target group.
    type: bool
    default: false
  image_age:
    description: Ask for the age of images in days, for the variable C(dtk_image_age_days). One call for every 200
      images in use.
    type: bool
    default: true
  include_terminating:
    description: List instances that are shutting down, or in a lifecycle state that begins with C(Terminating), as
      well.
    type: bool
    default: false
  full_description:
    description: Set the variable C(dtk_description) to everything that AWS says about the instance, in snake_case.
      Its keys can be used in expressions by themselves, too. Needs several times the CPU and memory.
    type: bool
    default: false
  parallel:
    description: How many calls are made at the same time, at most. From 1 to 64.
    type: int
    default: 8
  region:
    description: The region if O(regions) is not given, and the one that is asked for roles and for regions.
    type: str
    aliases: [aws_region]
    env:
      - name: AWS_REGION
  profile:
    description: A named AWS profile. Cannot be used together with O(access_key).
    type: str
    aliases: [aws_profile]
  access_key:
    description: AWS access key id, if it does not come from the environment, a profile or a role.
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description: AWS secret access key. Needed with O(access_key).
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description: AWS session token, for temporary credentials.
    type: str
    aliases: [aws_session_token]
  endpoint_url:
    description: URL to ask instead of AWS' own endpoints.
    type: str
    aliases: [aws_endpoint_url]
    env:
      - name: AWS_URL
"""

EXAMPLES = r"""
# inventories/prod/fleet.dtk.yml: all instances with an env in two regions. Groups are made from the tags dtk:env,
# dtk:role and dtk:app; group_vars/role_web.yml beside this file is for the servers of the role web.
plugin: sysops.dtk.ec2_fleet
regions: [eu-west-1, eu-central-1]
filters:
  tag-key: dtk:env

---
# All enabled regions of three accounts. One that cannot be read is a warning, and dtk_inventory_partial says so.
plugin: sysops.dtk.ec2_fleet
regions: all
accounts:
  - name: shop-prod
    role_arn: arn:aws:iam::111111111111:role/inventory
  - name: shop-beta
    role_arn: arn:aws:iam::222222222222:role/inventory
    external_id: 5bd1e6
  - name: tools
on_partial: warn

---
# Without SSH: by Session Manager. Instances of an Auto Scaling group share one tag Name, so their id is appended.
plugin: sysops.dtk.ec2_fleet
regions: [eu-west-1]
connection: ssm
on_duplicate: suffix
target_health: true
compose:
  ansible_aws_ssm_bucket_name: "'my-transfer-bucket'"

---
# Other tags, fewer groups, and some of your own.
plugin: sysops.dtk.ec2_fleet
regions: [eu-west-1]
tag_env: Environment
tag_role: Role
standard_groups: [env, role]
hostnames:
  - name: private-dns-name
    prefix: tag:Environment
    separator: "-"
exclude_filters:
  - tag:Team: [data, research]
compose:
  owner: tags['Owner'] | default('nobody')
keyed_groups:
  - prefix: vpc
    key: vpc_id
groups:
  old_images: dtk_image_age_days | default(0) > 30
strict: true

---
# The answer of AWS is kept for ten minutes, in a file that only you can read.
plugin: sysops.dtk.ec2_fleet
regions: [eu-west-1]
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ansible-inventory
cache_timeout: 600
"""

import glob
import hashlib
import json
import os
import traceback
from typing import Any, NoReturn

from ansible import template
from ansible.errors import AnsibleError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.sysops.dtk.plugins.module_utils import inventory as fleet

FILE_NAMES = ("dtk.ec2_fleet.yml", "dtk.ec2_fleet.yaml")
SUFFIXES = (".dtk.yml", ".dtk.yaml")
# Before ansible-core 2.19 every text is a template unless it is wrapped.
TEXT_IS_DATA = hasattr(template, "trust_as_template")
EXPRESSIONS = ("compose", "groups", "keyed_groups")
# Older templars turn text that looks like a list or a number into one, which is not worth repeating here.
PLAIN_EXPRESSIONS = hasattr(template.Templar, "evaluate_expression")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "sysops.dtk.ec2_fleet"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and (path.endswith(SUFFIXES) or os.path.basename(path) in FILE_NAMES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._path = path
        self._expressions: dict[str, Any] = {}
        config = self._read_config_data(path)
        try:
            fleet.check_names(config, self.option_definitions)
            self._settings = self._templated(self.get_options())
            self._populate(self._rows(path, cache))
        except (AnsibleError, fleet.CoreError) as exc:
            self._end(str(exc))
        except Exception as exc:
            self.display.vvv(traceback.format_exc())
            self._end(f"This is a bug of {self.NAME}, please report it: {exc!r}. With -vvv it says more.")

    def set_options(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().set_options(*args, **kwargs)
        except AnsibleError as exc:
            if not kwargs.get("direct"):
                raise
            self._end(str(exc))

    def get_cache_key(self, path: str) -> str:
        """Any other value of an option is another inventory, and so is another identity in the environment."""
        return f"dtk_ec2_fleet_{hashlib.sha256(fleet.identity(self._settings, os.environ).encode()).hexdigest()[:40]}"

    def update_cache_if_changed(self) -> None:
        super().update_cache_if_changed()
        folder = os.path.expanduser(os.path.expandvars(self.get_option("cache_connection") or ""))
        for name in glob.glob(os.path.join(glob.escape(folder), f"*{self.get_cache_key(self._path)}")):
            os.chmod(name, 0o600)

    def _rows(self, path: str, cache: bool) -> list[dict[str, Any]]:
        keeps, key = self._settings["cache"], self.get_cache_key(path)
        if keeps and cache and key in self._cache:
            return json.loads(self._cache[key]["rows"])
        found = self._read()
        if keeps and not found.problems:
            # As one text, since Ansible's own way to write nested data takes longer than to ask AWS.
            self._cache[key] = {"rows": json.dumps(found.rows)}
        return found.rows

    def _read(self) -> Any:
        # Here, since botocore is not needed for an inventory that comes from the cache.
        from ansible_collections.sysops.dtk.plugins.module_utils import instances

        try:
            found = instances.read(self._settings)
        except instances.FAILURES as exc:
            raise AnsibleError(str(exc)) from exc
        if found.problems:
            self._tell_partial(found)
        return found

    def _tell_partial(self, found: Any) -> None:
        told = [str(problem) for problem in found.problems]
        if self._settings["on_partial"] == "fail" or found.nothing_read:
            raise AnsibleError("Not all of the fleet could be read. " + " ".join(told))
        for text in told:
            self.display.warning(f"{self._path}: this part of the fleet is missing in the inventory: {text}")
        known = self.inventory.groups["all"].vars.get("dtk_inventory_partial", [])
        self.inventory.set_variable("all", "dtk_inventory_partial", [*known, *map(vars, found.problems)])

    def _populate(self, rows: list[dict[str, Any]]) -> None:
        if self._settings["use_contrib_script_compatible_sanitization"]:
            self._sanitize_group_name = fleet.legacy
        built = fleet.build(rows, self._settings, frozenset(self.inventory.groups), self._sanitize_group_name)
        for text in built.warnings:
            self.display.warning(f"{self._path}: {text}")
        hosts = [self._add(host.name, host.variables) for host in built.hosts]
        for name, members in built.groups.items():
            group = self.inventory.groups[self.inventory.add_group(name)]
            for position in members:
                group.add_host(hosts[position])
        if any(self._settings[option] for option in ("compose", "groups", "keyed_groups")):
            self._construct(built.hosts)

    def _add(self, name: str, variables: dict[str, Any]) -> Any:
        if name in self.inventory.hosts:
            # From another source, whose variables Ansible merges with ours as it is configured to.
            for key, value in _data(variables).items():
                self.inventory.set_variable(name, key, value)
            return self.inventory.hosts[name]
        self.inventory.add_host(name)
        host = self.inventory.hosts[name]
        # At once: set_variable would check the name of each and copy each value, 20 times for every host.
        host.vars.update(_data(variables))
        return host

    def _construct(self, hosts: list[fleet.Host]) -> None:
        """What the user adds. Groups come last: until then no group can have the name of a host."""
        strict = self._settings["strict"]
        scopes = [_data(fleet.expression_variables(host.row, host.variables)) for host in hosts]
        for host, scope in zip(hosts, scopes, strict=True):
            self._set_composite_vars(self._settings["compose"], scope, host.name, strict)
        grouped, keyed = self._settings["groups"], self._settings["keyed_groups"]
        if not (grouped or keyed):
            return
        for host, scope in zip(hosts, scopes, strict=True):
            scope.update(self.inventory.hosts[host.name].get_vars())
            self._add_host_to_composed_groups(grouped, scope, host.name, strict, fetch_hostvars=False)
        for host, scope in zip(hosts, scopes, strict=True):
            self._add_host_to_keyed_groups(
                self._settings["keyed_groups"], scope, host.name, strict, fetch_hostvars=False
            )

    def _compose(self, expression: Any, variables: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        evaluate = self._plain(expression)
        if evaluate is not None:
            try:
                return evaluate(variables)
            except fleet.UndefinedPathError:
                # If it matters, Jinja says so in its own words.
                if not self._settings["strict"]:
                    raise
            except fleet.NotPlainError:
                return super()._compose(expression, variables, *args, **kwargs)
        return super()._compose(expression, variables, *args, **kwargs)

    def _plain(self, expression: Any) -> Any:
        if not PLAIN_EXPRESSIONS or self._settings["use_extra_vars"] or not isinstance(expression, str):
            return None
        if expression not in self._expressions:
            self._expressions[expression] = fleet.compiled(expression)
        return self._expressions[expression]

    def _templated(self, value: Any) -> Any:
        """Options may be templates, as with amazon.aws; expressions are none."""
        if isinstance(value, dict):
            return {key: item if key in EXPRESSIONS else self._templated(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._templated(item) for item in value]
        return self.templar.template(value) if isinstance(value, str) and "{{" in value else value

    def _end(self, problem: str) -> NoReturn:
        """End the run. Of an exception Ansible would make a warning, go on without hosts, and return 0."""
        self.display.error(f"{self._path}: {problem}", wrap_text=False)
        raise SystemExit(1)


def _data(variables: dict[str, Any]) -> dict[str, Any]:
    """Text that is never a template."""
    if TEXT_IS_DATA:
        return variables
    from ansible.utils.unsafe_proxy import wrap_var

    return wrap_var(variables)
