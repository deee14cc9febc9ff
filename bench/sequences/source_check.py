"""Compare a video file with its row of sequences.tsv, and refuse what the suite cannot convert."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from bench.base.errors import BenchError
from bench.sequences.pixel_format import PixelFormat
from bench.sequences.probe import DecodeLog, FrameFacts, is_mirrored
from bench.sequences.row import SourceSequence
from bench.video.y4m import Y4M_MAGIC, check_whole_frames

#: Transfer functions of standard dynamic range, by ffmpeg's names. The suite converts none of them.
_SDR_TRANSFERS = ("bt709", "smpte170m", "smpte240m", "bt470m", "bt470bg", "iec61966-2-1", "iec61966-2-4")
_NAMES = {"smpte2084": "PQ (smpte2084)", "arib-std-b67": "HLG (arib-std-b67)"}
#: Half an interval too much between two frames could be a frame that is missing. The clock of a camera is not
#: exact, so frames may drift from the nominal rate by half a percent.
_LARGEST_GAP = Fraction(1, 2)
_LARGEST_DRIFT = Fraction(5, 1000)


def check_suitable(log: DecodeLog, path: Path) -> FrameFacts:
    """Check that the suite can convert the file, whatever its row is. Return the facts of its first frame.

    Raises:
        BenchError: several video streams, RGB or grey or alpha, interlaced, HDR or wide gamut, another matrix
            than BT.709 and BT.601, a rotation by other than quarter turns, mirrored.
    """
    facts = log.first
    assert facts is not None  # `probe` refuses a file without a frame
    problem, remedy = "", "convert it with ffmpeg first"
    if log.streams > 1:
        problem = f"has {log.streams} video streams"
        remedy = "keep one of them: ffmpeg -i FILE -map 0:V:0 -c copy ONE.mkv"
    elif PixelFormat.parse(facts.pixel_format) is None:
        problem = (
            f"has the pixel format {facts.pixel_format}, which is not planar YUV of 4:2:0, 4:2:2 or 4:4:4"
        )
        remedy = "convert it with ffmpeg first, or give RGB as a folder of PNG frames"
    elif facts.interlaced:
        problem, remedy = "is interlaced", "deinterlace it first: ffmpeg -i FILE -vf bwdif -c:v ffv1 OUT.mkv"
    elif facts.transfer and facts.transfer not in _SDR_TRANSFERS and not facts.transfer.startswith("bt2020-"):
        problem = f"has the transfer function {_NAMES.get(facts.transfer, facts.transfer)}"
        remedy = "convert it to BT.709 first, for example with ffmpeg's filters zscale and tonemap"
    elif facts.primaries == "bt2020" or facts.matrix not in ("", "bt709", "bt601"):
        named = f"matrix {facts.matrix}" if facts.matrix else f"primaries {facts.primaries}"
        problem = f"has the {named}, but the suite converts BT.709 and BT.601 only"
        remedy = "convert it to BT.709 first, for example with ffmpeg's filter zscale"
    elif facts.rotation % 90:
        problem = f"is rotated by {facts.rotation:g} degrees, which is not a quarter turn"
        remedy = "rotate its frames with ffmpeg first"
    elif facts.display_matrix and is_mirrored(path, facts):
        problem = "is displayed mirrored, which the suite does not apply"
        remedy = "apply it first: ffmpeg -i FILE -c:v ffv1 OUT.mkv"
    if problem:
        raise BenchError(path, problem, remedy)
    return facts


def check_row(log: DecodeLog, sequence: SourceSequence, path: Path) -> None:
    """Compare the file's first frame and its frame rate with the row. A tag that the file lacks fits any row.

    Raises:
        BenchError: the file is not suitable, or contradicts the row. The error has both values.
    """
    facts = check_suitable(log, path)
    _check_size(facts, sequence, path)
    for column, of_file, of_row in (
        ("fps", log.fps, sequence.fps),
        ("pixel_format", facts.pixel_format, sequence.pixel_format),
        ("range", facts.range, sequence.range),
        ("matrix", facts.matrix, sequence.matrix),
    ):
        if of_file and of_row and of_file != of_row:
            problem = f"its {column} is {of_file}, but {of_row} in sequences.tsv"
            remedy = f"correct {column} of {sequence.name}, or the tag of the file"
            raise BenchError(path, problem, remedy)
    with path.open("rb") as file:
        is_y4m = file.read(len(Y4M_MAGIC)) == Y4M_MAGIC
    if is_y4m and (pixel_format := PixelFormat.parse(facts.pixel_format)):
        # ffmpeg drops an incomplete frame at the end of a y4m file and reports nothing.
        check_whole_frames(path, pixel_format.frame_bytes(facts.width, facts.height))


def _check_size(facts: FrameFacts, sequence: SourceSequence, path: Path) -> None:
    """Compare size and rotation. A row with a rotation has the size of the upright frame."""
    stored = f"{facts.width}x{facts.height}"
    upright = f"{facts.height}x{facts.width}" if facts.rotation % 180 else stored
    of_row = f"{sequence.width}x{sequence.height}"
    expected = stored if sequence.rotation is None else upright
    if of_row == expected and sequence.rotation in (None, facts.rotation):
        return
    of_file, remedy = stored, f"write the size {stored} in sequences.tsv"
    if facts.rotation:
        of_file += f" (to be rotated by {facts.rotation:g} degrees)"
        remedy += f" for frames as stored, or {upright} and the rotation {facts.rotation:g} for upright ones"
    if sequence.rotation is not None:
        of_row += f" (rotation {sequence.rotation})"
    raise BenchError(path, f"its frames are {of_file}, but {of_row} in sequences.tsv", remedy)


def check_decode(log: DecodeLog, path: Path) -> None:
    """Check a complete decode: no damage, all frames alike, a constant frame rate.

    Raises:
        BenchError: the decoder or demuxer reported an error, a frame differs in size or tags from the first
            one, or frames are missing or unequally spaced.
    """
    if log.errors:
        problem = f"is damaged: ffmpeg reports {log.errors[0]!r}"
        remedy = "get it again; if only the container is at fault, ffmpeg -i FILE -map 0:V:0 -c copy OUT.mkv"
        raise BenchError(path, problem, remedy)
    if log.first is None:
        problem = "the log of this ffmpeg describes no frame"
        raise BenchError(path, problem, "use the ffmpeg of the package imageio-ffmpeg")
    if log.changed is not None:
        index, facts = log.changed
        problem = f"changes: frame 0 is {log.first.tags()}; frame {index} is {facts.tags()}"
        raise BenchError(path, problem, "convert all frames to one format with ffmpeg first")
    gap, deviation = log.largest_gap(), log.largest_deviation()
    if gap >= _LARGEST_GAP or deviation >= max(_LARGEST_GAP, _LARGEST_DRIFT * log.frames):
        problem = (
            f"has a variable frame rate: frames are up to {float(gap) + 1:.1f} intervals of {log.fps} a "
            f"second apart, and {float(deviation):.1f} off their time"
        )
        remedy = "give it a constant rate: ffmpeg -i FILE -fps_mode cfr -c:v ffv1 OUT.mkv"
        raise BenchError(path, problem, remedy)


def not_applied(log: DecodeLog, sequence: SourceSequence) -> list[str]:
    """What the file states and the clip does not follow, one sentence each."""
    facts, notes = log.first, []
    if facts is None:
        return []
    if facts.rotation and sequence.rotation is None:
        notes.append(f"rotation by {facts.rotation:g} degrees is not applied: frames are measured as stored")
    if facts.aspect != 1:
        ratio = f"{facts.aspect.numerator}:{facts.aspect.denominator}"
        notes.append(f"sample aspect ratio {ratio} is not applied: samples are measured as stored")
    if facts.siting and facts.siting != sequence.siting and "444" not in facts.pixel_format:
        notes.append(f"siting {facts.siting} of the file is not used: sequences.tsv has {sequence.siting}")
    if log.largest_deviation() > 2 * log.tick:
        notes.append(
            f"time stamps vary by {float(log.largest_deviation()):.2f} frames: frames are equally spaced"
        )
    return notes
