# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of EC2's API that an inventory needs, in the form of botocore's service models.

botocore's model of EC2 has more than 700 operations, and its parser walks through every member of it in every
instance of an answer. With these few shapes a client starts and parses in a fraction of the time and memory.
Signing, endpoints, retries and errors are botocore's own. A test compares each name here with botocore's model.
"""

from __future__ import annotations

from typing import Any


def _text(*names: str) -> dict[str, Any]:
    """Members that are strings: 'InstanceId' is the element instanceId, 'PublicIpAddress:ipAddress' says so."""
    pairs = (name.partition(":") for name in names)
    return {
        name: {"shape": "String", "locationName": element or name[0].lower() + name[1:]}
        for name, _colon, element in pairs
    }


def _of(shape: str, element: str = "") -> dict[str, str]:
    return {"shape": shape, "locationName": element} if element else {"shape": shape}


def _list(shape: str, element: str = "item") -> dict[str, Any]:
    return {"type": "list", "member": _of(shape, element)}


def _structure(*texts: str, **members: dict[str, str]) -> dict[str, Any]:
    return {"type": "structure", "members": {**_text(*texts), **members}}


def _operation(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "http": {"method": "POST", "requestUri": "/"},
        "input": {"shape": f"{name}Request"},
        "output": {"shape": f"{name}Result"},
    }


_FILTERS = _of("FilterList", "Filter")

MODEL: dict[str, Any] = {
    "version": "2.0",
    "metadata": {
        "apiVersion": "2016-11-15",
        "endpointPrefix": "ec2",
        "protocol": "ec2",
        "protocols": ["ec2"],
        "serviceAbbreviation": "Amazon EC2",
        "serviceFullName": "Amazon Elastic Compute Cloud",
        "serviceId": "EC2",
        "signatureVersion": "v4",
        "uid": "ec2-2016-11-15",
        "xmlNamespace": "http://ec2.amazonaws.com/doc/2016-11-15",
        "auth": ["aws.auth#sigv4"],
    },
    "operations": {name: _operation(name) for name in ("DescribeImages", "DescribeInstances", "DescribeRegions")},
    "shapes": {
        "String": {"type": "string"},
        "Integer": {"type": "integer"},
        "Boolean": {"type": "boolean"},
        "FilterList": _list("Filter", "Filter"),
        "Filter": _structure(Name=_of("String"), Values=_of("ValueStringList", "Value")),
        "ValueStringList": _list("String"),
        "DescribeInstancesRequest": _structure("NextToken", Filters=_FILTERS, MaxResults=_of("Integer", "maxResults")),
        "DescribeInstancesResult": _structure("NextToken", Reservations=_of("ReservationList", "reservationSet")),
        "ReservationList": _list("Reservation"),
        "Reservation": _structure("OwnerId", Instances=_of("InstanceList", "instancesSet")),
        "InstanceList": _list("Instance"),
        "Instance": _structure(
            "Architecture",
            "ImageId",
            "InstanceId",
            "InstanceLifecycle",
            "InstanceType",
            "KeyName",
            "LaunchTime",  # as it is written: a date would cost more to parse than all the rest of an instance
            "Platform",
            "PrivateDnsName",
            "PrivateIpAddress",
            "PublicDnsName:dnsName",
            "PublicIpAddress:ipAddress",
            "SubnetId",
            "VpcId",
            Placement=_of("Placement", "placement"),
            State=_of("InstanceState", "instanceState"),
            Tags=_of("TagList", "tagSet"),
        ),
        "Placement": _structure("AvailabilityZone"),
        "InstanceState": _structure("Name"),
        "TagList": _list("Tag"),
        "Tag": _structure("Key", "Value"),
        "DescribeRegionsRequest": _structure(),
        "DescribeRegionsResult": _structure(Regions=_of("RegionList", "regionInfo")),
        "RegionList": _list("Region"),
        "Region": _structure("RegionName"),
        "DescribeImagesRequest": _structure(
            Filters=_FILTERS, IncludeDeprecated=_of("Boolean"), MaxResults=_of("Integer"), NextToken=_of("String")
        ),
        "DescribeImagesResult": _structure("NextToken", Images=_of("ImageList", "imagesSet")),
        "ImageList": _list("Image"),
        "Image": _structure("CreationDate", "ImageId"),
    },
}


def loader(full: bool) -> Any:
    """botocore's loader; unless everything about an instance is wanted, with the model of EC2 above for its own."""
    from botocore.loaders import Loader

    if full:
        return Loader()

    class SlimLoader(Loader):
        def list_available_services(self, type_name: str) -> list[str]:
            """Without a look into more than 400 folders; a name that is not among them is a bug of ours."""
            return ["autoscaling", "ec2", "elbv2", "sts"]

        def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
            if (service_name, type_name) == ("ec2", "service-2"):
                return MODEL
            return super().load_service_model(service_name, type_name, api_version)

    return SlimLoader()
