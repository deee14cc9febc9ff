"""The E-NeRV network: tokens of space, times a vector of time, then modulated stages (section 3)."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from baselines.enerv.config import BOTTLENECK, ENCODINGS, SPATIAL_HEADS, TEMPORAL_HEADS, ENeRVConfig
from bench.inr.network.decoder_config import encoding_width
from bench.inr.network.layers import ACTIVATIONS, NORMS, positional_encoding, rgb_head, upsampling


class MLP(nn.Module):
    """Linear layers of the given widths, the activation after each."""

    def __init__(self, *widths: int, activation: str) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = self.activation(layer(x))
        return x


class Attention(nn.Module):
    """Self-attention of tokens (B, P, D)."""

    def __init__(self, width: int, *, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * heads * head_width, bias=False)
        # The official code projects unless one head is as wide as a token.
        projects = heads > 1 or head_width != width
        self.out = nn.Linear(heads * head_width, width) if projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # Written out: as fast as torch's fused kernel for a few hundred tokens, and torch's counter
        # of multiplications sees it.
        weights = (query @ key.transpose(2, 3) * query.shape[3] ** -0.5).softmax(dim=3)
        return self.out((weights @ value).transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    """x + attention, then x + MLP; without normalisation, and GELU whatever the network's activation."""

    def __init__(self, config: ENeRVConfig, heads: int) -> None:
        super().__init__()
        width = config.token_width
        self.attention = Attention(width, heads=heads, head_width=config.head_width)
        self.widen = nn.Linear(width, config.mlp_width)
        self.narrow = nn.Linear(config.mlp_width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.narrow(ACTIVATIONS["gelu"](self.widen(x)))


def modulated_norm(x: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    """Instance norm of (B, C, H, W) times gain plus offset, both (B, C)."""
    # torch's own instance norm leaves channels-last, its batch norm sums without care for large maps.
    variance, mean = torch.var_mean(x, dim=(2, 3), correction=0, keepdim=True)
    scale = gain[:, :, None, None] * (variance + 1e-5).rsqrt()
    # The mean goes first: as a part of the offset it would cancel, and its rounding reach the gradients.
    return torch.addcmul(offset[:, :, None, None], x - mean, scale)


def convolutions(config: ENeRVConfig, index: int) -> OrderedDict[str, nn.Module]:
    """A stage's upsampling `up`; in the first stage a `plain` convolution beside it.

    The two take the place of one at most channels and pixels: a stage that widens upsamples to few
    channels first, one that narrows upsamples last.
    """
    before, after, stride = config.stages[index]
    up = partial(upsampling, stride=stride, kind=config.upsampling, bias=config.bias)
    plain = partial(nn.Conv2d, kernel_size=3, padding=1, bias=config.bias)
    if index:
        return OrderedDict(up=up(before, after))
    if config.widens:
        narrow = before // BOTTLENECK
        return OrderedDict(up=up(before, narrow), plain=plain(narrow, after))
    return OrderedDict(plain=plain(before, after), up=up(after, after))


class Stage(nn.Module):
    """Instance norm, gain and offset of the time, upsampling, norm, activation.

    Gains and offsets go through the activation, too, and a gain is not one plus something.
    """

    def __init__(self, config: ENeRVConfig, index: int) -> None:
        super().__init__()
        before, after, _ = config.stages[index]
        self.activation = ACTIVATIONS[config.activation]
        self.modulation = MLP(config.modulation_width, 2 * before, activation=config.activation)
        self.convs = nn.Sequential(convolutions(config, index))
        self.norm = NORMS[config.norm](after)

    def forward(self, x: Tensor, time_features: Tensor) -> Tensor:
        gain, offset = self.modulation(time_features).chunk(2, dim=1)
        return self.activation(self.norm(self.convs(modulated_norm(x, gain, offset))))


class ENeRV(nn.Module):
    """Maps times (B,), float32 in [0, 1], to frames (B, 3, H, W) in [0, 1]."""

    def __init__(self, config: ENeRVConfig) -> None:
        super().__init__()
        self.config = config
        act, width, modulation = config.activation, config.token_width, config.modulation_width
        encoded = {name: encoding_width(getattr(config, name)[1]) for name in ENCODINGS}
        self.time_stem = MLP(encoded["time_encoding"], *config.stem_widths, width, activation=act)
        self.time_features = MLP(encoded["modulation_encoding"], modulation, modulation, activation=act)
        self.position_stem = MLP(2 * encoded["position_encoding"], width, activation=act)
        self.spatial = Transformer(config, SPATIAL_HEADS)
        self.temporal = Transformer(config, TEMPORAL_HEADS)
        same = width == config.channels
        self.to_latent = nn.Identity() if same else MLP(width, config.channels, activation=act)
        self.stages = nn.ModuleList(Stage(config, index) for index in range(len(config.stages)))
        widths = config.widths if config.stage_heads else config.widths[-1:]
        self.heads = nn.ModuleList(nn.Conv2d(channels, 3, 1, bias=config.bias) for channels in widths)

    def positions(self) -> Tensor:
        """Encoded row / h0 and column / w0 of every token, (P, 4 * frequencies), row by row."""
        height, width = self.config.base
        device = next(self.parameters()).device
        rows = torch.arange(height, device=device) / height
        columns = torch.arange(width, device=device) / width
        grid = torch.meshgrid(rows, columns, indexing="ij")
        return torch.cat([positional_encoding(x.flatten(), *self.config.position_encoding) for x in grid], 1)

    def tokens(self) -> Tensor:
        """Tokens (1, P, D) before they meet time: the same for every frame."""
        return self.spatial(self.position_stem(self.positions())[None])

    def latent(self, time: Tensor, tokens: Tensor) -> Tensor:
        """What the first stage upsamples, (B, C0, h0, w0)."""
        vector = self.time_stem(positional_encoding(time, *self.config.time_encoding))
        x = self.to_latent(self.temporal(tokens * vector[:, None]))
        return x.unflatten(1, self.config.base).permute(0, 3, 1, 2)

    def images(self, time: Tensor, tokens: Tensor | None = None) -> list[Tensor]:
        """The images of all heads, each (B, 3, h, w), the full frame last.

        Args:
            tokens: what `tokens` gives, for callers that ask for many frames.
        """
        x = self.latent(time, self.tokens() if tokens is None else tokens)
        features = self.time_features(positional_encoding(time, *self.config.modulation_encoding))
        headless, images = len(self.stages) - len(self.heads), []
        for index, stage in enumerate(self.stages):
            x = stage(x, features)
            if index >= headless:
                images.append(rgb_head(self.heads[index - headless](x), self.config.head))
        return images

    def forward(self, time: Tensor, tokens: Tensor | None = None) -> Tensor:
        return self.images(time, tokens)[-1]
