# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has which address in a lab."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass

from .hosts import LabHost
from .machine import LabError, listens_everywhere, podman

PORTS = (22, 8080)
BUILDERS = 12
RESERVED = 4  # the first addresses of a subnet belong to AWS


@dataclass(frozen=True)
class AddressPlan:
    """Addresses of a fleet. Host n of net x is 10.88.x.n in EC2 and on the bridge, and 127.0.x.n for its users."""

    network: ipaddress.IPv4Network
    gateway: str
    azs: tuple[str, ...]
    per_az: int
    bridge_only: bool  # a server of this machine holds one of the ports on every address

    @classmethod
    def of_machine(cls, azs: Sequence[str]) -> AddressPlan:
        subnet = json.loads(podman("network", "inspect", "podman").stdout)[0]["subnets"][0]
        network = ipaddress.IPv4Network(subnet["subnet"])
        if network.prefixlen > 16:
            raise LabError(f"podman's network has {network}: labs need 16 bits of addresses, as podman has by default.")
        per_az = 256 >> (len(azs) - 1).bit_length()
        return cls(network, subnet["gateway"], tuple(azs), per_az, any(map(listens_everywhere, PORTS)))

    @property
    def ports(self) -> Sequence[int]:
        """What is published on the addresses for users."""
        return () if self.bridge_only else PORTS

    def block(self, net: int) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network((int(self.network.network_address) + net * 256, 24))

    def router(self, net: int) -> str:
        return str(self.block(net)[1])

    def subnets(self, net: int) -> dict[str, str]:
        prefix = 24 + (256 // self.per_az).bit_length() - 1
        return dict(zip(self.azs, map(str, self.block(net).subnets(new_prefix=prefix)), strict=False))

    def builders(self, net: int) -> list[str]:
        """For hosts that images are built on: the last addresses of the last zone; fleets begin with the first ones."""
        last = ipaddress.IPv4Network(self.subnets(net)[self.azs[-1]])
        return [str(last[-number]) for number in range(2, 2 + BUILDERS)]

    def check(self, count: int) -> None:
        most = (self.per_az - RESERVED - 1) * len(self.azs)
        if not 0 <= count <= most:
            raise LabError(f"A lab in {len(self.azs)} zones has at most {most} hosts, not {count}.")

    def hosts(self, net: int, container_prefix: str, role: str, count: int, after: int = 0) -> list[LabHost]:
        """So many more hosts than there are; hosts of the zones take turns."""
        self.check(after + count)
        found = []
        for index in range(after, after + count):
            turn, zone = divmod(index, len(self.azs))
            number = zone * self.per_az + RESERVED + turn
            name, private = f"{role}-{index + 1}", str(self.block(net)[number])
            address = private if self.bridge_only else f"127.0.{net}.{number}"
            found.append(LabHost(name, address, self.azs[zone], private, f"{container_prefix}-{name}"))
        return found
