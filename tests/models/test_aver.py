"""aver_teacher, aver_student and aver_voice: their parts, the files they start from, and how a student learns."""

import copy

import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from torchvision.models import densenet121

from avfer.losses.aver_losses import embedding_loss
from avfer.models.backbones.aver_student import AverStudent
from avfer.models.backbones.aver_teacher import AverTeacher
from avfer.models.backbones.aver_voice import AverVoice
from avfer.models.backbones.vggish import Vggish
from avfer.models.factory import create, from_tensors
from avfer.models.weights import card_of

NAMES = ["aver_teacher", "aver_student"]


def crops(n: int, side: int = 96) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(n))


@pytest.fixture(scope="module")
def teacher() -> AverTeacher:
    torch.manual_seed(0)
    return AverTeacher().eval()


@pytest.mark.parametrize("name", NAMES)
def test_the_embedding_has_unit_length_and_is_the_features(name):
    torch.manual_seed(0)
    network = create(name)
    with torch.inference_mode():
        prediction = network.predict(crops(2))
        hidden, embedding = prediction.extras["hidden"], prediction.extras["embedding"]
        logits = prediction.expression_logits
        assert hidden.shape == (2, 512) and embedding.shape == (2, 32) and logits.shape == (2, 8)
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
        assert torch.equal(network.features(crops(2)), embedding)
        assert torch.equal(network(crops(2)), logits)


@pytest.mark.parametrize("name", NAMES)
def test_the_hidden_layer_can_be_the_features(name):
    with torch.device("meta"):
        network = create(name, layer="hidden", num_classes=7, num_features=16)
        prediction = network.predict(torch.zeros(2, 3, 224, 224))
        assert prediction.extras["embedding"].shape == (2, 16)
    card = card_of(name, layer="hidden", num_classes=7, num_features=16)
    assert prediction.features.shape == (2, 512) == (2, card.features)
    assert prediction.expression_logits.shape == (2, 7) == (2, len(card.classes))


@pytest.mark.parametrize("name", NAMES)
def test_crops_are_normalised_as_facenet_does(name):
    card = card_of(name)
    for pixel in (0, 127, 255):
        assert (pixel / 255 - card.mean[0]) / card.std[0] == pytest.approx((pixel - 127.5) / 128)


def test_the_trunk_of_the_teacher_computes_what_facenet_computes(teacher):
    facenet = InceptionResnetV1().eval()
    network = copy.deepcopy(teacher)
    network.start_facenet(facenet.state_dict())
    x = crops(1)
    with torch.inference_mode():
        maps = network.trunk(x)
        assert maps.shape[1] == 896
        for name, block in facenet.named_children():
            if name == "mixed_7a":
                break
            x = block(x)
    assert torch.equal(maps, x)
    assert sum(p.numel() for p in network.trunk.parameters()) == 9_613_312
    with torch.device("meta"):
        assert AverTeacher().trunk(torch.zeros(1, 3, 224, 224)).shape == (1, 896, 12, 12)


def test_the_student_starts_from_imagenet():
    torch.manual_seed(0)
    imagenet, student = densenet121().eval(), AverStudent(backbone="densenet121").eval()
    student.start_imagenet(imagenet.state_dict())
    with torch.inference_mode():
        theirs = imagenet.features(crops(1)).relu().mean((2, 3))
        torch.testing.assert_close(student.trunk(crops(1)), theirs)


def test_weights_of_another_network_do_not_start_training(teacher):
    with pytest.raises(RuntimeError, match="Missing key"):
        teacher.start_facenet(densenet121().state_dict())


@pytest.mark.parametrize(("backbone", "count"), [("densenet121", 6_953_856), ("densenet201", 18_092_928)])
def test_the_trunk_of_the_student_is_a_densenet(backbone, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in AverStudent(backbone=backbone).trunk.parameters()) == count


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("aver_teacher", {"num_classes": 7, "num_features": 16}),
        ("aver_student", {"backbone": "densenet121", "num_features": 64}),
        ("aver_voice", {"num_features": 128}),
    ],
)
def test_a_file_implies_its_options(name, options):
    network = create(name, **options)
    again = from_tensors(name, network.state_dict(), "the file")
    assert {n: t.shape for n, t in again.state_dict().items()} == {n: t.shape for n, t in network.state_dict().items()}
    assert card_of(name, **type(network).from_official(network.state_dict())[0]).options == options


def test_a_student_comes_nearer_to_its_teacher_on_faces_without_labels(teacher):
    torch.manual_seed(0)
    before = {name: t.clone() for name, t in teacher.state_dict().items()}
    student, faces = AverStudent(backbone="densenet121").eval(), crops(4)
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        loss = embedding_loss(student.predict(faces).extras["embedding"], teacher.predict(faces).extras["embedding"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(torch.equal(t, before[name]) for name, t in teacher.state_dict().items())
    assert all(p.grad is None for p in teacher.parameters())


def test_the_voice_network_starts_from_vggish():
    torch.manual_seed(0)
    vggish, voice = Vggish().eval(), AverVoice().eval()
    voice.start_pretrained(vggish)
    patches = torch.randn(2, 1, 96, 64)
    with torch.inference_mode():
        features = voice.features(patches)
        assert torch.equal(features, voice.embedding(vggish.trunk(patches).mean((2, 3))).relu())
        assert features.shape == (2, 256)
    assert sum(p.numel() for p in voice.parameters()) == 4_499_712 + 512 * 256 + 256 + 256 * 2 + 2


@pytest.mark.parametrize(("training", "largest"), [(False, 1.0), (True, 9.0)])
def test_valence_and_arousal_of_the_voice_are_clamped_outside_of_training(training, largest):
    voice = AverVoice(dropout=0.0).train(training)
    torch.nn.init.zeros_(voice.valence_arousal.weight)
    torch.nn.init.constant_(voice.valence_arousal.bias, 9.0)
    assert voice(torch.zeros(1, 1, 96, 64)).tolist() == [[largest, largest]]
