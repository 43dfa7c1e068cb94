"""`avfer doctor`: the report on this installation."""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from avfer import doctor
from avfer.models.detectors.mtcnn import Mtcnn

NOT_LISTED = {"decord", "torchcodec", "test", "dev"}  # readers have a section of their own


def test_doctor_lists_weights_and_their_licences(avfer):
    result = avfer("doctor")
    assert result.code == 0
    assert "aver_lite.safetensors" in result.out and "not for commercial use" in result.out


def test_the_names_of_findings_leave_most_of_a_terminal_to_what_was_found():
    found = [*doctor._versions(), *doctor._extras(), *doctor._weights()]
    assert max(len(finding.name) for finding in found) <= 35
    (research,) = (finding.detail for finding in found if finding.section == "licences")
    assert "vggish_lite" in research.partition(";")[0].split(", ")


def requirements(lines: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", line.lower())[0] for line in lines}


def test_doctor_names_every_package_of_the_project_and_the_extra_with_it(monkeypatch):
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", absent)
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    _, _, *packages = doctor._versions()  # after avfer and Python
    assert {finding.name for finding in packages} == requirements(project["dependencies"])
    assert all(not finding.fine and finding.detail.startswith("pip install '") for finding in packages)
    findings = list(doctor._extras())
    assert not any(finding.fine or finding.required for finding in findings)
    found = {
        finding.name.lower(): re.findall(r"pip install 'avfer\[(.*)\]', for", finding.detail) for finding in findings
    }
    extras = {extra: lines for extra, lines in project["optional-dependencies"].items() if extra not in NOT_LISTED}
    assert found == {name: [extra] for extra, lines in extras.items() for name in requirements(lines)}


def test_a_version_outside_the_bounds_is_a_finding(monkeypatch):
    installed = {"torch": "2.4.0", "pillow": "99.0", "av": "18.1.0rc1"}
    monkeypatch.setattr("importlib.metadata.requires", lambda _: ["torch>=2.6,<3", "pillow>=10.3", "av>=18,<19"])
    monkeypatch.setattr("importlib.metadata.version", installed.__getitem__)
    _, _, *packages = doctor._versions()
    assert [finding.fine for finding in packages] == [False, True, True]
    assert packages[0].detail == "2.4.0, but avfer needs <3,>=2.6: pip install 'torch<3,>=2.6'"


def test_a_package_that_cannot_be_imported_is_a_finding_and_ends_its_section_alone(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av.codec", None)
    assert not doctor.examine()
    lines = [line.split(maxsplit=3) for line in capsys.readouterr().out.splitlines()]
    assert ["codecs", "fault", "ModuleNotFoundError"] in [words[:3] for words in lines]
    assert {words[0] for words in lines} >= {"versions", "devices", "readers", "weights", "licences"}


def test_a_damaged_card_of_embedded_weights_is_a_finding(monkeypatch, tmp_path):
    (tmp_path / "gru_lite.json").write_text('{"name": ')
    (tmp_path / "voice_lite.safetensors").write_bytes(b"its card is missing")
    monkeypatch.setattr(doctor, "BUILTIN", tmp_path)
    wrong = {finding.name: finding.detail for finding in doctor._weights() if not finding.fine}
    assert list(wrong) == ["gru_lite.safetensors", "voice_lite.safetensors"]
    assert all("no readable card" in detail and "reinstall avfer" in detail for detail in wrong.values())


def test_weights_whose_package_is_missing_are_a_finding(monkeypatch):
    monkeypatch.setattr(Mtcnn, "weight_paths", lambda: (Path("nowhere/pnet.pt"),))
    (wrong,) = (finding for finding in doctor._weights() if not finding.fine)
    assert wrong.name == "mtcnn" and wrong.detail.endswith("pip install --force-reinstall facenet-pytorch")
