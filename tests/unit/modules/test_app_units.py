# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import server_role

from ..run_module import run_module
from .fake_units import FakeUnits

ROLE = {"name": "web"}


class Server:
    """A server role whose apps live in a folder of the test."""

    def __init__(self, folder: Path, units: FakeUnits) -> None:
        self.root, self.units = folder / "srv", units
        # Without a health probe, a restarted unit is watched for a while.
        self.health = {"command": {"argv": ["/bin/true"]}, "successes": 1}
        self.apps: dict[str, Any] = {"api": self.app("api", service=self.service())}

    def app(self, name: str, **spec: Any) -> dict[str, Any]:
        return {"unit": f"{name}.service", "root": str(self.root), "health": self.health, **spec}

    def service(self, **keys: Any) -> dict[str, Any]:
        return {"command": [f"{self.root}/api/current/serve"], **keys}

    def set(self, **keys: Any) -> None:
        self.apps["api"]["service"] = self.service(**keys)

    def release(self, name: str = "api", version: str = "1.0.0") -> None:
        home = self.root / name
        (home / "releases" / version).mkdir(parents=True, exist_ok=True)
        (home / "current").unlink(missing_ok=True)
        (home / "current").symlink_to(f"releases/{version}")

    def run(self, state: str, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"state": state, "server_role": ROLE, "apps": self.apps, **options}
        path = f"{self.units.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return run_module("app_units", given, {"PATH": path}, check)

    def age(self, *names: str, seconds: float = 60) -> None:
        """As if these files had been written a while ago."""
        for name in names:
            then = time.time() - seconds
            os.utime(self.units.etc / name, (then, then))


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeUnits:
    return FakeUnits(tmp_path, monkeypatch)


@pytest.fixture
def server(tmp_path: Path, units: FakeUnits, monkeypatch: pytest.MonkeyPatch) -> Server:
    # The folder of a test may lie in /tmp, where no app may.
    monkeypatch.setattr(server_role, "_UNSEEN", ())
    return Server(tmp_path, units)


# --- installed ------------------------------------------------------------------------------------------------------


def test_units_are_written_enabled_and_read_and_nothing_is_started(server: Server, units: FakeUnits) -> None:
    server.set(sockets=["8080"])
    done = server.run("installed")
    assert done["written"] == [str(units.etc / "api.service"), str(units.etc / "api.socket")]
    assert done["enabled"] == ["api.service", "api.socket"]
    assert done["exposure"] == {"api.service": 1.2}
    assert units.calls() == ["enable api.service api.socket", "daemon-reload"]
    assert [entry["before"] for entry in done["diff"]] == ["", ""]
    assert (units.etc / "api.service").stat().st_mode & 0o777 == 0o644


def test_twice_changes_nothing(server: Server, units: FakeUnits) -> None:
    server.run("installed")
    units.calls()
    again = server.run("installed")
    assert "failed" not in again
    assert (again["changed"], again["written"], again["enabled"], again["diff"]) == (False, [], [], [])
    assert units.calls() == []


def test_check_mode_tells_the_same_and_does_nothing(server: Server, units: FakeUnits) -> None:
    server.set(sockets=["8080"])
    foreseen = server.run("installed", check=True)
    assert list(units.etc.iterdir()) == []
    assert units.calls() == []
    assert foreseen == server.run("installed")


def test_systemd_sees_a_stand_in_for_a_program_of_the_release(server: Server, units: FakeUnits) -> None:
    server.run("installed")
    assert "ExecStart=/bin/true\n" in units.state["seen"]["api.service"]
    assert f"ExecStart={server.root}/api/current/serve\n" in (units.etc / "api.service").read_text()


def test_what_systemd_would_ignore_is_refused_before_a_file_is_written(server: Server, units: FakeUnits) -> None:
    units.set(verdict="FOLDER/api.service:9: Unknown key 'ProtectMind' in section [Service], ignoring.")
    done = server.run("installed")
    assert done["failed"]
    assert done["msg"] == (
        "systemd does not accept api.service: api.service:9: Unknown key 'ProtectMind' in section [Service], ignoring."
        "; correct the service in the server role"
    )
    assert list(units.etc.iterdir()) == []


def test_a_unit_that_may_do_too_much_is_refused_with_what_costs_most(server: Server, units: FakeUnits) -> None:
    units.set(exposure={"api.service": 4.8})
    server.set(sandbox={"PrivateTmp": False, "NoNewPrivileges": False})
    done = server.run("installed", check=True)
    assert done["failed"]
    assert done["msg"] == (
        "api.service has an exposure of 4.8, and dtk_apps.api.service.max_exposure is 3 (overrides in sandbox: "
        "NoNewPrivileges, PrivateTmp). What costs most: SystemCallFilter 0.6, PrivateNetwork 0.5. "
        "Take overrides back, or raise max_exposure"
    )
    server.set(max_exposure=4.8)
    assert server.run("installed")["exposure"] == {"api.service": 4.8}


def test_a_program_that_is_not_there_is_an_error_and_in_check_mode_a_warning(server: Server, units: FakeUnits) -> None:
    server.apps["api"]["service"] = {"command": ["/usr/bin/no-such-program"]}
    done = server.run("installed")
    assert done["msg"] == (
        "dtk_apps.api.service needs /usr/bin/no-such-program, which is no program of this host; add the package that "
        "has it to runtime.packages, or the step that makes it to runtime.toolchain"
    )
    assert list(units.etc.iterdir()) == []
    foreseen = server.run("installed", check=True)
    assert "unless they bring it already" in str(foreseen["warnings"])


def test_a_unit_of_a_package_must_be_there_and_is_judged_but_never_refused(server: Server, units: FakeUnits) -> None:
    server.apps = {"db": {"unit": "postgresql@15-main.service", "root": str(server.root)}}
    units.set(exposure={"postgresql@.service": 9.2})
    assert "dtk_apps.db.unit is postgresql@15-main.service, which is no unit" in server.run("installed")["msg"]
    assert "unless it comes with a package" in str(server.run("installed", check=True)["warnings"])
    (units.etc / "postgresql@.service").write_text("[Service]\n")
    done = server.run("installed")
    assert done["exposure"] == {"postgresql@15-main.service": 9.2}
    assert (done["written"], done["enabled"]) == ([], ["postgresql@15-main.service"])


def test_secrets_without_a_socket_are_told(server: Server, units: FakeUnits) -> None:
    server.apps["api"]["secrets"] = [{"name": "db", "secret": "x"}]
    assert "api has secrets, and its unit gets none of them" in str(server.run("installed")["warnings"])
    done = server.run("installed", credentials_socket="/run/dtk/cred.sock")
    assert "warnings" not in done
    assert "LoadCredential=db:/run/dtk/cred.sock" in (units.etc / "api.service").read_text()


def test_a_masked_unit_is_told(server: Server, units: FakeUnits) -> None:
    units.set(enabled={"api.service": "masked"})
    assert "the unit api.service is masked on this host; run 'systemctl unmask" in server.run("installed")["msg"]


def test_sockets_that_are_no_longer_wanted_go_if_they_are_ours(server: Server, units: FakeUnits) -> None:
    server.set(sockets=["8080"])
    server.run("installed")
    units.calls()
    server.set()
    assert server.run("installed", check=True)["removed"] == [str(units.etc / "api.socket")]
    assert server.run("installed")["removed"] == [str(units.etc / "api.socket")]
    assert units.calls() == ["disable api.socket", "daemon-reload"]
    assert not (units.etc / "api.socket").exists()
    (units.etc / "api.socket").write_text("[Socket]\nListenStream=1\n")
    assert server.run("installed")["removed"] == []


def test_a_bad_server_role_is_refused_with_everything(server: Server) -> None:
    server.apps["api"]["service"]["type"] = "forking"
    server.apps["api"]["keep"] = 0
    assert server.run("installed")["msg"].startswith("The server role web has 2 problems:\n- dtk_apps.api.keep is 0")


def test_a_read_only_disk_is_told(server: Server, units: FakeUnits, monkeypatch: pytest.MonkeyPatch) -> None:
    (units.etc / "api.service").mkdir()
    assert "cannot read" in server.run("installed")["msg"]


# --- configured -----------------------------------------------------------------------------------------------------


def test_the_env_is_written_and_taken_back(server: Server, units: FakeUnits) -> None:
    path = units.etc / "api.service.d" / "50-dtk-env.conf"
    assert server.run("configured", check=True, env="prod")["written"] == [str(path)]
    assert server.run("configured", env="prod")["written"] == [str(path)]
    assert "Environment=DTK_ENV=prod" in path.read_text()
    assert units.calls() == ["daemon-reload"]
    assert not server.run("configured", env="prod")["changed"]
    assert server.run("configured")["removed"] == [str(path)]
    assert not path.exists()


# --- running --------------------------------------------------------------------------------------------------------


def installed(server: Server) -> None:
    server.run("installed")
    server.age("api.service", *(["api.socket"] if (server.units.etc / "api.socket").exists() else []))
    server.units.calls()


def test_an_app_without_a_release_waits(server: Server, units: FakeUnits) -> None:
    installed(server)
    done = server.run("running")
    assert (done["changed"], done["waiting"], done["restarted"]) == (False, ["api.service"], [])
    assert units.calls() == []


def test_a_unit_that_does_not_run_is_started(server: Server, units: FakeUnits) -> None:
    installed(server)
    server.release()
    assert server.run("running", check=True)["restarted"] == ["api.service"]
    assert units.calls() == []
    assert server.run("running")["restarted"] == ["api.service"]
    assert units.calls() == ["restart api.service"]
    assert server.run("running")["restarted"] == []


def test_a_unit_older_than_its_file_is_restarted_and_only_that(server: Server, units: FakeUnits) -> None:
    server.apps["job"] = server.app("job", service={"command": ["/bin/true"]})
    installed(server)
    server.age("job.service")
    server.release()
    server.release("job")
    units.started("api.service", "job.service", ago=30)
    assert server.run("running")["restarted"] == []
    os.utime(units.etc / "job.service")
    assert server.run("running")["restarted"] == ["job.service"]
    assert units.calls() == ["restart job.service"]


def test_a_new_env_counts_as_a_new_file(server: Server, units: FakeUnits) -> None:
    installed(server)
    server.release()
    units.started("api.service", ago=30)
    assert server.run("running", check=True, env="prod")["restarted"] == ["api.service"]
    server.run("configured", env="prod")
    assert server.run("running", env="prod")["restarted"] == ["api.service"]


def test_a_socket_is_restarted_with_its_service_in_one_go(server: Server, units: FakeUnits) -> None:
    server.set(sockets=["8080"])
    installed(server)
    server.release()
    units.started("api.service", ago=30)
    assert server.run("running")["restarted"] == ["api.socket", "api.service"]
    assert units.calls() == ["restart api.socket api.service"]
    os.utime(units.etc / "api.service", (time.time() + 1, time.time() + 1))
    assert server.run("running")["restarted"] == ["api.service"]


def test_a_socket_that_has_lost_its_file_is_stopped(server: Server, units: FakeUnits) -> None:
    installed(server)
    server.release()
    units.started("api.service", "api.socket", ago=30)
    assert server.run("running")["restarted"] == ["api.socket", "api.service"]
    assert units.calls() == ["stop api.service", "stop api.socket", "restart api.service"]


def test_what_systemd_has_not_read_is_read_first(server: Server, units: FakeUnits) -> None:
    installed(server)
    server.release()
    units.started("api.service", ago=30)
    units.set(units={"api.service": {**units.state["units"]["api.service"], "outdated": True}})
    os.utime(units.etc / "api.service")
    assert server.run("running")["restarted"] == ["api.service"]
    assert units.calls() == ["daemon-reload", "restart api.service"]


def test_check_mode_foresees_the_restart_for_a_file_that_it_has_not_written(server: Server, units: FakeUnits) -> None:
    installed(server)
    server.release()
    units.started("api.service", ago=30)
    server.set(environment={"A": "b"})
    assert server.run("running", check=True)["restarted"] == ["api.service"]
    assert server.run("running")["restarted"] == []


def test_a_start_limit_is_lifted_once(server: Server, units: FakeUnits) -> None:
    installed(server)
    server.release()
    units.set(failing={"restart": ["Start request repeated too quickly."]})
    server.run("running")
    assert units.calls() == ["restart api.service", "reset-failed api.service", "restart api.service"]


def test_each_app_is_tried_and_all_that_failed_are_told(server: Server, units: FakeUnits) -> None:
    server.apps["job"] = server.app("job", service={"command": ["/bin/true"]})
    server.apps["api"]["health"] = {"command": {"argv": ["/bin/false"]}, "successes": 1, "interval": 0, "deadline": 0.2}
    installed(server)
    server.release()
    server.release("job")
    units.set(failing={"restart": ["no", "no"]})
    done = server.run("running")
    assert done["failed"]
    assert "systemctl restart api.service failed: no; see 'journalctl -u api.service' on the host" in done["msg"]
    assert units.state["units"]["job.service"]["active"] == "active"
    done = server.run("running")
    assert "api 1.0.0 was restarted (api.service) and is not well: /bin/false was not healthy" in done["msg"]
    done = server.run("running")
    assert "api 1.0.0 runs by its own file and is not well" in done["msg"]


def test_an_app_that_wants_no_restart_is_left_alone(server: Server, units: FakeUnits) -> None:
    server.apps["api"]["activation"] = "none"
    installed(server)
    server.release()
    assert (server.run("running")["restarted"], units.calls()) == ([], [])


def test_a_lock_that_is_held_is_told(server: Server, units: FakeUnits) -> None:
    from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout
    from ansible_collections.sysops.dtk.plugins.module_utils._host.lock import app_lock

    installed(server)
    server.release()
    with app_lock(Layout("api", str(server.root)), 1):
        done = server.run("running", lock_timeout=0.1)
    assert done["failed"]
    assert "lock" in done["msg"]
    assert units.calls() == []
