"""`avfer models`: the listing of models."""

from avfer.catalog import MODEL_KINDS, NAMES


def test_models_list_names_every_model_of_the_catalog(avfer):
    result = avfer("models", "list")
    assert result.code == 0
    assert {name for kind in MODEL_KINDS for name in NAMES[kind]} <= {
        line.split(" ")[0] for line in result.out.splitlines()
    }
