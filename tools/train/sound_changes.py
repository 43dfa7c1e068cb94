"""Change recordings as rooms, microphones, telephones and codecs do, for training and for tests of robustness."""

import io

import av
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.signal.log_mel import SAMPLE_RATE
from tools.train.ravdess import at_speed

CODECS = {  # name -> container, encoder, sample rate in Hz, bit rates in bit/s
    "opus": ("ogg", "libopus", 16_000, (8_000, 12_000, 24_000)),
    "mp3": ("mp3", "libmp3lame", 16_000, (24_000, 32_000)),
    "aac": ("adts", "aac", 16_000, (24_000, 48_000)),
    "a-law": ("wav", "pcm_alaw", 8_000, (64_000,)),
}


def encode(wave: Tensor, codec: str, bit_rate: int) -> Tensor:
    """Encode and decode a sound, with the delay of the codec left in: (S,) in [-1, 1] at 16 kHz -> (S,)."""
    container, encoder, rate, _ = CODECS[codec]
    samples = (wave.clamp(-1, 1).numpy() * 32767).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(encoder, rate=rate, layout="mono", bit_rate=bit_rate)
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate, frame_size=stream.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        frame.sample_rate = SAMPLE_RATE
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    file.seek(0)
    decoded = read_sound(file)
    return F.pad(decoded, (0, max(0, len(wave) - len(decoded))))[: len(wave)]


def read_sound(file: io.BytesIO | str) -> Tensor:
    """Read the sound of any media file: -> (S,) float32 in [-1, 1], 16 kHz, mono."""
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
    with av.open(file) as media:
        frames = [one for frame in media.decode(audio=0) for one in resampler.resample(frame)]
    parts = [one.to_ndarray()[0] for one in [*frames, *resampler.resample(None)]]
    return torch.from_numpy(np.concatenate(parts).astype(np.float32) / 32768)


def add_room(wave: Tensor, random: np.random.Generator) -> Tensor:
    """Add the echo of a room, an exponentially decaying noise: (S,) -> (S,)."""
    decay = random.uniform(0.15, 0.8)  # seconds until the echo has fallen by 60 dB
    time = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    response = random.normal(size=len(time)) * 10 ** (-3 * time / decay)
    response *= 10 ** (random.uniform(-12, 3) / 20) / np.linalg.norm(response)
    response[0] = 1.0
    size = 1 << (len(wave) + len(response) - 1).bit_length()
    spectrum = np.fft.rfft(wave.numpy(), size) * np.fft.rfft(response, size)
    return torch.from_numpy(np.fft.irfft(spectrum, size)[: len(wave)].astype(np.float32))


def add_noise(wave: Tensor, random: np.random.Generator, decibels: float) -> Tensor:
    """Add noise between white and brown at a ratio of speech to noise in dB: (S,) -> (S,)."""
    size, slope = len(wave), random.uniform(0, 1.0)
    spectrum = np.fft.rfft(random.normal(size=size)) / np.maximum(np.arange(size // 2 + 1), 8) ** slope
    noise = np.fft.irfft(spectrum, size)
    level = float(wave.unfold(0, 400, 400).square().mean(1).quantile(0.9)) ** 0.5
    return wave + torch.from_numpy(noise * (level * 10 ** (-decibels / 20) / noise.std())).float()


def change_sound(wave: Tensor, random: np.random.Generator) -> Tensor:
    """Change speed, room, noise, codec and gain at random: (S,) in [-1, 1], 16 kHz -> another length."""
    if random.random() < 0.5:
        wave = at_speed(wave, float(random.uniform(0.93, 1.07)))
    if random.random() < 0.4:
        wave = add_room(wave, random)
    if random.random() < 0.6:
        wave = add_noise(wave, random, random.uniform(3, 40))
    peak = float(wave.abs().max().clamp(min=1e-6))
    wave = wave * float(10 ** (random.uniform(-36, -1) / 20) / peak)
    if random.random() < 0.5:
        codec = str(random.choice(list(CODECS)))
        wave = encode(wave, codec, int(random.choice(CODECS[codec][3])))
    return wave
