"""Transformers and mixers of images, sound and words."""

import math

import torch
import torch.nn.functional as F
from registry import image, network, normal, tokens
from torch import nn

from .blocks import conv_bn, conv_bn1


class Attention(nn.Module):
    """One product for query, key and value; heads by reshaping. `fused`: torch's function, else written out."""

    def __init__(self, width, heads, fused, causal=False):
        super().__init__()
        self.heads, self.fused, self.causal = heads, fused, causal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        else:
            y = (q * (c // self.heads) ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(b, n, c))


class Block(nn.Module):
    """Normalization first."""

    def __init__(self, width, heads, fused, causal=False, act=nn.GELU):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, fused, causal)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), act(), nn.Linear(2 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    """Patches, a learned class token and places, blocks, the class token's logits."""

    def __init__(self, fused):
        super().__init__()
        self.patch = nn.Conv2d(3, 24, 8, 8)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 24) * 0.5), nn.Parameter(torch.randn(1, 17, 24) * 0.5)
        self.blocks = nn.Sequential(Block(24, 2, fused), Block(24, 2, fused))
        self.norm, self.fc = nn.LayerNorm(24), nn.Linear(24, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.places
        return self.fc(self.norm(self.blocks(x))[:, 0])


@network("vit", "vit", image(3, 32, 32), exporter="old", opset=17)
def vit():
    return Vit(True)


@network("vit-written-out", "vit", image(3, 32, 32), dynamic=True, exporter="new")
def vit_written_out():
    return Vit(False)


@network("tiny-vit", "vit", image(3, 32, 32))
class TinyVit(nn.Module):
    """Convolutions first, then attention with biases per pair of places, and a depthwise layer between."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 12, 3, 2, act=nn.GELU), conv_bn(12, 24, 3, 2, act=None))
        self.norm, self.qkv, self.out = nn.LayerNorm(24), nn.Linear(24, 72), nn.Linear(24, 24)
        self.bias = nn.Parameter(torch.randn(2, 64, 64) * 0.3)
        self.local = conv_bn(24, 24, 3, groups=24, act=None)
        self.mlp = nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 48), nn.GELU(), nn.Linear(48, 24))
        self.fc = nn.Linear(24, 10)

    def forward(self, x):
        x = self.stem(x)
        b, c, h, w = x.shape
        x = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm(x)).view(b, 64, 2, 36).split([12, 12, 12], dim=3)
        q, k, v = q.permute(0, 2, 1, 3), k.permute(0, 2, 1, 3), v.permute(0, 2, 1, 3)
        y = (q @ k.transpose(-2, -1) * (1 / math.sqrt(12)) + self.bias).softmax(dim=-1) @ v
        x = x + self.out(y.transpose(1, 2).reshape(b, 64, 24))
        x = self.local(x.transpose(1, 2).reshape(b, c, h, w)).flatten(2).transpose(1, 2)
        return self.fc((x + self.mlp(x)).mean(1))


def windows(x, n):
    b, h, w, c = x.shape
    return x.view(b, h // n, n, w // n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, n * n, c)


@network("swin-windows", "vit", image(3, 32, 32))
class Swin(nn.Module):
    """Attention inside of windows, the second time with the image rolled."""

    def __init__(self):
        super().__init__()
        self.patch, self.norm = nn.Conv2d(3, 16, 4, 4), nn.LayerNorm(16)
        self.one, self.two, self.fc = Attention(16, 2, False), Attention(16, 2, False), nn.Linear(16, 10)

    def inside(self, attention, x):
        y = attention(windows(x, 4))
        return y.view(-1, 2, 2, 4, 4, 16).permute(0, 1, 3, 2, 4, 5).reshape(-1, 8, 8, 16)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        x = x + self.inside(self.one, self.norm(x))
        rolled = torch.roll(x, shifts=(-2, -2), dims=(1, 2))
        x = x + torch.roll(self.inside(self.two, rolled), shifts=(2, 2), dims=(1, 2))
        return self.fc(x.mean((1, 2)))


@network("mlp-mixer", "mixer", image(3, 32, 32))
class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 24, 8, 8)
        self.norms = nn.ModuleList([nn.LayerNorm(24) for _ in range(4)])
        self.places = nn.ModuleList([nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16)) for _ in range(2)])
        self.channels = nn.ModuleList([nn.Sequential(nn.Linear(24, 48), nn.GELU(), nn.Linear(48, 24)) for _ in range(2)])
        self.norm, self.fc = nn.LayerNorm(24), nn.Linear(24, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        for i in range(2):
            x = x + self.places[i](self.norms[2 * i](x).transpose(1, 2)).transpose(1, 2)
            x = x + self.channels[i](self.norms[2 * i + 1](x))
        return self.fc(self.norm(x).mean(dim=1))


@network("res-mlp-affine", "mixer", image(1, 28, 28))
class ResMlp(nn.Module):
    """A gain and a shift per feature instead of normalization."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Linear(49, 24)
        self.gain, self.shift = nn.Parameter(torch.rand(2, 24) + 0.5), nn.Parameter(torch.randn(2, 24) * 0.2)
        self.places, self.up, self.down, self.fc = nn.Linear(16, 16), nn.Linear(24, 48), nn.Linear(48, 24), nn.Linear(24, 10)

    def forward(self, x):
        b = x.shape[0]
        x = self.patch(x.reshape(b, 4, 7, 4, 7).permute(0, 1, 3, 2, 4).reshape(b, 16, 49))
        x = x + self.places((x * self.gain[0] + self.shift[0]).transpose(1, 2)).transpose(1, 2)
        x = x + self.down(F.gelu(self.up(x * self.gain[1] + self.shift[1])))
        return self.fc(x.mean(1))


@network("encoder-layer-post", "transformer", normal(16, 12), untouched=True)
class PostNorm(nn.Module):
    """torch's own layer as it comes: ReLU, normalization after the sum."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(12, 24)
        self.layer = nn.TransformerEncoderLayer(24, 4, 48, batch_first=True)
        self.fc = nn.Linear(24, 5)

    def forward(self, x):
        return self.fc(self.layer(self.first(x)).mean(dim=1))


@network("encoder-pre-gelu", "transformer", normal(16, 12), untouched=True, exporter="old", opset=17)
class PreNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(12, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, activation="gelu", norm_first=True, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(16), enable_nested_tensor=False)
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        return self.fc(self.layers(self.first(x))[:, -1])


@network("keyword-transformer", "transformer", normal(1, 40, 30))
class KeywordTransformer(nn.Module):
    """Frames of sound are the words; a class token."""

    def __init__(self):
        super().__init__()
        self.first, self.token = nn.Linear(40, 24), nn.Parameter(torch.randn(1, 1, 24))
        self.places = nn.Parameter(torch.randn(1, 31, 24) * 0.5)
        self.block, self.head = Block(24, 3, True), nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 8))

    def forward(self, x):
        x = self.first(x.squeeze(1).permute(0, 2, 1))
        x = torch.cat([self.token.repeat(x.size(0), 1, 1), x], dim=1) + self.places
        return self.head(self.block(x)[:, 0])


@network("text-mean-embedding", "words", tokens(50, 12))
class MeanEmbedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.fc = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x):
        return self.fc(self.words(x).mean(dim=1))


@network("text-cnn", "words", tokens(50, 16), dynamic=True)
class TextCnn(nn.Module):
    """Convolutions of three widths over embeddings, the maximum of each over time."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 12)
        self.convs = nn.ModuleList([nn.Conv1d(12, 8, k) for k in (2, 3, 4)])
        self.fc = nn.Linear(24, 3)

    def forward(self, x):
        x = self.words(x).transpose(1, 2)
        return self.fc(torch.cat([F.relu(conv(x)).max(dim=2)[0] for conv in self.convs], dim=1))


@network("gpt", "words", tokens(40, 12))
class Gpt(nn.Module):
    """Each word sees those before it; logits of the next one with the embedding's own weights."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(40, 24), nn.Embedding(12, 24)
        self.block, self.norm = Block(24, 2, True, True), nn.LayerNorm(24)

    def forward(self, x):
        x = self.words(x) + self.places(torch.arange(12))
        return F.linear(self.norm(self.block(x)), self.words.weight)


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


@network("llama", "words", tokens(40, 8))
class Llama(nn.Module):
    """RMSNorm, rotated halves, a causal mask added, SwiGLU."""

    def __init__(self):
        super().__init__()
        self.words, self.norm1, self.norm2 = nn.Embedding(40, 16), RmsNorm(16), RmsNorm(16)
        self.q, self.k, self.v, self.o = (nn.Linear(16, 16, bias=False) for _ in range(4))
        self.gate, self.up, self.down = nn.Linear(16, 32, bias=False), nn.Linear(16, 32, bias=False), nn.Linear(32, 16, bias=False)
        angle = torch.arange(8.0)[:, None] * torch.tensor([1.0, 0.1, 0.01, 0.001]).repeat(2)
        self.register_buffer("cos", torch.cos(angle))
        self.register_buffer("sin", torch.sin(angle))
        self.register_buffer("mask", torch.full((8, 8), -1e4).triu(1))
        self.out = nn.Linear(16, 40, bias=False)

    def turned(self, x):
        a, b = x.chunk(2, dim=-1)
        return x * self.cos + torch.cat((-b, a), dim=-1) * self.sin

    def forward(self, x):
        x = self.words(x)
        b, n, _ = x.shape
        y = self.norm1(x)
        q, k, v = (layer(y).view(b, n, 2, 8).transpose(1, 2) for layer in (self.q, self.k, self.v))
        scores = self.turned(q) @ self.turned(k).transpose(2, 3) / math.sqrt(8) + self.mask
        x = x + self.o((F.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(b, n, 16))
        y = self.norm2(x)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return self.out(x[:, -1])


@network("conformer", "transformer", normal(24, 16))
class Conformer(nn.Module):
    """Half-steps of feed-forward layers around attention and a gated convolution."""

    def __init__(self):
        super().__init__()
        def feed():
            return nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 32), nn.SiLU(), nn.Linear(32, 16))

        self.one, self.two, self.norm, self.last = feed(), feed(), nn.LayerNorm(16), nn.LayerNorm(16)
        self.attention, self.norm2 = Attention(16, 2, True), nn.LayerNorm(16)
        self.up, self.deep, self.down = nn.Conv1d(16, 32, 1), conv_bn1(16, 16, 7, groups=16, act=nn.SiLU), nn.Conv1d(16, 16, 1)
        self.fc = nn.Linear(16, 6)

    def forward(self, x):
        x = x + 0.5 * self.one(x)
        x = x + self.attention(self.norm(x))
        y = F.glu(self.up(self.norm2(x).transpose(1, 2)), dim=1)
        x = x + self.down(self.deep(y)).transpose(1, 2)
        return self.fc(self.last(x + 0.5 * self.two(x)))


@network("attention-pooling", "transformer", normal(20, 12))
class Pooling(nn.Module):
    """A learned query asks all steps."""

    def __init__(self):
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 16))
        self.k, self.v, self.fc = nn.Linear(12, 16), nn.Linear(12, 16), nn.Linear(16, 4)

    def forward(self, x):
        weights = F.softmax(torch.matmul(self.k(x), self.query.t()) / 4.0, dim=1)
        return self.fc((weights * self.v(x)).sum(dim=1))


@network("cross-attention", "transformer", normal(6, 16, name="queries"), normal(10, 16, name="memory"), untouched=True)
class Cross(nn.Module):
    """torch's MultiheadAttention between two inputs."""

    def __init__(self):
        super().__init__()
        self.attention, self.norm, self.fc = nn.MultiheadAttention(16, 4, batch_first=True), nn.LayerNorm(16), nn.Linear(16, 5)

    def forward(self, queries, memory):
        y, _ = self.attention(queries, memory, memory, need_weights=False)
        return self.fc(self.norm(queries + y))


@network("linear-attention-einsum", "transformer", normal(16, 12))
class LinearAttention(nn.Module):
    """ELU + 1 as the kernel; products by einsum."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.fc = nn.Linear(12, 16), nn.Linear(12, 16), nn.Linear(12, 16), nn.Linear(16, 4)

    def forward(self, x):
        q, k = F.elu(self.q(x)) + 1, F.elu(self.k(x)) + 1
        memory = torch.einsum("bnd,bne->bde", k, self.v(x))
        y = torch.einsum("bnd,bde->bne", q, memory)
        return self.fc((y / (torch.einsum("bnd,bd->bn", q, k.sum(dim=1)).unsqueeze(-1) + 1e-6)).mean(1))


@network("attention-masked", "transformer", normal(12, 8), {"name": "mask", "shape": [1, 12], "dtype": "bool", "data": {"kind": "even", "low": 0.0, "high": 2.0, "whole": True}})
class Masked(nn.Module):
    """Steps that a second input rules out are filled with a large negative score."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.fc = nn.Linear(8, 12), nn.Linear(8, 12), nn.Linear(8, 12), nn.Linear(12, 4)

    def forward(self, x, mask):
        scores = self.q(x) @ self.k(x).transpose(1, 2) / 12**0.5
        scores = scores.masked_fill(~mask.unsqueeze(1), -1e4)
        return self.fc((F.softmax(scores, -1) @ self.v(x)).mean(1))


@network("attention-key-padding", "transformer", normal(10, 16), tokens(10, 1, name="last"), batched=False)
class KeyPadding(nn.Module):
    """torch's own attention, which adds a mask of -infinity behind the last step."""

    def __init__(self):
        super().__init__()
        self.attention, self.fc = nn.MultiheadAttention(16, 2, batch_first=True), nn.Linear(16, 4)

    def forward(self, x, last):
        hidden = torch.arange(10)[None] > last
        return self.fc(self.attention(x, x, x, key_padding_mask=hidden, need_weights=False)[0])
