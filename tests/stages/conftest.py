"""Measures of two faces, made once for the tests of measure_faces and those of add_measures."""

import pytest
import torch

from avfer.face_measures import FaceMeasures
from avfer.stages.measure import MeasureFaces
from avfer.types import FaceCrops
from tests.laws import feed
from tests.stages.measured_faces import two_faces


@pytest.fixture(scope="package")
def measure() -> MeasureFaces:
    stage = MeasureFaces()
    stage.load(torch.device("cpu"))
    return stage


@pytest.fixture(scope="package")
def crops() -> FaceCrops:
    return two_faces()


@pytest.fixture(scope="package")
def measures(measure: MeasureFaces, crops: FaceCrops) -> FaceMeasures:
    return feed(measure, [crops], [])
