"""A convolutional autoencoder for raw yuv420p video: autoencoder.py train|encode|decode SOURCE TARGET ..."""

import argparse
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["train", "encode", "decode"])
parser.add_argument("source")
parser.add_argument("target")
parser.add_argument("--weights", default="weights.bin")
for name, default in {"width": 0, "height": 0, "step": 1, "threads": 1}.items():
    parser.add_argument(f"--{name}", type=int, default=default)
args = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(args.threads)
rows, columns, channels, features = args.height // 2, args.width // 2, 8, 16

encoder = nn.Sequential(
    *(nn.Conv2d(6, features, 5, 2, 2), nn.GELU(), nn.Conv2d(features, features, 5, 2, 2), nn.GELU()),
    nn.Conv2d(features, channels, 5, 2, 2),
)
decoder = nn.Sequential(
    *(nn.Conv2d(channels, features * 4, 3, 1, 1), nn.PixelShuffle(2), nn.GELU()),
    *(nn.Conv2d(features, features * 4, 3, 1, 1), nn.PixelShuffle(2), nn.GELU()),
    *(nn.Conv2d(features, 24, 3, 1, 1), nn.PixelShuffle(2)),
)
parameters = [*encoder.parameters(), *decoder.parameters()]
if args.mode != "train":
    nn.utils.vector_to_parameters(torch.from_numpy(np.fromfile(args.weights, np.float16)).float(), parameters)
torch.set_grad_enabled(args.mode == "train")


def to_planes(data):
    """Raw frames as (frames, 6, height/2, width/2): four phases of luma, U, V; padded to multiples of 8."""
    luma, chroma = np.split(data.reshape(-1, rows * columns * 6), [rows * columns * 4], axis=1)
    luma = torch.from_numpy(luma.reshape(-1, 1, rows * 2, columns * 2)).float()
    chroma = torch.from_numpy(chroma.reshape(-1, 2, rows, columns)).float()
    planes = torch.cat([pixel_unshuffle(luma, 2), chroma], 1) / 255
    return pad(planes, (0, -columns % 8, 0, -rows % 8), "replicate")


if args.mode == "decode":
    latents = np.frombuffer(zlib.decompress(Path(args.source).read_bytes()), np.int8)
    latents = latents.reshape(-1, channels, -(-rows // 8), -(-columns // 8)).cumsum(0, dtype=np.int8)
    with open(args.target, "wb") as file:
        for frame in torch.from_numpy(latents).float():
            planes = (decoder(frame[None] * args.step)[..., :rows, :columns].clamp(0, 1) * 255).round().byte()
            file.write(pixel_shuffle(planes[:, :4], 2).numpy().tobytes() + planes[:, 4:].numpy().tobytes())
elif args.mode == "encode":
    planes = to_planes(np.fromfile(args.source, np.uint8))
    latents = torch.cat([encoder(frame[None]) for frame in planes]) / args.step
    latents = latents.round().clamp(-127, 127).numpy().astype(np.int8)
    changes = np.diff(latents, axis=0, prepend=np.zeros_like(latents[:1]))  # frames resemble each other
    Path(args.target).write_bytes(zlib.compress(changes.tobytes(), 9))
else:
    planes = to_planes(np.fromfile(args.source, np.uint8))
    optimizer = torch.optim.Adam(parameters, 4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1500)
    for _ in range(1500):
        batch = planes[torch.randint(len(planes), (4,))]
        latents = encoder(batch)
        noise = (torch.rand_like(latents) - 0.5) * torch.randint(1, 9, (4, 1, 1, 1))  # quantisation steps
        loss = (decoder(latents + noise) - batch).square().mean() + 1e-6 * latents.abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    nn.utils.parameters_to_vector(parameters).detach().half().numpy().tofile(args.target)
