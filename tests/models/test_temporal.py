"""temporal: every fusion with every network over time streams, reads as far as it declares, and allows gaps."""

import itertools

import pytest
import torch

from avfer.models.affect.fusion import CrossModalAttention
from avfer.models.affect.temporal import Temporal
from avfer.models.prediction import Prediction

FUSIONS = ["concatenation", "gated", "cross_attention", "decision"]
STREAMING = ["none", "gru", "lstm"]
STRETCHES = [
    ("tcn", False),
    ("tcn", True),
    ("transformer", False),
    ("transformer", True),
    ("gru", True),
    ("lstm", True),
]


def make(fusion: str = "concatenation", time: str = "gru", **options) -> Temporal:
    torch.manual_seed(0)
    small = {"num_face": 6, "num_voice": 4, "width": 16, "layers": 2, "num_classes": 3, "num_action_units": 2}
    return Temporal(fusion=fusion, time=time, **small | options).eval()


def rows(batch: int, length: int, seed: int = 1) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(seed)
    face, voice = (torch.randn(batch, length, n, generator=random) for n in (6, 4))
    return face, voice, *(torch.rand(batch, length, generator=random) < 0.8 for _ in range(2))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("fusion", "time"), list(itertools.product(FUSIONS, STREAMING)))
def test_steps_compute_what_the_sequence_computes(fusion, time, layers):
    model, given = make(fusion, time, layers=layers), rows(2, 9)
    hidden, steps = model.start(2), []
    assert model.causal and model.ahead == 0
    with torch.inference_mode():
        for t in range(9):
            out, hidden = model.step(*(x[:, t] for x in given), hidden)
            steps.append(out)
        whole = model.sequence(*given)
    streamed = Prediction.merge(steps, lambda outputs: torch.stack(outputs, 1)).tensors()
    for name, wanted in whole.tensors().items():
        assert torch.allclose(streamed[name], wanted, atol=1e-6)


@pytest.mark.parametrize(("time", "centred"), [*STRETCHES, *((time, False) for time in STREAMING)])
def test_an_output_depends_on_as_many_rows_as_the_model_declares(time, centred):
    model = make(time=time, bidirectional=centred, layers=1)
    length, changed = 260, 130
    given = rows(1, length)
    other = given[0].clone()
    other[0, changed] += 3.0
    has_face = torch.ones(1, length, dtype=torch.bool)
    with torch.inference_mode():
        first, second = (model.sequence(face, given[1], has_face, has_face) for face in (given[0], other))
    moved = torch.nonzero((first.valence_arousal != second.valence_arousal)[0, :, 0]).flatten()
    assert changed in moved.tolist()
    if time in STREAMING and not centred:
        assert moved.min() == changed
    elif time in ("tcn", "transformer"):
        assert changed - moved.min() == model.ahead
        assert moved.max() - changed == model.past


@pytest.mark.parametrize(("time", "centred"), [*STRETCHES, *((time, False) for time in STREAMING)])
def test_padding_changes_no_valid_row(time, centred):
    model = make(time=time, bidirectional=centred)
    face, voice, has_face, has_voice = rows(2, 20)
    valid = torch.ones(2, 20, dtype=torch.bool)
    valid[1, 13:] = False
    with torch.inference_mode():
        padded = model.sequence(face, voice, has_face, has_voice, valid)
        alone = model.sequence(*(x[1:, :13] for x in (face, voice, has_face, has_voice)))
    for name, wanted in alone.tensors().items():
        assert torch.allclose(padded.tensors()[name][1:, :13], wanted, atol=1e-6)


@pytest.mark.parametrize("time", ["transformer"])
def test_time_is_in_seconds_whatever_the_number_of_rows(time):
    model, given = make(time=time), rows(1, 20)
    torch.nn.init.normal_(model.readers[0].time.layers[0].fade)
    with torch.inference_mode():
        outputs = [
            model.sequence(*given, times=torch.arange(20)[None] * step + start).valence_arousal
            for step, start in ((0.04, 0.0), (0.04, 7.0), (0.2, 0.0))
        ]
    assert torch.allclose(outputs[0], outputs[1], atol=1e-5)
    assert not torch.allclose(outputs[0], outputs[2], atol=1e-4)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("missing", ["face", "voice"])
def test_a_missing_modality_is_not_read(fusion, missing):
    model, (face, voice, _, _) = make(fusion), rows(2, 5)
    there, away = torch.ones(2, 5, dtype=torch.bool), torch.zeros(2, 5, dtype=torch.bool)
    flags = (away, there) if missing == "face" else (there, away)
    noise = (face * 9, voice) if missing == "face" else (face, voice * 9)
    with torch.inference_mode():
        first, second = model.sequence(face, voice, *flags), model.sequence(*noise, *flags)
    assert torch.isfinite(first.valence_arousal).all()
    assert torch.equal(first.valence_arousal, second.valence_arousal)


def test_modality_dropout_hides_one_of_two_and_never_both():
    model = make(modality_dropout=0.5)
    there = torch.ones(4000, 3, dtype=torch.bool)
    face, voice = model._hidden(there, there)
    assert (face | voice).all()
    assert (face.all(1) | ~face.any(1)).all()
    for hidden in (~face[:, 0], ~voice[:, 0]):
        assert 0.2 < hidden.float().mean() < 0.3


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"valence_arousal": "none"}, {"valence_arousal"}),
        ({"num_classes": 0}, {"expression_logits"}),
        ({"num_action_units": 0}, {"action_unit_logits"}),
    ],
)
def test_an_output_without_a_head_is_none(options, missing):
    out = make(**options).sequence(*rows(1, 4))
    assert {"valence_arousal", "expression_logits", "action_unit_logits"} - out.tensors().keys() == missing


def test_a_linear_scale_is_clamped_to_one_outside_of_training():
    model, given = make(valence_arousal="linear"), rows(1, 50)
    torch.nn.init.normal_(model.readers[0].heads.valence_arousal.weight, std=20)
    assert model.sequence(*given).valence_arousal.abs().max() == 1
    assert model.train().sequence(*given).valence_arousal.abs().max() > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_face": 0, "num_voice": 0}, "both 0"),
        ({"num_classes": 0, "num_action_units": 0, "valence_arousal": "none"}, "no head"),
    ],
)
def test_a_model_without_inputs_or_heads_raises_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_tokens_need_a_width_that_can_be_cut():
    with pytest.raises(ValueError, match="multiple of 8, got 12"):
        CrossModalAttention(12)


def test_a_transformer_of_version_0_1_0_is_read():
    model = make(time="transformer")
    names = {".qkv.": ".ask.", ".output.": ".told.", ".mlp.": ".think."}
    tensors = model.state_dict()
    for new, old in names.items():
        tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
    assert any(".told." in name for name in tensors)
    assert Temporal.from_official(tensors)[1].keys() == model.state_dict().keys()
