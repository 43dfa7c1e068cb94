"""The audio of an overlay: copied or encoded again, for the part of the clip that the overlay shows."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Stream

from avfer.container import audio_stream, decode_packet, read_packets, time_of
from avfer.media import Media

AAC_RATES = {8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000}  # Hz
COPIED_CODECS = {"aac", "mp3", "ac3"}  # audio that an MP4 takes unchanged; other audio is encoded as AAC
PREROLL = 1.0  # s of audio that is decoded before the part that is kept, as some decoders need earlier packets
TICK = Fraction(1, 90_000)  # s, of the times of frames in a new file; fine enough for any camera
TimedPackets = Iterator[tuple[float, av.Packet]]  # packets to mux, each with its time (s) in the new file


@dataclass(frozen=True)
class OverlayPart:
    """The part of a clip that an overlay shows, on the axis of the column `time_s`, and its place in the new file.

    The container is that of the audio: the clip or a separate sound file.
    """

    start: float  # s; -infinity keeps the audio before the first frame
    stop: float  # s, excluded
    zero: float  # s on the container's axis, the first frame of the clip (the first sample of a file without video)
    shift: float  # s that all times in the new file are later than in the table

    @property
    def offset(self) -> float:
        """Seconds between the container's axis and the axis of the new file."""
        return self.shift - self.zero

    def keeps(self, time: float) -> bool:
        """Return whether audio at a time (s) of the new file belongs to the part."""
        return self.start <= time - self.shift < self.stop


class OverlayAudio:
    """The clip's audio, muxed little by little while the frames advance.

    A packet of a damaged clip whose time is not after that of the packet before it is left out: MP4 refuses it.

    target: the file that is written; timed_packets: (time in s, packet) in the order of time.
    """

    def __init__(self, target: OutputContainer, timed_packets: TimedPackets) -> None:
        self._target, self._packets, self._next = target, timed_packets, next(timed_packets, None)
        self._last_dts: int | None = None  # in ticks of the stream

    def mux_until(self, time: float) -> None:
        """Write every packet before a time (s)."""
        while self._next is not None and self._next[0] < time:
            packet = self._next[1]
            if packet.dts is None or self._last_dts is None or packet.dts > self._last_dts:
                self._last_dts = packet.dts
                self._target.mux(packet)
            self._next = next(self._packets, None)


def add_audio(
    recording: Media, source: InputContainer | None, target: OutputContainer, part: OverlayPart
) -> OverlayAudio | None:
    """Add the audio of a part of the clip; return None if there is none."""
    stream = audio_stream(source) if source is not None else None
    if source is None or stream is None or recording.audio is None:
        return None
    if stream.codec_context.name in COPIED_CODECS:
        copy = target.add_stream_from_template(stream)
        return OverlayAudio(target, _copied_packets(source, stream, copy, part))
    rate = recording.audio.sample_rate if recording.audio.sample_rate in AAC_RATES else 48_000
    layout = "mono" if recording.audio.channels == 1 else "stereo"
    encoder = target.add_stream("aac", rate=rate, layout=layout)
    return OverlayAudio(target, _encoded_packets(source, stream, encoder, part))


def _copied_packets(source: InputContainer, stream: av.AudioStream, copy: Stream, part: OverlayPart) -> TimedPackets:
    """Yield the packets of a part unchanged, at their times in the new file."""
    for packet in read_packets(source, stream):
        if packet is None or packet.pts is None or packet.dts is None or stream.time_base is None:
            continue
        time = (time_of(packet, stream) or 0.0) + part.offset
        if not part.keeps(time):
            continue
        ticks = round(part.offset / stream.time_base)
        packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, copy
        yield time, packet


def _encoded_packets(
    source: InputContainer, stream: av.AudioStream, encoder: av.AudioStream, part: OverlayPart
) -> TimedPackets:
    """Yield a part encoded as AAC, at its times in the new file.

    Each decoded frame keeps its own time stamp, so gaps in the audio are kept; damaged packets are skipped. Where the
    channels, the rate or the sample format of the audio change, a new resampler continues.
    """
    resampler, current, time = _resampler(encoder), None, 0.0
    for packet in read_packets(source, stream):
        if packet is not None and (time_of(packet, stream) or 0.0) + part.offset < part.start - PREROLL:
            continue
        for frame in decode_packet(stream, packet) or ():
            if (found := (frame.format.name, frame.layout.name, frame.sample_rate)) != current:
                resampler, current = _resampler(encoder), found
            if frame.pts is not None and stream.time_base is not None:
                frame.time_base = stream.time_base
                frame.pts += round(part.offset / stream.time_base)
            with suppress(FFmpegError):
                for piece in resampler.resample(frame):
                    for out in encoder.encode(piece) if part.keeps(piece.time or 0.0) else ():
                        time = float(out.pts * out.time_base) if out.pts is not None else time
                        yield time, out
    for piece in [*resampler.resample(None), None]:
        for out in encoder.encode(piece) if piece is None or part.keeps(piece.time or 0.0) else ():
            yield time, out


def _resampler(encoder: av.AudioStream) -> av.AudioResampler:
    """Return a resampler for audio of one format, which it converts to that of the encoder."""
    return av.AudioResampler(format="fltp", layout=encoder.layout, rate=encoder.rate, frame_size=1024)
