"""Train gru_lite on composed sequences of faces and voices: `python -m tools.train.fusion FERPLUS VOICES OUT`.

VOICES is the folder of the vocal bursts; with `--research`, that of RAVDESS. `tools/train/sequences.py` composes the
sequences, `tools/train/score_fusion.py` computes the scores of the card. Of the voice, gru_lite reads arousal and
valence alone, as the descriptors of bursts are not those of sentences; with `--research` also the features of
vggish_lite.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.models.affect.lite import GruLite
from avfer.models.backbones.prosody_pitch import NAMES
from avfer.models.backbones.voice_lite import AFFECT
from avfer.models.card import Card, Metric
from avfer.models.card_files import BUILTIN
from avfer.models.weights import EMBEDDED, save
from tools.train.features import Voice, burst_voices, face_features, load_voice, pauses, sentence_voices
from tools.train.ferplus import CLASSES, LICENCE
from tools.train.mappings import ACTION_UNITS, SOURCES, SUPERVISION
from tools.train.score_fusion import score
from tools.train.sequences import EQUAL_SHARE, Composer, Sequences

LENGTH = 128  # steps of a sequence
STILLS, STILL_LENGTH = 192, 6  # sequences of one face in each step, and their steps: composed ones have few faces
# Share of the voice in the target of arousal where there is a face too. What voice_lite reads without RAVDESS is less
# certain than the votes of a face: on sequences of faces and sentences of RAVDESS, speakers 1-14, a regression of the
# mean arousal of both on the outputs for each alone gives the voice about a quarter.
FREE_SHARE = 0.25


@dataclass(frozen=True)
class Corpora:
    """Where the training data and the weights of the frozen networks are."""

    ferplus: Path
    voices: Path  # folder of the vocal bursts, or of RAVDESS
    cache: Path  # folder of the features
    folder: Path  # of the weights of aver_lite and face_lite
    voice: Path  # weights of voice_lite
    research: bool  # whether the voices are those of RAVDESS

    def voices_of(self, split: str) -> list[Voice]:
        """Return the voices of a split."""
        if self.research:
            return sentence_voices(self.voices, self.voice, split, self.cache, changed=split == "train")
        return burst_voices(self.voices, self.voice, split, self.cache)


def read_alone(model: GruLite, research: bool) -> None:
    """Set the weights of the voice features that are not read to 0, and keep them there in training."""
    mask = torch.zeros(model.num_voice)
    mask[:AFFECT] = 1
    if research:
        mask[AFFECT + len(NAMES) :] = 1
    with torch.no_grad():
        model.voice.weight.mul_(mask)
        model.voice.weight[:, :AFFECT] *= 8  # two features among many of a spread of 1
    model.voice.weight.register_hook(lambda gradient: gradient * mask)


def loss(model: GruLite, batch: Sequences) -> Tensor:
    """Return the loss of linear_lite over the steps with a face or voice, of action units with a face: -> ()."""
    out = model.sequence(batch.face, batch.voice, batch.has_face, batch.has_voice)
    present, has_face = batch.has_face | batch.has_voice, batch.has_face
    return (
        F.cross_entropy(out.expression_logits[present], batch.expression[present])
        + 4 * F.mse_loss(out.valence_arousal[present], batch.valence_arousal[present])
        + F.binary_cross_entropy_with_logits(out.action_unit_logits[has_face], batch.action_units[has_face])
    )


def train(corpora: Corpora, steps: int, batch: int, rate: float, seed: int) -> GruLite:
    """Train and return the network with the best validation loss, rounded to half precision.

    batch: sequences in a step; rate: highest learning rate.
    """
    torch.manual_seed(seed)
    splits = {
        split: Composer(
            face_features(corpora.ferplus, corpora.folder, split, corpora.cache),
            corpora.voices_of(split),
            pauses(corpora.voice, 24, own_seed),
            own_seed,
            own_affect=not corpora.research,
            voice_share=EQUAL_SHARE if corpora.research else FREE_SHARE,
        )
        for own_seed, split in enumerate(("train", "valid"), 2 * seed)
    }
    checks = [splits["valid"].draw(32, LENGTH) for _ in range(6)]
    measures = splits["train"].faces.measures
    model = GruLite(num_voice=load_voice(corpora.voice)[1].width("voice"), num_measures=measures.shape[1])
    model.measured.fit(measures)
    read_alone(model, corpora.research)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    best, best_state, total, started = float("inf"), model.state_dict(), 0.0, time.time()
    for step in range(1, steps + 1):
        model.train()
        composed, still = splits["train"].draw(batch, LENGTH), splits["train"].still(STILLS, STILL_LENGTH)
        cost = loss(model, composed) + loss(model, still)
        optimizer.zero_grad()
        cost.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += cost.item()
        if step % 100 == 0:
            model.eval()
            with torch.inference_mode():
                valid = sum(loss(model, check).item() for check in checks) / len(checks)
            print(f"{step=} loss {total / 100:.4f} valid {valid:.4f} {time.time() - started:.0f} s", flush=True)
            total = 0.0
            if valid < best and step > steps // 2:  # earlier, the learning rate is too high
                best, best_state = valid, {n: t.clone() for n, t in model.state_dict().items()}
    model.load_state_dict(best_state)
    return model.half().float().eval()  # rounded to half precision, as it will be stored


def publish(model: GruLite, results: dict[str, tuple[float, str]], research: bool, folder: Path) -> None:
    """Write weights and card to `folder`.   results: name -> (value, protocol)"""
    print("\n".join(f"{name} {value:.4f} ({protocol})" for name, (value, protocol) in results.items()))
    voices = "RAVDESS sentences (calm counts as neutral)" if research else "vocal bursts"
    targets = (
        "those of its emotion, with half the valence, and with arousal scaled by the intensity of the performance (1.2"
        " strong, 0.8 normal)"
        if research
        else "the arousal and valence that voice_lite reads"
    )
    share = "the mean of both" if research else "a quarter that of the voice and three quarters that of the face"
    card = Card(
        name="gru_lite",
        options={"num_voice": model.num_voice, "num_measures": model.num_measures},
        trained_on={"face": "aver_lite", "voice": "voice_lite", "measures": "face_lite"},
        task="valence, arousal, expression, action units",
        description=(
            "A gated recurrent unit over aver_lite face features, the measures of face_lite and voice_lite voice"
            " features. A face without measures is read by its features alone. It was trained without"
            f" labelled video, on sequences composed of FER+ faces and {voices}, paired by class. {SUPERVISION} The"
            f" targets of a voice are {targets}. Where face and voice are present, valence and expression follow the"
            f" face, and arousal is {share} during speech. The mouths of neutral faces that speak move in the space of"
            " features, with neutral targets."
        ),
        inputs={"face": model.num_face, "voice": model.num_voice, "measures": model.num_measures},
        classes=list(CLASSES),
        action_units=list(ACTION_UNITS),
        data="FER2013 pictures with FER+ votes, training split; "
        + ("RAVDESS speech, speakers 1-14" if research else "EmoGator vocal bursts, 70 persons"),
        licence_weights="CC BY-NC-SA 4.0 (trained on RAVDESS): non-commercial" if research else LICENCE,
        sources=[
            *SOURCES,
            "Livingstone and Russo 2018, RAVDESS, doi:10.1371/journal.pone.0196391"
            if research
            else "Buhl 2023, EmoGator: a new open source vocal burst dataset, arXiv:2301.00508 (Apache-2.0)",
            "Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder, arXiv:1406.1078",
        ],
        metrics=[
            Metric(name=name, value=round(value, 4), protocol=protocol) for name, (value, protocol) in results.items()
        ],
    )
    name = EMBEDDED["research" if research else "builtin"].format(name=card.name)
    print(save(model, card, folder / f"{name}.safetensors", half=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ferplus", type=Path, help="folder with train.npz, valid.npz, test.npz")
    parser.add_argument("voices", type=Path, help="folder of the vocal bursts, or of RAVDESS: labels.csv and audio/")
    parser.add_argument("out", type=Path, help="folder for the cached features")
    parser.add_argument("--research", action="store_true", help="VOICES is RAVDESS; write the weights for research")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder of all weights")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    voice = options.folder / ("voice_lite.research.safetensors" if options.research else "voice_lite.safetensors")
    places = Corpora(options.ferplus, options.voices, options.out, options.folder, voice, options.research)
    network = train(places, options.steps, options.batch, options.rate, options.seed)
    test_voices = places.voices_of("test" if options.research else "valid")
    test_faces = face_features(places.ferplus, places.folder, "test", places.cache)
    results = score(network, test_faces, test_voices, options.folder)
    publish(network, results, options.research, options.folder)
