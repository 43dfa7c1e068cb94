"""`avfer doctor`: the report on this installation."""

import re
from importlib.metadata import PackageNotFoundError

from avfer import doctor


def test_doctor_lists_weights_and_their_licences(avfer):
    result = avfer("doctor")
    assert result.code == 0
    assert "aver_lite.safetensors" in result.out and "not for commercial use" in result.out


def test_doctor_names_the_extras_that_run_networks_beside_torch(monkeypatch):
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", absent)
    findings = list(doctor._networks())
    assert not any(finding.fine or finding.required for finding in findings)
    extras = [re.findall("pip install 'avfer\\[(.*)\\]'", finding.detail) for finding in findings]
    assert extras == [["mediapipe"], ["onnx"]]
