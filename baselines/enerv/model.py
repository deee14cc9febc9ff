"""The E-NeRV network: spatial tokens, multiplied by a vector of time, then modulated stages (section 3).

E-NeRV separates space from time. A transformer computes tokens from the positional encoding of every latent
pixel, the same for all frames. They are multiplied by a vector that an MLP computes from the time t, and
pass a second transformer. The stages upsample the result; before each, an instance norm is modulated by a
gain and an offset that depend on t:

    x_0 = Transformer_2(Transformer_1(MLP(Gamma(row, column))) * MLP(Gamma(t))),
    x_{i+1} = act(up(gain_i(t) * norm(x_i) + offset_i(t))).
"""

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
        # The official code has no output projection if there is one head, as wide as a token.
        projects = heads > 1 or head_width != width
        self.out = nn.Linear(heads * head_width, width) if projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # Not torch's fused kernel: as fast for a few hundred tokens, and visible to torch's operation
        # counter.
        weights = (query @ key.transpose(2, 3) * query.shape[3] ** -0.5).softmax(dim=3)
        return self.out((weights @ value).transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    """x + attention, then x + MLP, without normalisation. The MLP has GELU, as in the official code."""

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
    """Instance norm of (B, C, H, W) over H and W, times gain, plus offset, both (B, C).

    Variance is biased, epsilon 1e-5. torch's instance norm is not channels-last, and its batch norm sums
    large maps inaccurately.
    """
    variance, mean = torch.var_mean(x, dim=(2, 3), correction=0, keepdim=True)
    scale = gain[:, :, None, None] * (variance + 1e-5).rsqrt()
    # Subtract the mean first. As a part of the offset it would cancel, and its rounding error would remain.
    return torch.addcmul(offset[:, :, None, None], x - mean, scale)


def convolutions(config: ENeRVConfig, index: int) -> OrderedDict[str, nn.Module]:
    """Convolutions of a stage: an upsampling `up`, and in the first stage also a `plain` convolution.

    The two convolutions of the first stage avoid one convolution at the most channels and pixels: a stage
    that widens upsamples to few channels first, one that narrows upsamples last.
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
    """Instance norm with gain and offset from the time, upsampling, norm, activation.

    As in the official code, the activation is applied to gains and offsets too, and a gain is not relative
    to 1.
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
        """Encodings of row / h0 and column / w0 of every token, (P, 4 * frequencies), row by row."""
        height, width = self.config.base
        device = next(self.parameters()).device
        rows = torch.arange(height, device=device) / height
        columns = torch.arange(width, device=device) / width
        grid = torch.meshgrid(rows, columns, indexing="ij")
        return torch.cat([positional_encoding(x.flatten(), *self.config.position_encoding) for x in grid], 1)

    def tokens(self) -> Tensor:
        """Tokens (1, P, D) before the multiplication by the vector of time: the same for every frame."""
        return self.spatial(self.position_stem(self.positions())[None])

    def latent(self, time: Tensor, tokens: Tensor) -> Tensor:
        """Input of the first stage, (B, C0, h0, w0)."""
        vector = self.time_stem(positional_encoding(time, *self.config.time_encoding))
        x = self.to_latent(self.temporal(tokens * vector[:, None]))
        return x.unflatten(1, self.config.base).permute(0, 3, 1, 2)

    def images(self, time: Tensor, tokens: Tensor | None = None) -> list[Tensor]:
        """The images of all heads, each (B, 3, h, w), from the coarsest to the full frame.

        Args:
            tokens: the result of `tokens`, so that callers can compute it once for many frames.
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
