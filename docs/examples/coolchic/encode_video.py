"""Encode a video with Cool-Chic: one run of its cc_encode.py per frame, in coding order, into one bitstream.

encode_video.py CC_ENCODE INPUT OUTPUT FRAMES [further arguments of cc_encode.py]
"""

import subprocess
import sys
from pathlib import Path

program, source, target, frames, *arguments = sys.argv[1:]
source, target, work = Path(source).resolve(), Path(target).resolve(), Path("work").resolve()
work.mkdir(exist_ok=True)
for index in range(int(frames)):
    command = [sys.executable, program, f"--input={source}", f"--output={target}", f"--workdir={work}"]
    command += [f"--n_frames={frames}", f"--coding_idx={index}", *arguments]
    subprocess.run(command, check=True)
