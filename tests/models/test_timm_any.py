"""timm:NAME: any network of timm as a backbone, and its files."""

import pickle

import pytest
import timm
import torch

from avfer.catalog import find
from avfer.errors import ConfigError, WeightsError
from avfer.models.backbones.timm_any import network
from avfer.models.factory import create, from_tensors
from avfer.models.weights import card_of

# One of each way in which timm ends a network: pooled, widened, norm or several layers in the head, two classifiers.
NETWORKS = [
    "resnet18",
    "mobilenetv3_small_050",
    "vit_tiny_patch16_224",
    "convnext_atto",
    "levit_128s",
    "caformer_s18",
    "deit_tiny_distilled_patch16_224",
    "vgg11",
    "swin_tiny_patch4_window7_224",
]


@pytest.mark.parametrize("name", NETWORKS)
def test_features_are_as_wide_as_the_card_says(name):
    card = card_of(f"timm:{name}", num_classes=7)
    with torch.device("meta"):
        made = create(f"timm:{name}", num_classes=7)
        prediction = made.predict(torch.zeros(2, 3, card.size, card.size))
    assert prediction.features.shape == (2, card.features) and prediction.expression_logits.shape == (2, 7)
    given = timm.get_pretrained_cfg(name)
    assert (card.size, card.mean, card.std) == (given.input_size[1], list(given.mean), list(given.std))


def test_features_are_those_of_timm():
    torch.manual_seed(0)
    theirs = timm.create_model("resnet18", num_classes=5).eval()
    ours = from_tensors("timm:resnet18", theirs.state_dict(), "the file")
    crops = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(ours.features(crops), theirs.forward_head(theirs.forward_features(crops), pre_logits=True))
        torch.testing.assert_close(ours(crops), theirs(crops))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_published_file_gives_features_alone(name):
    with torch.device("meta"):
        file = timm.create_model(name).state_dict()
        options, tensors = find("backbone", f"timm:{name}").from_official(file)
        assert options == {}
        assert tensors.keys() == create(f"timm:{name}").state_dict().keys()


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto", "mobilenetv3_small_050"])
def test_a_retrained_classifier_is_kept(name):
    with torch.device("meta"):
        file = timm.create_model(name, num_classes=8).state_dict()
        kind = find("backbone", f"timm:{name}")
        options, tensors = kind.from_official(file)
        assert options == {"num_classes": 8}
        assert tensors.keys() == create(f"timm:{name}", num_classes=8).state_dict().keys()
        assert kind.from_official(tensors) == (options, tensors)


@pytest.mark.parametrize("name", ["levit_128s", "caformer_s18", "deit_tiny_distilled_patch16_224"])
def test_a_head_of_several_layers_is_dropped(name):
    with torch.device("meta"):
        options, tensors = find("backbone", f"timm:{name}").from_official(
            timm.create_model(name, num_classes=8).state_dict()
        )
    assert options == {}
    assert not any("expression" in key for key in tensors)


def test_a_file_of_another_network_does_not_fit():
    file = timm.create_model("resnet26").state_dict()
    with pytest.raises(WeightsError, match="not known"):
        from_tensors("timm:resnet18", file, "the file")


def test_tags_of_weights_determine_the_crops():
    card = card_of("timm:vit_base_patch16_clip_224.openai")
    assert card.mean[0] == pytest.approx(0.4815, abs=1e-4)
    assert card.name == "timm:vit_base_patch16_clip_224.openai"
    assert card.data == "openai"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet_18", "resnet18"),
        ("vit_tny_patch16_224", "vit_tiny_patch16_224"),
        ("resnet18.a1_in2k", "resnet18.a1_in1k"),
        ("zzzzzzzz", "list_models"),
    ],
)
def test_an_unknown_name_raises_an_error_with_similar_names(name, hint):
    with pytest.raises(ValueError, match=hint):
        network(name)
    with pytest.raises(ConfigError, match=hint):
        card_of(f"timm:{name}")


def test_a_name_is_one_class():
    assert network("resnet18") is network("resnet18")
    assert network("resnet18") is not network("resnet26")


def test_a_network_survives_a_pickle():
    made = network("resnet10t")(num_classes=3).eval()
    again = pickle.loads(pickle.dumps(made))
    crops = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again(crops), made(crops))
