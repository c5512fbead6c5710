"""Autoencoders and generators."""

import torch
import torch.nn.functional as F
from registry import image, network, normal, tokens
from torch import nn

from .blocks import Lambda


@network("anomaly-autoencoder", "mlperf-tiny", normal(640), exporter="new", opset=17)
def anomaly():
    def layer(a, b):
        return [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]

    sizes = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128]
    layers = [x for a, b in zip(sizes, sizes[1:]) for x in layer(a, b)]
    return nn.Sequential(*layers, nn.Linear(128, 640))


@network("anomaly-score", "autoencoder", normal(32))
class Score(nn.Module):
    """The mean squared error of the reconstruction, inside."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 32))

    def forward(self, x):
        return ((x - self.body(x)) ** 2).mean(dim=1)


@network("vae-encoder", "vae", image(1, 28, 28), outputs=["mean", "log_variance"])
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 4, 2, 1), nn.ReLU(), nn.Flatten())
        self.mean, self.log = nn.Linear(588, 8), nn.Linear(588, 8)

    def forward(self, x):
        x = self.body(x)
        return self.mean(x), self.log(x)


@network("vae-encoder-sampled", "vae", image(1, 28, 28), normal(8, name="noise"))
class Sampled(Encoder):
    """Mean and deviation times the noise that the caller gives."""

    def forward(self, x, noise):
        mean, log = super().forward(x)
        return mean + torch.exp(0.5 * log) * noise


@network("vae-decoder", "vae", normal(8), dynamic=True)
class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 588)
        up = [nn.ConvTranspose2d(12, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1)]
        self.up = nn.Sequential(*up, nn.Sigmoid())

    def forward(self, z):
        return self.up(F.relu(self.fc(z)).view(-1, 12, 7, 7))


@network("dcgan-generator", "gan", normal(16, 1, 1))
def dcgan():
    def up(a, b, stride, padding):
        return [nn.ConvTranspose2d(a, b, 4, stride, padding, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]

    return nn.Sequential(*up(16, 24, 1, 0), *up(24, 16, 2, 1), nn.ConvTranspose2d(16, 3, 4, 2, 1, bias=False), nn.Tanh())


@network("gan-conditional", "gan", normal(8, name="noise"), tokens(10, name="label"))
class Conditional(nn.Module):
    """A label's embedding joined to the noise."""

    def __init__(self):
        super().__init__()
        self.label = nn.Embedding(10, 8)
        self.body = nn.Sequential(nn.Linear(16, 24), nn.LeakyReLU(0.2), nn.Linear(24, 64), nn.Tanh())

    def forward(self, noise, label):
        return self.body(torch.cat([noise, self.label(label)], dim=1)).view(-1, 1, 8, 8)


@network("upsample-generator", "gan", normal(8))
def upsampled():
    start = [nn.Linear(8, 256), Lambda(lambda x: x.view(x.shape[0], 16, 4, 4)), nn.BatchNorm2d(16)]
    up = [nn.Upsample(scale_factor=2), nn.Conv2d(16, 12, 3, padding=1), nn.BatchNorm2d(12), nn.LeakyReLU(0.2)]
    return nn.Sequential(*start, *up, nn.Upsample(size=(16, 16)), nn.Conv2d(12, 1, 3, padding=1), nn.Tanh())


@network("siren", "implicit", normal(2, std=0.5), dynamic=True)
def siren():
    """A picture as a function of the place: sines."""
    sine = Lambda(lambda x: torch.sin(2.0 * x))
    return nn.Sequential(nn.Linear(2, 24), sine, nn.Linear(24, 24), sine, nn.Linear(24, 3))


@network("nerf-encoding", "implicit", normal(3, std=0.5), outputs=["color", "density"])
class Nerf(nn.Module):
    """Sines and cosines of several frequencies joined, a skip, two outputs."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(15, 24), nn.Linear(39, 24)
        self.color, self.density = nn.Linear(24, 3), nn.Linear(24, 1)

    def forward(self, x):
        parts = [x] + [f(x * scale) for scale in (1.0, 2.0) for f in (torch.sin, torch.cos)]
        e = torch.cat(parts, dim=-1)
        y = F.relu(self.b(torch.cat([F.relu(self.a(e)), e], -1)))
        return torch.sigmoid(self.color(y)), F.softplus(self.density(y))


@network("film-conditioned", "gan", image(1, 16, 16), normal(6, name="condition"))
class Film(nn.Module):
    """A second input makes gains and shifts of the channels."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.film = nn.Conv2d(1, 12, 3, padding=1), nn.Conv2d(12, 1, 3, padding=1), nn.Linear(6, 24)

    def forward(self, x, condition):
        gain, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        return self.two(F.relu(self.one(x) * (1 + gain) + shift))


@network("vector-quantizer", "vae", normal(6, 8))
class Quantizer(nn.Module):
    """The index of the nearest code of each step."""

    def __init__(self):
        super().__init__()
        self.fc, self.codes = nn.Linear(8, 6), nn.Parameter(torch.randn(12, 6))

    def forward(self, x):
        x = self.fc(x)
        distance = (x**2).sum(-1, keepdim=True) - 2 * x @ self.codes.t() + (self.codes**2).sum(-1)
        return distance.argmin(dim=-1)
