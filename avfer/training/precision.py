"""Mixed precision that leaves what it is given as it is."""

from typing import Any

from lightning_fabric.plugins.precision.amp import MixedPrecision


class Mixed(MixedPrecision):
    """Networks compute in half precision; labels, times and places keep all their digits.

    The framework's own rounds every number of a batch before anything is computed.
    """

    def convert_input(self, data: Any) -> Any:
        """The batch itself."""
        return data
