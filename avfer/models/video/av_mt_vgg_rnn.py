"""av_mt_vgg_rnn: expression, valence, arousal and action units of face and voice over time.

A/V-MT-VGG-RNN, and without a voice MT-VGG-RNN: Kollias, Zafeiriou, "Expression, Affect, Action Unit Recognition:
Aff-Wild2, Multi-Task Learning and ArcFace", BMVC 2019, arXiv 1910.04855. Neither code nor weights are public. Our
choice: the log-mel patch of VGGish as the image of the voice, the order of the GRU's inputs, and tanh for valence and
arousal.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.models.affect.heads import AffectHeads, Scale
from avfer.models.affect.time_networks import TfGru
from avfer.models.backbones import vgg_face
from avfer.models.backbones.affwildnet_vgg import LEVEL
from avfer.models.backbones.mt_vgg import ORDERS, PAPER, action_units, implied_head_options
from avfer.models.backbones.vgg_face import NUM_FEATURES, SIDE, WIDTH, VggFace
from avfer.models.backbones.vggish import MEL_MEAN, MEL_STD
from avfer.models.card import Card, changed_options
from avfer.models.class_orders import classes_of
from avfer.models.network import AffectModel, FaceNetwork, StartPart, VoiceNetwork
from avfer.models.prediction import Prediction

NUM_HIDDEN = 128  # of each of two layers
DESCRIPTION = """A face network and a voice network of the same form, whose features a GRU reads together, for three \
tasks. In a pipeline it is named three times, as backbone of faces, as backbone of the voice and as model, with the \
same weights. A missing face or voice is read as zeros. voice=False is MT-VGG-RNN, which reads faces alone."""


class AvMtVggRnn(FaceNetwork, VoiceNetwork, AffectModel):
    """Two VGG-Face trunks, a GRU over the features of both, and a head for each task.

    voice=False leaves out the trunk of the voice. A pipeline names the network as backbone of faces, as backbone of
    the voice and as affect model, with the same weights.

    num_classes, num_action_units: outputs of these heads; valence_arousal: "tanh", "linear" or "none", as of
    `AffectHeads`; num_hidden: units of each layer of the GRU; num_features: units of each full layer; width: channels
    of the first convolution, which the others are multiples of.
    """

    def __init__(
        self,
        num_classes: int = 7,
        num_action_units: int = 8,
        valence_arousal: Scale = "tanh",
        voice: bool = True,
        num_hidden: int = NUM_HIDDEN,
        num_features: int = NUM_FEATURES,
        width: int = WIDTH,
    ) -> None:
        super().__init__()
        self.face = VggFace(width, (num_features, num_features))
        self.voice = VggFace(width, (num_features, num_features)) if voice else None
        self.gru = TfGru(num_features * (2 if voice else 1), num_hidden)
        self.heads = AffectHeads(num_hidden, num_classes, num_action_units, valence_arousal)

    @classmethod
    def card(
        cls,
        num_classes: int = 7,
        num_action_units: int = 8,
        valence_arousal: Scale = "tanh",
        voice: bool = True,
        num_hidden: int = NUM_HIDDEN,
        num_features: int = NUM_FEATURES,
        width: int = WIDTH,
    ) -> Card:
        """Return the card for these constructor options."""
        read = ("face", "voice") if voice else ("face",)
        return Card(
            name="av_mt_vgg_rnn",
            task="expression, valence and arousal, action units over time",
            description=DESCRIPTION,
            options=changed_options(
                AvMtVggRnn,
                num_classes=num_classes,
                num_action_units=num_action_units,
                valence_arousal=valence_arousal,
                voice=voice,
                num_hidden=num_hidden,
                num_features=num_features,
                width=width,
            ),
            inputs=dict.fromkeys(read, num_features),
            trained_on=dict.fromkeys(read, "av_mt_vgg_rnn"),
            classes=classes_of(ORDERS, num_classes),
            orders=ORDERS,
            action_units=action_units(num_action_units),
            valence_arousal=valence_arousal != "none",
            size=SIDE,
            mean=[LEVEL] * 3,
            std=[LEVEL] * 3,
            layout="parts as in the paper, recalled; the voice's input, the joining and tanh are our choice",
            data="Aff-Wild2: 558 videos",
            licence_code="none published",
            licence_weights="none published",
            sources=[PAPER],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read one of our own files; no official weights are public.

        tensors: name -> float tensor of its layer's shape.
        """
        options: dict[str, Any] = vgg_face.implied_options(tensors, "face") | implied_head_options(tensors, "heads.")
        if "gru.cells.0.candidate.bias" in tensors:
            options["num_hidden"] = len(tensors["gru.cells.0.candidate.bias"])
        if "heads.valence_arousal.weight" not in tensors:
            options["valence_arousal"] = "none"
        return options | {"voice": any(name.startswith("voice.") for name in tensors)}, tensors

    def start_parts(self) -> dict[str, StartPart]:
        """Return "vgg_face", the convolutions of VGG-Face for faces; those of the voice stay fresh."""
        return {"vgg_face": StartPart(self.face.load_vgg_face)}

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) normalised as the card says -> (N, D)."""
        return self.face(crops)

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 96, 96) -> features (N, D) alone; `sequence` reads them over time."""
        return Prediction(self.features(crops))

    def voice_features(self, patches: Tensor) -> Tensor:
        """Return features of sound. patches: (N, 1, 96, 64) log-mel, time before frequency -> (N, D)."""
        if self.voice is None:
            raise RuntimeError("this av_mt_vgg_rnn has no trunk of the voice; make it with voice=True")
        image = F.interpolate((patches - MEL_MEAN) / MEL_STD, (SIDE, SIDE), mode="bilinear")
        return self.voice(image.expand(-1, 3, -1, -1))

    def forward(self, crops: Tensor, patches: Tensor | None = None) -> Prediction:
        """Compute all frames of B videos, in order, with the sound around each.

        crops: (B, T, 3, 96, 96), patches: (B, T, 1, 96, 64), None without a voice -> (B, T) steps.
        """
        shape = crops.shape[:2]
        face = self.features(crops.flatten(0, 1))
        voice = face[:, :0] if patches is None else self.voice_features(patches.flatten(0, 1))
        there = torch.ones(shape, dtype=torch.bool, device=crops.device)
        return self.sequence(face.unflatten(0, shape), voice.unflatten(0, shape), there, there)

    def start(self, n: int) -> Tensor:
        """Return the zero state (n, H) of n new tracks."""
        return self.gru.start(n)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face, voice: (N, D), has_face, has_voice: (N,) bool, hidden: (N, H) -> N rows, hidden (N, H)."""
        x, valid = self._joined(face, voice, has_face, has_voice)
        after = torch.where(valid[:, None], self.gru.step(x, hidden)[1], hidden)
        return self.heads(after[:, -self.gru.width :]), after

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """face, voice: (B, T, D), has_face, has_voice, valid: (B, T) bool -> (B, T) steps; times are not used.

        The state stays the same over instants with neither face nor voice, and over those that are not valid.
        """
        x, there = self._joined(face, voice, has_face, has_voice)
        return self.heads(self.gru(x, there if valid is None else there & valid))

    def _joined(self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor) -> tuple[Tensor, Tensor]:
        """Return the input of the GRU (..., D or 2 D), and where it holds something (...) bool."""
        from_face = torch.where(has_face[..., None], face, 0.0)
        if self.voice is None:
            return from_face, has_face
        return torch.cat([from_face, torch.where(has_voice[..., None], voice, 0.0)], -1), has_face | has_voice
