"""ColorVideoVDP by the optional package `cvvdp` (Mantiuk et al., ACM Transactions on Graphics 2024).

The metric predicts from colour, contrast and time how visible the differences are on a display. Its unit is
the just-objectionable difference (JOD): 10 is indistinguishable, and one JOD less means that 75 % of the
observers prefer the better clip. The display is `DISPLAY`; one pixel of the clip is one of its pixels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import SCORERS, Scored
from bench.video.clip import Clip

if TYPE_CHECKING:
    from torch import Tensor

#: Display model of the package: a 24-inch monitor of 1920x1080 pixels, seen from two picture heights.
DISPLAY = "standard_fhd"


class ColorVideoVdpScorer:
    """Keeps the RGB frames in a temporary file and scores them after the last one. 0 to 10 JOD.

    The temporary file takes 6 bytes per pixel. The package runs on the CPU, so that a value does not depend
    on the GPU.
    """

    def __init__(self, clip: Clip, names: Sequence[str]) -> None:
        (self.name,) = names
        self.info = clip.info
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()

    def add(self, pair: FramePair) -> None:
        for frame in (pair.decoded_rgb, pair.reference_rgb):
            self.file.write(np.ascontiguousarray(frame).data)

    def finish(self) -> dict[str, Scored]:
        import torch
        from pycvvdp import cvvdp

        self.file.flush()
        shape = (self.info.frames, 2, self.info.height, self.info.width, 3)
        frames = np.memmap(self.file, np.uint8, "r", shape=shape)
        metric = cvvdp(display_name=DISPLAY, quiet=True, device=torch.device("cpu"))
        value, _ = metric.predict_video_source(_source(frames, float(self.info.fps)))
        return {self.name: (float(value), [None] * self.info.frames)}

    def close(self) -> None:
        self.file.close()


def _source(frames: np.ndarray, fps: float) -> Any:
    """Source of frames for the package. `frames`: (frames, decoded and reference, height, width, 3) uint8."""
    import torch
    from pycvvdp.video_source import video_source_dm

    class Frames(video_source_dm):
        def get_video_size(self) -> tuple[int, int, int]:
            return frames.shape[2], frames.shape[3], frames.shape[0]

        def get_frames_per_second(self) -> float:
            return fps

        def get_batch_size(self) -> int:
            return 1

        def get_test_frame(self, frame: int, device: torch.device, colorspace: str) -> Tensor:
            return self._frame(frames[frame, 0], device, colorspace)

        def get_reference_frame(self, frame: int, device: torch.device, colorspace: str) -> Tensor:
            return self._frame(frames[frame, 1], device, colorspace)

        def _frame(self, rgb: np.ndarray, device: torch.device, colorspace: str) -> Tensor:
            image = torch.tensor(rgb, device=device, dtype=torch.float32).permute(2, 0, 1) / 255
            return self.apply_dm_and_color_transform(image[None, :, None], colorspace)

    return Frames(DISPLAY)


SCORERS["cvvdp"] = ColorVideoVdpScorer
