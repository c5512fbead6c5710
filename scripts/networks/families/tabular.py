"""Lists of numbers: tables, control, several inputs, pairs."""

import torch
import torch.nn.functional as F
from registry import given, image, network, normal, tokens
from torch import nn

from .blocks import Lambda, conv_bn

STD = [1.0, 12.0, 0.03, 250.0, 4.0, 0.5, 30.0, 2.0]
MEAN = [0.0, 40.0, 0.1, 1000.0, -2.0, 0.5, 37.0, 10.0]


def table():
    return given("table", 8, std=STD, mean=MEAN)


@network("tabular-scaled-inside", "tabular", table(), dynamic=True)
class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN))
        self.register_buffer("std", torch.tensor(STD))
        self.body = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 1))

    def forward(self, x):
        return self.body((x - self.mean) / self.std)


@network("tabular-scaled-back", "tabular", table())
class ScaledBack(Scaled):
    """Products instead of quotients in front, and units behind."""

    def forward(self, x):
        return self.body(x * (1 / self.std) - self.mean / self.std) * 25.0 + 60.0


@network("tabular-min-max", "tabular", table())
class MinMax(Scaled):
    """Clipped, and scaled to 0..1 by least and most."""

    def forward(self, x):
        low, high = self.mean - 2 * self.std, self.mean + 2 * self.std
        x = torch.minimum(torch.maximum(x, low), high)
        return torch.sigmoid(self.body((x - low) / (high - low)))


@network("tabular-batch-norm-first", "tabular", table())
def batch_norm_first():
    return nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 24), nn.SiLU(), nn.Dropout(0.1), nn.BatchNorm1d(24), nn.Linear(24, 3), nn.Softmax(-1))


@network("tabular-selu", "tabular", normal(12))
def selu():
    return nn.Sequential(nn.Linear(12, 32), nn.SELU(), nn.AlphaDropout(0.1), nn.Linear(32, 16), nn.SELU(), nn.Linear(16, 3))


@network("tabular-mean-and-deviation", "tabular", normal(8), outputs=["mean", "deviation"])
class Gaussian(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.mean, self.deviation = nn.Sequential(nn.Linear(8, 24), nn.CELU()), nn.Linear(24, 1), nn.Linear(24, 1)

    def forward(self, x):
        x = self.body(x)
        return self.mean(x), F.softplus(self.deviation(x)) + 1e-3


@network("tabular-resnet", "tabular", normal(10))
class TabularResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 24)
        self.norms = nn.ModuleList([nn.BatchNorm1d(24) for _ in range(2)])
        self.ups, self.downs = nn.ModuleList([nn.Linear(24, 32) for _ in range(2)]), nn.ModuleList([nn.Linear(32, 24) for _ in range(2)])
        self.norm, self.last = nn.BatchNorm1d(24), nn.Linear(24, 2)

    def forward(self, x):
        x = self.first(x)
        for norm, up, down in zip(self.norms, self.ups, self.downs):
            x = x + down(F.relu(up(norm(x))))
        return self.last(F.relu(self.norm(x)))


@network("tabular-categories", "tabular", normal(6, name="numbers"), tokens(7, 3, name="categories"))
class Categories(nn.Module):
    """Three columns of whole numbers with an embedding each, joined to the others."""

    def __init__(self):
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(7, 4) for _ in range(3)])
        self.body = nn.Sequential(nn.Linear(18, 24), nn.ReLU(), nn.Linear(24, 2))

    def forward(self, numbers, categories):
        parts = [table(categories[:, i]) for i, table in enumerate(self.tables)]
        return self.body(torch.cat([numbers, *parts], dim=1))


@network("wide-and-deep", "tabular", normal(8, name="wide"), normal(8, name="deep"))
class WideAndDeep(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide, self.deep = nn.Linear(8, 1), nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 1))

    def forward(self, wide, deep):
        return torch.sigmoid(self.wide(wide) + self.deep(deep))


@network("glu-experts", "tabular", normal(10))
class Experts(nn.Module):
    """Softmax weights of three small networks' outputs."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(10, 3)
        self.experts = nn.ModuleList([nn.Sequential(nn.Linear(10, 12), nn.GELU(), nn.Linear(12, 4)) for _ in range(3)])

    def forward(self, x):
        made = torch.stack([expert(x) for expert in self.experts], dim=1)
        return (made * F.softmax(self.gate(x), dim=-1).unsqueeze(-1)).sum(1)


@network("quantile-sorted", "tabular", normal(8))
class Quantiles(nn.Module):
    """Quantiles that cannot cross: a running sum of positive steps."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 24), nn.Softsign(), nn.Linear(24, 5))

    def forward(self, x):
        y = self.body(x)
        return torch.cumsum(torch.cat([y[:, :1], F.softplus(y[:, 1:])], dim=1), dim=1)


@network("dqn-frames", "control", image(4, 42, 42))
class Dqn(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 8, 8, 4), nn.ReLU(), nn.Conv2d(8, 16, 4, 2), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU())
        self.fc = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 6))

    def forward(self, x):
        return self.fc(self.body(x).view(x.size(0), -1))


@network("dqn-bytes", "control", image(4, 42, 42, high=256.0, whole=True))
class DqnBytes(Dqn):
    def forward(self, x):
        return super().forward(x.float() / 255.0)


@network("dqn-uint8", "control", image(4, 42, 42, high=256.0, whole=True) | {"dtype": "uint8"})
class DqnUint8(Dqn):
    """The input is of bytes."""

    def forward(self, x):
        return super().forward(x.to(torch.float32) / 255)


@network("dueling-dqn", "control", normal(8))
class Dueling(nn.Module):
    """value + advantage - mean advantage."""

    def __init__(self):
        super().__init__()
        self.body, self.value, self.advantage = nn.Sequential(nn.Linear(8, 32), nn.ReLU()), nn.Linear(32, 1), nn.Linear(32, 4)

    def forward(self, x):
        x = self.body(x)
        a = self.advantage(x)
        return self.value(x) + a - a.mean(dim=1, keepdim=True)


@network("actor-critic", "control", normal(10), outputs=["policy", "value"], dynamic=True)
class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh())
        self.policy, self.value = nn.Linear(32, 4), nn.Linear(32, 1)

    def forward(self, x):
        x = self.body(x)
        return F.softmax(self.policy(x), dim=-1), self.value(x)


@network("policy-squashed", "control", normal(12))
def squashed():
    """Actions between two limits, by tanh."""
    return nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 3), nn.Tanh(), Lambda(lambda x: 0.5 * (x + 1) * 20.0 - 5.0))


@network("image-and-vector", "several-inputs", image(1, 24, 24), normal(6, name="state"))
class ImageAndVector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(1, 8, 3, 2), conv_bn(8, 12, 3, 2), nn.Flatten(), nn.Linear(432, 16), nn.ReLU())
        self.state = nn.Sequential(nn.Linear(6, 8), nn.ReLU())
        self.fc = nn.Linear(24, 3)

    def forward(self, x, state):
        return self.fc(torch.cat([self.body(x), self.state(state)], dim=1))


def pair_body():
    return nn.Sequential(conv_bn(1, 8, 3, 2), conv_bn(8, 12, 3, 2), nn.Flatten(), nn.Linear(432, 12))


@network("siamese-difference", "siamese", image(1, 24, 24, name="a"), image(1, 24, 24, name="b"))
class Difference(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.fc = pair_body(), nn.Linear(12, 1)

    def forward(self, a, b):
        return torch.sigmoid(self.fc(torch.abs(self.body(a) - self.body(b))))


@network("siamese-distance", "siamese", image(1, 24, 24, name="a"), image(1, 24, 24, name="b"))
class Distance(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = pair_body()

    def forward(self, a, b):
        return torch.sqrt(torch.sum((self.body(a) - self.body(b)) ** 2, dim=1) + 1e-6)


@network("siamese-cosine", "siamese", image(1, 24, 24, name="a"), image(1, 24, 24, name="b"))
class Cosine(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = pair_body()

    def forward(self, a, b):
        return F.cosine_similarity(self.body(a), self.body(b), dim=1)


@network("face-embedding", "siamese", image(3, 32, 32))
class Embedding(nn.Module):
    """A vector of length 1."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(3, 12, 3, 2, act=nn.PReLU), conv_bn(12, 16, 3, 2, act=nn.PReLU), nn.Flatten(), nn.Linear(1024, 16), nn.BatchNorm1d(16))

    def forward(self, x):
        return F.normalize(self.body(x), p=2.0, dim=1)


@network("prototypes", "siamese", image(1, 24, 24))
class Prototypes(nn.Module):
    """Minus the squared distances to prototypes of classes."""

    def __init__(self):
        super().__init__()
        self.body, self.prototypes = pair_body(), nn.Parameter(torch.randn(5, 12))

    def forward(self, x):
        y = self.body(x)
        return -((y.unsqueeze(1) - self.prototypes.unsqueeze(0)) ** 2).sum(dim=2)


@network("top-3", "tabular", normal(12), outputs=["scores", "classes"])
class Top(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 8))

    def forward(self, x):
        return torch.topk(F.softmax(self.body(x), dim=1), 3)


@network("window-mlp", "tabular", normal(5, 4))
def window():
    """A window of sensor readings, flattened by name."""
    return nn.Sequential(nn.Flatten(start_dim=1), nn.Linear(20, 24), nn.Hardtanh(), nn.Linear(24, 8), nn.Hardsigmoid(), nn.Linear(8, 2))
