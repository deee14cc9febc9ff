"""Family `external`: a codec whose encoder and decoder are programs, described by its YAML file.

The encoder gets the clip in an empty folder, and the files that it writes are packed into the stream. The
decoder gets these files in another empty folder, without network and without any other file of the user
(`isolation`), and its video is converted to 8-bit frames. A stream names its codec by its id, and the command
that decodes it is that of the id's file in config/codecs: a stream never names a command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.base.errors import BenchError, StreamError
from bench.base.files import sha256_of_state, temporary_folder
from bench.base.sizes import check_disk_space
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import Stream
from bench.codec.contract import Codec, Encoded, EncodeJob
from bench.video.clip import Clip, ClipInfo

if TYPE_CHECKING:
    from baselines.external.payload import Packed
    from baselines.external.programs import Installed
    from baselines.external.run import Cost
    from baselines.external.settings import ExternalSettings

_MOST_STREAM_BYTES = 1 << 34
#: Memory of the suite's part of a decode; the programs have the limit of their codec's file.
_SUITE_BYTES = 64 << 20


class ExternalCodec(Codec):
    """Two programs. `ExternalSettings` has their command lines, `commands` the placeholders in them."""

    uses_budget = False
    runs_programs = True

    @classmethod
    def settings_model(cls) -> type[ExternalSettings]:
        from baselines.external.settings import ExternalSettings

        return ExternalSettings

    def skip(self, clip: ClipInfo, settings: Mapping[str, Any]) -> str | None:
        """Reason if the clip is too small, or a program is missing and `skip_if_missing` is set.

        Raises:
            BenchError: a placeholder without a value, or a missing program without `skip_if_missing`.
        """
        from baselines.external.programs import MissingProgram, install

        typed = _typed(settings)
        typed.check("settings")
        if min(clip.width, clip.height) < typed.min_side:
            return f"its encoder codes no side below {typed.min_side} pixels"
        try:
            install(typed, "codec")
        except MissingProgram as error:
            if not typed.skip_if_missing:
                raise
            return f"{error.problem}; {error.remedy}"
        return None

    def identity(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Version and SHA-256 of each program, environment and declared file."""
        from baselines.external.programs import install

        typed = _typed(settings)
        installed = install(typed, "codec")
        return {"programs": _identity(typed, installed), "files": _file_facts(installed)}

    def decoder_files(self, stream: Stream) -> Sequence[Path]:
        """The declared files of the decoder."""
        settings, _ = _of_stream(stream)
        with _stream_errors(stream):
            installed = _installed(settings)
            return [Path(installed.files[name]) for name, file in settings.files.items() if file.decoder]

    def encode(self, clip: Clip, job: EncodeJob) -> Encoded:
        """Run the encode commands on the clip, and pack the files of the setting `stream`.

        Raises:
            BenchError: a command failed or wrote no stream; the log has its output.
        """
        from baselines.external import commands, payload, programs, video_files
        from baselines.external.run import CommandFailed, run_commands
        from bench.codec.search import search_encode

        if job.settings.get("search"):
            identity = self.identity(job.settings)
            encoded = search_encode(self, clip, job, family="external", identity=identity, encode=self.encode)
            job.clock.facts |= identity  # also if all tries were cached
            return encoded
        settings = _typed(job.settings)
        settings.check(f"codec {job.codec}")
        installed = programs.install(settings, f"codec {job.codec}")
        with temporary_folder("external") as folder:
            work = folder / "work"
            work.mkdir()
            depth = video_files.bit_depth(settings.input)
            values = commands.geometry_values(clip.info, bit_depth=depth, threads=job.threads)
            (stem,) = commands.fill([settings.input_name], values)
            source = video_files.file_name(stem, settings.input)
            with job.clock("input"):
                video_files.write_input(clip, work / source, settings.input, pictures=settings.pictures)
            values |= commands.rate_values(clip.info, settings.rate_bpp)
            values |= settings.parameters | {"input": source, "stream": settings.stream[0], "seed": job.seed}
            try:
                cost, used = run_commands(
                    "encode",
                    settings,
                    installed,
                    values=values,
                    folder=work,
                    threads=job.threads,
                    clock=job.clock,
                    progress=job.progress,
                )
                files = _collect(work, settings.stream)
            except CommandFailed as error:
                remedy = "read the program's output in the log, and correct the codec's file"
                where = f"codec {job.codec}, point {job.point}: encode"
                raise BenchError(where, str(error), remedy) from None
        decoded_with = commands.placeholders(settings.commands("decode"))
        paths = [Path(installed.files[name]) for name, file in settings.files.items() if file.decoder]
        content = payload.Packed(
            codec=job.codec,
            parameters={
                name: settings.parameters[name] for name in decoded_with if name in settings.parameters
            },
            digests=tuple(bytes.fromhex(sha256_of_state(path)) for path in paths),
            files=tuple(files),
        )
        job.clock.facts |= _facts(settings, installed, cost, used)
        details = {
            "commands": [
                commands.fill(words, values | installed.placeholders) for words in settings.commands("encode")
            ],
            **({"decoder_weights_bytes": sum(path.stat().st_size for path in paths)} if paths else {}),
        }
        return Encoded(
            payload=payload.pack(content),
            pixel_format=video_files.pixel_format(settings.output),
            details=details,
        )

    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        """Run the decode commands on the whole stream. Frames outside of `first` to `stop` are dropped."""
        from baselines.external import commands, video_files
        from baselines.external.run import CommandFailed, run_commands

        header, (settings, content) = stream.header, _of_stream(stream)
        if header.pixel_format != video_files.pixel_format(settings.output):
            raise StreamError(
                stream.path, f"pixel_format {header.pixel_format} is not that of {content.codec}"
            )
        with _stream_errors(stream), temporary_folder("external") as folder:
            installed = _installed(settings)
            _check_digests(settings, installed, content)
            samples = 3 * header.width * header.height * header.frames
            check_disk_space(folder, samples)
            work = folder / "work"
            work.mkdir()
            for name, data in _named(content, settings.stream):
                path = work / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            output = video_files.file_name("output", settings.output)
            depth = video_files.bit_depth(settings.output)
            values = content.parameters | commands.geometry_values(header, bit_depth=depth, threads=1)
            values |= {"output": output, "stream": settings.stream[0]}
            if missing := set(commands.placeholders(settings.commands("decode"))) - {
                *values,
                *installed.placeholders,
            }:
                raise CommandFailed(f"the stream has no value of {sorted(missing)[0]}")
            if settings.output == "png":
                (work / output).mkdir()
            cost, used = run_commands(
                "decode", settings, installed, values=values, folder=work, threads=1, clock=clock
            )
            clock.facts |= _facts(settings, installed, cost, used)
            last = header.frames if stop is None else stop
            frames = video_files.read_output(work / output, settings.output, header)
            for index, frame in enumerate(frames):
                if first <= index < last:
                    yield frame

    def decoder_memory(self, stream: Stream, *, enough: int = 0) -> int:
        return _SUITE_BYTES + 4 * stream.header.frame_bytes + 2 * len(stream.payload)

    def describe(self, stream: Stream) -> dict[str, Any]:
        """Codec id, parameters and files of the payload."""
        from baselines.external.payload import unpack

        content = unpack(stream.payload)
        return {
            "codec": content.codec,
            "parameters": content.parameters,
            "declared_files": [digest.hex() for digest in content.digests],
            "files": [{"name": name, "bytes": len(data)} for name, data in content.files],
        }


CODEC = ExternalCodec


def _typed(settings: Mapping[str, Any]) -> ExternalSettings:
    from baselines.external.settings import ExternalSettings
    from bench.base.strict_model import validate

    return validate(ExternalSettings, dict(settings), where="family external")


def _identity(settings: ExternalSettings, installed: Installed) -> dict[str, dict[str, Any]]:
    from baselines.external.programs import identity

    return identity(settings, installed)


def _facts(settings: ExternalSettings, installed: Installed, cost: Cost, used: str) -> dict[str, Any]:
    """What a record states about a run of the commands."""
    return {
        "isolation": used,
        "programs": _identity(settings, installed),
        "files": _file_facts(installed),
        "peak_memory_bytes": cost.peak_memory_bytes,
    }


def _file_facts(installed: Installed) -> dict[str, dict[str, Any]]:
    """Name of each declared file -> its size and SHA-256."""
    return {
        name: {"bytes": os.path.getsize(path), "sha256": sha256_of_state(path)}
        for name, path in installed.files.items()
    }


def _installed(settings: ExternalSettings) -> Installed:
    from baselines.external.programs import install

    return install(settings, "decoder")


def _of_stream(stream: Stream) -> tuple[ExternalSettings, Packed]:
    """The settings of the codec that a stream names, and the content of its payload."""
    from baselines.external.payload import unpack

    content = unpack(stream.payload)
    with _stream_errors(stream):
        config = registry.codec_config(content.codec)
        if config.family != "external":
            raise StreamError(
                stream.path, f"names the codec {content.codec}, which is not of the family external"
            )
        return _typed(config.settings), content


@contextmanager
def _stream_errors(stream: Stream) -> Iterator[None]:
    """Turn failures of programs and missing codecs into StreamErrors."""
    from baselines.external.run import CommandFailed

    try:
        yield
    except StreamError:
        raise
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise StreamError(stream.path, "has a file and a folder of one name") from None
    except CommandFailed as error:
        raise StreamError(stream.path, str(error), "read the program's output in the log") from None
    except BenchError as error:
        raise StreamError(stream.path, f"{error.where}: {error.problem}", error.remedy) from None


def _check_digests(settings: ExternalSettings, installed: Installed, content: Packed) -> None:
    paths = [installed.files[name] for name, file in settings.files.items() if file.decoder]
    if tuple(bytes.fromhex(sha256_of_state(path)) for path in paths) != content.digests:
        raise StreamError("payload", "was encoded with other declared files", "get the files of its encode")


def _collect(work: Path, names: Sequence[str]) -> list[tuple[str, bytes]]:
    """The files of the setting `stream`: ("", bytes) for a file, (path, bytes) for each file of a folder.

    Raises:
        CommandFailed: a file is missing, empty, a link or too large.
    """
    from baselines.external.payload import FILE_NAME
    from baselines.external.run import CommandFailed

    files: list[tuple[str, bytes]] = []
    for name in names:
        path = work / name
        inside = path.resolve().is_relative_to(work.resolve())
        if path.is_symlink() or not inside or not path.exists():
            raise CommandFailed(f"the encoder wrote no {name}")
        paths = sorted(p for p in path.rglob("*") if p.is_file()) if name.endswith("/") else [path]
        if not paths or (name == names[0] and not any(p.stat().st_size for p in paths)):
            raise CommandFailed(f"the encoder wrote an empty {name}")
        for file in paths:
            if file.is_symlink() or not file.is_file() or file.stat().st_size > _MOST_STREAM_BYTES:
                raise CommandFailed(
                    f"{file.name} is not a regular file of at most {_MOST_STREAM_BYTES >> 30} GiB"
                )
            stored = file.relative_to(work).as_posix() if name.endswith("/") else ""
            if stored and not FILE_NAME.fullmatch(stored):
                raise CommandFailed(f"the encoder wrote a file with the name {stored!r}")
            files.append((stored, file.read_bytes()))
    return files


def _named(content: Packed, names: Sequence[str]) -> Iterator[tuple[str, bytes | memoryview]]:
    """(name, bytes) of each file of a payload. Names are checked against the setting `stream`.

    Raises:
        StreamError: more or other files than the codec has.
    """
    single = iter([name for name in names if not name.endswith("/")])
    folders = tuple(name for name in names if name.endswith("/"))
    seen: set[str] = set()
    for stored, data in content.files:
        name = stored or next(single, "")
        if not name or (stored and not stored.startswith(folders)) or name in seen:
            raise StreamError("payload", "has other files than its codec writes")
        seen.add(name)
        yield name, data
    if next(single, None) is not None:
        raise StreamError("payload", "lacks a file that its codec reads")
