"""The protocol of face detectors: what `detect_faces` and `track_faces` need to know about one."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Detector(Protocol):
    """A face detector of two parts: `search` finds faces anywhere, `refine` places a face that is known roughly.

    `detect_faces` loads it by its name in the catalog, or as `package.module:Name`: a torch module whose constructor
    takes no arguments. Its attributes state the crops that `refine` reads, and the coordinates of what it returns.
    """

    crop_size: int  # px, side of the crops that `refine` takes
    side_margin: float  # px added to a square's side before shares of the side become pixels
    landmark_shift: float  # px added to landmarks, -1 for detectors that count pixels from 1

    def search(self, picture: Tensor, min_size: float) -> tuple[Tensor, Tensor]:
        """Return all faces of one frame from about `min_size` pixels on, the best first.

        picture: (H, W, 3) uint8 RGB on the CPU -> boxes (N, 4) float32 xyxy px, scores (N,) float32 in [0, 1], both
        on the CPU.
        """
        ...

    def refine(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return whether each crop shows a face, where its box should lie, and five landmarks.

        crops: (N, 3, crop_size, crop_size) uint8 RGB on the CPU, squares around one face each -> scores (N,) in
        [0, 1]; offsets (N, 4) of the sides of the square, as shares of its side; landmarks (N, 5, 2) as (x, y) shares
        of the side from the top left corner: eyes, nose, corners of the mouth, the one further left first.
        """
        ...
