"""DCVC-RT as two commands: dcvc_rt.py encode|decode ... on raw yuv420p files (needs its CUDA build).

The test script of DCVC-RT encodes and decodes in one process. This adapter calls the same networks in
two. It was written for the commit of 2025-04 and has not been run by the suite's authors.
"""

import argparse
import io
import sys
from pathlib import Path

import numpy as np
import torch

parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["encode", "decode"])
parser.add_argument("source", type=Path)
parser.add_argument("target", type=Path)
for name in ("repository", "intra", "inter"):
    parser.add_argument(f"--{name}", required=True)
for name, default in {"width": 0, "height": 0, "frames": 0, "qp": 0, "intra_period": -1, "reset": 32}.items():
    parser.add_argument(f"--{name}", type=int, default=default)
args = parser.parse_args()
sys.path.insert(0, args.repository)

from src.layers.cuda_inference import replicate_pad  # noqa: E402
from src.models.image_model import DMCI  # noqa: E402
from src.models.video_model import DMC  # noqa: E402
from src.utils import stream_helper as container  # noqa: E402
from src.utils.common import get_state_dict, set_torch_env  # noqa: E402
from src.utils.transforms import ycbcr420_to_444_np, yuv_444_to_420  # noqa: E402

set_torch_env()
torch.set_grad_enabled(False)
QP_SHIFTS = [0, 1, 0, 2, 0, 2, 0, 2]
two_coders = args.width * args.height > 1280 * 720
luma = args.width * args.height


def load(network, weights):
    network.load_state_dict(get_state_dict(weights))
    network = network.cuda().eval()
    network.update(None)
    network.half()
    network.set_use_two_entropy_coders(two_coders)
    return network


intra, inter = load(DMCI(), args.intra), load(DMC(), args.inter)
inter.set_curr_poc(0)
helper = container.SPSHelper()
if args.mode == "encode":
    bits, last_qp = io.BytesIO(), 0
    padding = DMCI.get_padding_size(args.height, args.width, 16)
    frames = np.fromfile(args.source, np.uint8).reshape(args.frames, luma * 3 // 2)
    for index, frame in enumerate(frames):
        y = frame[:luma].reshape(1, args.height, args.width)
        uv = frame[luma:].reshape(2, args.height // 2, args.width // 2)
        picture = torch.from_numpy(ycbcr420_to_444_np(y, uv)).cuda().float()[None] / 255
        picture = replicate_pad(picture.half(), padding[1], padding[0])
        key = index == 0 or (args.intra_period > 0 and index % args.intra_period == 0)
        refresh = int(not key and args.reset > 0 and index % args.reset == 1)
        if key:
            qp = args.qp
            coded = intra.compress(picture, qp)
            inter.clear_dpb()
            inter.add_ref_frame(None, coded["x_hat"])
        else:
            if refresh:
                inter.prepare_feature_adaptor_i(last_qp)
            qp = last_qp = inter.shift_qp(args.qp, QP_SHIFTS[index % 8])
            coded = inter.compress(picture, qp)
        sps = {"sps_id": -1, "height": args.height, "width": args.width}
        sps |= {"ec_part": int(two_coders), "use_ada_i": refresh}
        sps["sps_id"], new = helper.get_sps_id(sps)
        if new:
            container.write_sps(bits, sps)
        container.write_ip(bits, key, sps["sps_id"], qp, coded["bit_stream"])
    args.target.write_bytes(bits.getvalue())
else:
    bits = io.BytesIO(args.source.read_bytes())
    with args.target.open("wb") as file:
        for _ in range(args.frames):
            header = container.read_header(bits)
            while header["nal_type"] == container.NalType.NAL_SPS:
                helper.add_sps_by_id(container.read_sps_remaining(bits, header["sps_id"]))
                header = container.read_header(bits)
            sps = helper.get_sps_by_id(header["sps_id"])
            qp, payload = container.read_ip_remaining(bits)
            if header["nal_type"] == container.NalType.NAL_I:
                decoded = intra.decompress(payload, sps, qp)
                inter.clear_dpb()
                inter.add_ref_frame(None, decoded["x_hat"])
            else:
                if sps["use_ada_i"]:
                    inter.reset_ref_feature()
                decoded = inter.decompress(payload, sps, qp)
            for plane in yuv_444_to_420(decoded["x_hat"][:, :, : args.height, : args.width]):
                file.write((plane * 255).clamp(0, 255).round().to(torch.uint8).cpu().numpy().tobytes())
