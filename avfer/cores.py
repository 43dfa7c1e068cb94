"""How many CPU cores this process may use, on its machine and in its container."""

import math
import os
import sys
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return the cores that this process may use: those of its CPU affinity, within the CPU time of its cgroup.

    A container with 1.5 cores of CPU time counts as two.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, cgroup_quota())))


def cgroup_quota(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float:
    """Return the smallest CPU quota of this process's cgroup and of the groups above it, in cores; infinity without.

    Reads `cpu.max` of cgroup version 2 and `cpu.cfs_quota_us` of version 1. root: where they are mounted; membership:
    file of lines "ID:CONTROLLERS:PATH", CONTROLLERS empty for version 2.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return math.inf
    quotas = [math.inf]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        folders = (root,) if not controllers else (root / "cpu", root / "cpu,cpuacct")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for folder in folders:
            place = folder / path.strip("/")  # in a container the path may be that of the host: then only the root is
            quotas += [_quota(group) for group in (place, *place.parents) if group.is_relative_to(folder)]
    return min(quotas)


def _quota(group: Path) -> float:
    """Return the CPU quota of one cgroup in cores, infinity if it has none or its files cannot be read."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((group / name).read_text() for name in names).split()
            if quota not in ("max", "-1"):
                return int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return math.inf
