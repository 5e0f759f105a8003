# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine the labs run on: privileges, podman, and the mount namespace in which systemd containers boot."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
BUILD = ROOT / "build"
RUN = Path("/run/dtk-testhosts")
NAMESPACE = RUN / "mnt"
END_SECONDS = 5

# Every lab on the machine shares one persistent mount namespace: podman sees containers of another one as broken.
# Inside, the cgroup file system is version 2 (crun refuses a hybrid layout) and mounts propagate (without that,
# systemd credentials are an empty directory). On a machine that has both already, nothing is done.
_PRELUDE = f"""
set -eu
install -d -m 1777 {RUN}
exec 9>{RUN}/prelude.lock && flock 9
if [ "$(cat /proc/sys/fs/inotify/max_user_instances)" -lt 8192 ]; then
    # each systemd takes several; with the default of 128 the 21st host ends without a word
    sysctl -qw fs.inotify.max_user_instances=8192
fi
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] && findmnt -no PROPAGATION / | grep -q shared; then
    exit 0
fi
if ! mountpoint -q {NAMESPACE} && ! findmnt -n {NAMESPACE} >/dev/null; then
    findmnt -n {RUN} >/dev/null || mount --bind {RUN} {RUN}
    mount --make-private {RUN}
    touch {NAMESPACE}
    unshare --mount={NAMESPACE} --propagation private sh -euc '
        if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
            umount -R /sys/fs/cgroup
            mount -t cgroup2 none /sys/fs/cgroup
        fi
        mount --make-rshared /'
fi
echo namespace
"""


class LabError(Exception):
    """Something the user can act on, in one sentence."""


def run(argv: Sequence[str], *, check: bool = True, **options) -> subprocess.CompletedProcess[str]:
    """Run a command in a session of its own: ctrl-C reaches the lab, which then stops what it started in order."""
    options = {"text": True, "stdin": subprocess.DEVNULL, "capture_output": True, "start_new_session": True} | options
    if options.get("input") is not None:
        del options["stdin"]
    done = subprocess.run([str(word) for word in argv], check=False, **options)
    if check and done.returncode:
        detail = (done.stderr or done.stdout or "").strip()
        raise LabError(f"`{' '.join(map(str, argv))}` ended with {done.returncode}: {detail}")
    return done


def privileged() -> list[str]:
    """The prefix that makes a command run as root."""
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def require() -> None:
    """Say in one sentence what is missing."""
    if os.geteuid() != 0 and run(["sudo", "-n", "true"], check=False).returncode:
        raise LabError("Test hosts need root: run as root, or allow this user to use sudo without a password.")
    missing = [tool for tool in ("podman", "crun", "ssh", "ssh-keygen") if not shutil.which(tool)]
    if missing:
        raise LabError(f"{', '.join(missing)} missing: `bash tests/lab/bootstrap.sh` installs what test hosts need.")


def inside(argv: Sequence[str]) -> list[str]:
    """The same command as root in the labs' mount namespace."""
    return [*_entry(), *argv]


@functools.cache
def _entry() -> tuple[str, ...]:
    require()
    wanted = run([*privileged(), "bash", "-c", _PRELUDE]).stdout.strip() == "namespace"
    return (*privileged(), *(("nsenter", f"--mount={NAMESPACE}") if wanted else ()))


def podman(*arguments: str | Path, check: bool = True, **options) -> subprocess.CompletedProcess[str]:
    return run(inside(["podman", *map(str, arguments)]), check=check, **options)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the kernel ends the lock with its holder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start_time(pid: int) -> str | None:
    """When a process started, in ticks: with the pid it names one process for good. None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def listens_everywhere(port: int) -> bool:
    """Whether a server of this machine holds the port on all addresses, so that none is free on loopback."""
    held = False
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(table).read_text().splitlines()[1:]:
                address, _, number = line.split()[1].rpartition(":")
                held |= line.split()[3] == "0A" and int(number, 16) == port and not address.strip("0")
    return held


def signal_process(pid: int, started: str, number: signal.Signals) -> None:
    """Exactly the process that was started then; another one with its number is left alone."""
    if start_time(pid) == started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_for_process(pid: int, started: str, seconds: float) -> bool:
    """Whether it ended in time."""
    deadline = time.monotonic() + seconds
    while start_time(pid) == started:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def end_process(pid: int, started: str) -> None:
    """End a process at once."""
    signal_process(pid, started, signal.SIGKILL)
    wait_for_process(pid, started, END_SECONDS)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
