"""Scoring of 1080p frames: the whole, each metric, and MS-SSIM beside pytorch_msssim, on one core.

python -m benchmarks.scoring [--frames 12]
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from bench.base import process
from bench.scoring.flicker import FlickerScorer
from bench.scoring.ms_ssim import ms_ssim_of_channels
from bench.scoring.score import pair_frames, score
from bench.video.clip import Clip, ClipInfo
from bench.video.psnr import mse
from bench.video.y4m import y4m_chunks
from benchmarks.report import cpu_seconds, write_report

#: Those of the default condition's figures.
_METRICS = ["ms_ssim_rgb", "ms_ssim_y", "vmaf"]
#: Metrics that are measured together, beside VMAF where they share its process.
_GROUPS = (
    *(["vmaf"], ["vmaf", "vmaf_neg"], ["vmaf", "vmaf_v1"], ["vmaf", "vmaf_4k"], ["vmaf", "psnr_hvs_db"]),
    *(["vmaf", "cambi"], ["vmaf", "ciede2000"], ["vmaf", "xpsnr_y_db", "xpsnr_u_db", "xpsnr_v_db"]),
    *(["ms_ssim_rgb", "ms_ssim_y"], ["ms_ssim_rgb", "ms_ssim_y", "ms_ssim_yuv"]),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=12, help="frames of the clip that is scored")
    frames = parser.parse_args().frames
    process.use_huge_pages()  # as every command of the suite does
    process.keep_freed_memory()
    torch.set_num_threads(1)
    reference, decoded = _pictures(np.random.default_rng(0))
    ours = cpu_seconds(lambda: ms_ssim_of_channels(reference, decoded))
    official = cpu_seconds(lambda: _official(reference, decoded), repeats=3)
    difference = abs(float(np.mean(ms_ssim_of_channels(reference, decoded))) - _official(reference, decoded))
    a, b = (image[:3].numpy() for image in (reference, decoded))
    exact = cpu_seconds(lambda: mse(a, b))
    in_float64 = cpu_seconds(lambda: float(((a.astype(np.float64) - b) ** 2).mean()))
    write_report(
        "scoring",
        {
            "MS-SSIM of R, G, B and Y, CPU s a frame": ours,
            "pytorch_msssim, CPU s a frame": official,
            "MS-SSIM, ratio": official / ours,
            "MS-SSIM, difference": difference,
            "MSE of RGB, CPU s a frame": exact,
            "MSE of RGB in float64, CPU s a frame": in_float64,
            **_whole(frames),
        },
    )


def _whole(frames: int) -> dict[str, float]:
    """All metrics of a clip, ffmpeg's processes included."""
    with tempfile.TemporaryDirectory() as folder:
        clip = _clip(Path(folder), frames)
        decoded = list(clip.frames())
        decoded = [np.clip(frame.astype(int) + 3, 16, 235).astype(np.uint8) for frame in decoded]
        seconds = {}
        named = {"the default metrics": _METRICS, "PSNR alone": []}
        for name, metrics in (named | {" + ".join(group): group for group in _GROUPS}).items():
            before, started = _cpu(), time.perf_counter()
            score(decoded, clip, pixel_format="yuv420p", metrics=metrics)
            seconds[f"scoring with {name}, CPU s a frame"] = (_cpu() - before) / frames
            seconds[f"scoring with {name}, wall s a frame"] = (time.perf_counter() - started) / frames
        flicker = FlickerScorer(clip, ["flicker"])
        pairs = list(pair_frames(decoded[:2], _clip(Path(folder) / "short", 2), pixel_format="yuv420p"))
        seconds["flicker, CPU s a frame"] = cpu_seconds(lambda: flicker.add(pairs[1]))
    return seconds


def _clip(folder: Path, frames: int) -> Clip:
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(1)
    base = generator.integers(16, 236, (1080 * 1920 * 3 // 2,), np.uint8)
    flat = [np.roll(base, 7 * index) for index in range(frames)]

    data = b"".join(y4m_chunks(flat, width=1920, height=1080, fps=Fraction(25)))
    (folder / "clip.y4m").write_bytes(data)
    return Clip(
        ClipInfo(
            name="noise", sequence="made", width=1920, height=1080, frames=frames, fps=Fraction(25),
            sha256=hashlib.sha256(data).hexdigest(),
        ),
        folder / "clip.y4m",
    )  # fmt: skip


def _pictures(generator: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A textured picture and a noisy copy: R, G, B and Y of 1080p."""
    noise = torch.from_numpy(generator.integers(0, 256, (1, 4, 1080, 1920)).astype(np.float32))
    reference = torch.nn.functional.avg_pool2d(noise, 5, 1, 2)[0]
    error = torch.from_numpy(generator.integers(-9, 10, (4, 1080, 1920)).astype(np.float32))
    return reference.byte(), (reference + error).clamp(0, 255).byte()


def _official(reference: torch.Tensor, decoded: torch.Tensor) -> float:
    import pytorch_msssim

    return float(pytorch_msssim.ms_ssim(reference[None].float(), decoded[None].float(), data_range=255))


def _cpu() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
