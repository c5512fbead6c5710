"""Trains those networks of models/networks that are judged by accuracy: python train.py [--only NAME,...]

Digits and pictures stand beside the project (../shared/data): 60,000 digits, 5,000 pictures. Pixels are from 0 to 1.
About a minute each on one core, which is no record. Seeds are fixed; another version of torch trains other weights.
"""

import argparse
import gzip
import pathlib
import time

import make
import numpy as np
import torch
import torch.nn.functional as F
from families.attention import Block
from families.blocks import Residual, SqueezeExcite, conv_bn, head, separable
from families.classic import dense_block, transition
from families.mobile import inverted
from families.residual import Pre
from registry import Network, image
from torch import nn

DATA = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"
TRAINED = []


def trained(name, data, epochs, rate):
    """Registers what makes the module."""

    def register(made):
        shape = (1, 28, 28) if data == "mnist" else (3, 32, 32)
        TRAINED.append((Network(name, f"trained-{data}", made, [image(*shape)], ["output"]), data, epochs, rate))
        return made

    return register


@trained("trained-mobilenet", "cifar10", 12, 5e-3)
def mobilenet():
    blocks = [inverted(16, 24, 2, 3), inverted(24, 24, 1, 3), inverted(24, 40, 1, 3)]
    return nn.Sequential(conv_bn(3, 16, 3, 2, act=nn.ReLU6), separable(16, 16, act=nn.ReLU6), *blocks, head(40, 10))


@trained("trained-resnet", "cifar10", 24, 5e-3)
def resnet():
    blocks = [Pre(12, 12, 1), Pre(12, 24, 2), Pre(24, 40, 2)]
    return nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1, bias=False), *blocks, nn.BatchNorm2d(40), nn.ReLU(), head(40, 10))


@trained("trained-se-silu", "cifar10", 24, 5e-3)
class SeNet(nn.Module):
    """Normalization of pixels inside, SiLU and HardSwish, gates."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.25, 0.24, 0.26]).view(1, 3, 1, 1))

        def block(channels, act):
            body = nn.Sequential(conv_bn(channels, channels, act=act), conv_bn(channels, channels, act=None))
            return Residual(nn.Sequential(body, SqueezeExcite(channels, channels // 4, gate=nn.Hardsigmoid)))

        self.body = nn.Sequential(
            conv_bn(3, 12, 3, 2, act=nn.SiLU), block(12, nn.SiLU), conv_bn(12, 24, 3, 2, act=nn.Hardswish),
            block(24, nn.Hardswish), conv_bn(24, 40, 3, 2, act=nn.Hardswish), head(40, 10),
        )

    def forward(self, x):
        return self.body((x - self.mean) / self.std)


@trained("trained-densenet", "mnist", 1, 5e-3)
def densenet():
    stem = [nn.Conv2d(1, 12, 3, 2, 1, bias=False)]
    body = [dense_block(12, 8, 3), transition(36, 18), dense_block(18, 8, 3), nn.BatchNorm2d(42), nn.ReLU()]
    return nn.Sequential(*stem, *body, head(42, 10))


@trained("trained-transformer-rows", "mnist", 2, 3e-3)
class Rows(nn.Module):
    """Rows of the digit are words."""

    def __init__(self):
        super().__init__()
        self.first, self.places = nn.Linear(28, 32), nn.Parameter(torch.randn(1, 28, 32) * 0.1)
        self.blocks = nn.Sequential(Block(32, 2, False), Block(32, 2, False))
        self.norm, self.fc = nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, x):
        x = self.first(x.squeeze(1)) + self.places
        return self.fc(self.norm(self.blocks(x).mean(dim=1)))


@trained("trained-gru-rows", "mnist", 2, 5e-3)
class GruRows(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.fc = nn.GRU(28, 40, batch_first=True), nn.Linear(40, 10)

    def forward(self, x):
        return self.fc(self.gru(x.squeeze(1))[0][:, -1])


def idx(name, skip):
    return np.frombuffer(gzip.decompress((DATA / "mnist" / name).read_bytes()), np.uint8, offset=skip)


def digits(kind):
    images = idx(f"{kind}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    return tensors(images, idx(f"{kind}-labels-idx1-ubyte.gz", 8))


def pictures(name):
    rows = np.frombuffer(gzip.decompress((DATA / "cifar10" / name).read_bytes()), np.uint8).reshape(-1, 3073)
    return tensors(rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0])


def tensors(images, labels):
    return torch.from_numpy(images.astype(np.float32) / 255), torch.from_numpy(labels.astype(np.int64))


def load(data):
    if data == "mnist":
        return digits("train"), digits("t10k")
    return pictures("train-5000.bin.gz"), pictures("test-2000.bin.gz")


def varied(x):
    """Pictures mirrored and moved by up to 4 pixels, all of one batch alike."""
    x = x.flip(3) if torch.rand(()) < 0.5 else x
    dy, dx = torch.randint(0, 9, (2,)).tolist()
    return F.pad(x, (4, 4, 4, 4))[:, :, dy : dy + 32, dx : dx + 32]


def train(model, images, labels, epochs, rate, change):
    batch = 64
    steps = epochs * (len(images) // batch)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps)
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for i in range(len(images) // batch):
            chosen = order[i * batch : (i + 1) * batch]
            loss = F.cross_entropy(model(change(images[chosen])), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def accuracy(model, images, labels):
    with torch.no_grad():
        return float((torch.cat([model(x) for x in images.split(256)]).argmax(1) == labels).float().mean())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--raw", default="/tmp/networks", type=pathlib.Path)
    options = parser.parse_args()
    make.prepare(options.raw)
    for network, data, epochs, rate in TRAINED:
        if options.only and network.name not in options.only.split(","):
            continue
        torch.manual_seed(1)
        start = time.time()
        known, unknown = load(data)
        change = varied if data == "cifar10" else (lambda x: x)
        model = train(network.make(), *known, epochs, rate, change)
        make.round_weights(model)
        top1 = accuracy(model, *unknown)
        print(f"{network.name}: top-1 {top1:.4f} after {time.time() - start:.0f} s", flush=True)
        entry = make.write(network, model, options.raw)
        make.update_index([{**entry, "trained": {"data": data, "top1": round(top1, 4)}}])


if __name__ == "__main__":
    main()
