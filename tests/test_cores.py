"""The cores of this process: those of the machine, within the quota of its cgroup."""

import math
from pathlib import Path

import pytest

from avfer import cores
from avfer.cores import available_cores, cgroup_quota


def quota(folder: Path, membership: str, files: dict[str, str]) -> float:
    """Write the files of a cgroup mount and return the quota that is read from them."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "membership").write_text(membership)
    return cgroup_quota(folder, folder / "membership")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "400000 100000\n", "cpu.max": "max 100000\n"}, 4.0),
        ("0::/a/b\n", {"a/b/cpu.max": "200000 100000\n", "a/cpu.max": "400000 100000\n"}, 2.0),
        ("0::/of/the/host\n", {"cpu.max": "300000 100000\n"}, 3.0),
        ("0::/\n", {"cpu.max": "damaged\n"}, math.inf),
        ("0::/\n", {}, math.inf),
        ("2:memory:/\n1:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "50000\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, 0.5),
        (
            "4:cpu,cpuacct:/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
            math.inf,
        ),
    ],
)
def test_the_quota_is_the_smallest_of_the_cgroup_and_of_those_above_it(
    tmp_path: Path, membership: str, files: dict[str, str], expected: float
) -> None:
    assert quota(tmp_path, membership, files) == expected


def test_a_system_without_cgroups_has_no_quota(tmp_path: Path) -> None:
    assert cgroup_quota(tmp_path, tmp_path / "missing") == math.inf


@pytest.mark.parametrize(("limit", "expected"), [(0.2, 1), (1.5, 2), (math.inf, 8), (100.0, 8)])
def test_a_part_of_a_core_counts_as_one(monkeypatch: pytest.MonkeyPatch, limit: float, expected: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "cgroup_quota", lambda: limit)
    assert available_cores() == expected
