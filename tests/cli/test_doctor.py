"""`avfer doctor`: the report on this installation."""


def test_doctor_lists_weights_and_their_licences(avfer):
    result = avfer("doctor")
    assert result.code == 0
    assert "aver_lite.safetensors" in result.out and "not for commercial use" in result.out
