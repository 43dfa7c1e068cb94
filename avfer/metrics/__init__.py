"""Scores as pure float64 functions on arrays, and accumulators for data that do not fit into memory."""

from avfer.metrics.abaw import abaw_rule, abaw_score
from avfer.metrics.accumulators import ActionUnitScores, ByRecording, ClassScores, RegressionScores
from avfer.metrics.action_units import UnitScores, au_f1
from avfer.metrics.agreement import cohen_kappa, icc, krippendorff_alpha, pairwise_ccc, rater_agreement
from avfer.metrics.bootstrap import Interval, bootstrap, bootstrap_mean
from avfer.metrics.calibration import expected_calibration_error
from avfer.metrics.ccc import CONVENTIONS, ccc
from avfer.metrics.classification import accuracy, confusion_matrix, f1_macro, f1_per_class, uar, war
from avfer.metrics.regression import SAGR_RULE, mae, pcc, rmse, sagr

__all__ = [
    "CONVENTIONS",
    "SAGR_RULE",
    "ActionUnitScores",
    "ByRecording",
    "ClassScores",
    "Interval",
    "RegressionScores",
    "UnitScores",
    "abaw_rule",
    "abaw_score",
    "accuracy",
    "au_f1",
    "bootstrap",
    "bootstrap_mean",
    "ccc",
    "cohen_kappa",
    "confusion_matrix",
    "expected_calibration_error",
    "f1_macro",
    "f1_per_class",
    "icc",
    "krippendorff_alpha",
    "mae",
    "pairwise_ccc",
    "pcc",
    "rater_agreement",
    "rmse",
    "sagr",
    "uar",
    "war",
]
