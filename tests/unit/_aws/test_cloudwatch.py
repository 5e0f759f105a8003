# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.sysops.dtk.plugins.module_utils._aws import cloudwatch
from botocore.session import Session
from botocore.stub import Stubber


def test_composite_alarms_are_told_too() -> None:
    client = Session().create_client("cloudwatch", region_name="eu-west-1")
    asked = {"AlarmNames": ["a", "b"], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 100}
    answer = {
        "MetricAlarms": [{"AlarmName": "a", "StateValue": "OK", "StateReason": "fine\n so far"}],
        "CompositeAlarms": [{"AlarmName": "b", "StateValue": "ALARM"}],
    }
    with Stubber(client) as stub:
        stub.add_response("describe_alarms", answer, asked)
        found = cloudwatch.alarms(client, ["a", "b"])
    assert found == {"a": {"state": "OK", "reason": "fine so far"}, "b": {"state": "ALARM", "reason": ""}}
