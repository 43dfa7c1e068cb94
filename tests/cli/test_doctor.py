"""`avfer doctor`: the report on this installation."""

from importlib.metadata import PackageNotFoundError

from avfer import doctor


def test_doctor_lists_weights_and_their_licences(avfer):
    result = avfer("doctor")
    assert result.code == 0
    assert "aver_lite.safetensors" in result.out and "not for commercial use" in result.out


def test_doctor_names_the_extra_that_runs_the_face_landmarker(monkeypatch):
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", absent)
    (finding,) = doctor._networks()
    assert (finding.fine, finding.required) == (False, False)
    assert "pip install 'avfer[mediapipe]'" in finding.detail
