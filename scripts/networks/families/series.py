"""Convolutions over time: sensors, hearts, brains, sound."""

import torch
import torch.nn.functional as F
from registry import given, network, normal, wave
from torch import nn

from .blocks import Lambda, Residual, conv_bn, conv_bn1


class Chomp(nn.Module):
    """Padded at both ends, and the end cut off again: only the past is seen."""

    def __init__(self, a, b, dilation):
        super().__init__()
        self.cut = 2 * dilation
        self.conv1 = nn.Conv1d(a, b, 3, padding=self.cut, dilation=dilation)
        self.conv2 = nn.Conv1d(b, b, 3, padding=self.cut, dilation=dilation)
        self.short = nn.Conv1d(a, b, 1) if a != b else None

    def forward(self, x):
        y = F.dropout(F.relu(self.conv1(x)[:, :, : -self.cut].contiguous()), 0.2, self.training)
        y = F.relu(self.conv2(y)[:, :, : -self.cut].contiguous())
        return F.relu(y + (x if self.short is None else self.short(x)))


@network("tcn-causal-chomp", "tcn", wave(3, 64))
class TcnChomp(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Sequential(Chomp(3, 12, 1), Chomp(12, 12, 2), Chomp(12, 12, 4)), nn.Linear(12, 5)

    def forward(self, x):
        return self.fc(self.body(x)[:, :, -1])


class Past(nn.Module):
    """Padded on the left alone."""

    def __init__(self, a, b, dilation):
        super().__init__()
        self.left, self.conv = 2 * dilation, nn.Conv1d(a, b, 3, dilation=dilation)

    def forward(self, x):
        return self.conv(F.pad(x, (self.left, 0)))


@network("tcn-causal-pad", "tcn", wave(4, 48), dynamic=True)
def tcn_pad():
    body = [Past(4, 12, 1), nn.ReLU(), Past(12, 12, 2), nn.ReLU(), Residual(nn.Sequential(Past(12, 12, 4), nn.ReLU()))]
    return nn.Sequential(*body, nn.Conv1d(12, 3, 1))


@network("tcn-same", "tcn", wave(4, 48))
def tcn_same():
    body = [conv_bn1(4, 12), Residual(conv_bn1(12, 12, dilation=2)), Residual(conv_bn1(12, 12, dilation=4))]
    return nn.Sequential(*body, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(12, 5))


@network("wavenet-gated", "tcn", wave(1, 64))
class WaveNet(nn.Module):
    """tanh times sigmoid, a residual and a skip sum."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(1, 8, 1)
        self.filters = nn.ModuleList([Past(8, 8, d) for d in (1, 2, 4)])
        self.gates = nn.ModuleList([Past(8, 8, d) for d in (1, 2, 4)])
        self.skips = nn.ModuleList([nn.Conv1d(8, 8, 1) for _ in range(3)])
        self.last = nn.Sequential(nn.ReLU(), nn.Conv1d(8, 8, 1), nn.ReLU(), nn.Conv1d(8, 1, 1))

    def forward(self, x):
        x, total = self.first(x), 0
        for one, gate, skip in zip(self.filters, self.gates, self.skips):
            y = torch.tanh(one(x)) * torch.sigmoid(gate(x))
            total = total + skip(y)
            x = x + y
        return self.last(total)


@network("ecg-resnet", "ecg", wave(1, 180), dynamic=True)
class EcgResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv_bn1(1, 12, 15, 2), nn.MaxPool1d(3, 2, 1))
        self.blocks = nn.Sequential(*[Residual(nn.Sequential(conv_bn1(12, 12, 7), conv_bn1(12, 12, 7, act=None)), nn.ReLU()) for _ in range(2)])
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean(dim=2))


@network("ecg-cnn-pooled", "ecg", wave(1, 187))
def ecg_cnn():
    body = [nn.Conv1d(1, 8, 5), nn.ReLU(), nn.MaxPool1d(5, 2), nn.Conv1d(8, 12, 5), nn.ReLU(), nn.MaxPool1d(5, 2)]
    return nn.Sequential(*body, nn.Conv1d(12, 12, 5), nn.ReLU(), nn.AvgPool1d(4, 4, ceil_mode=True), nn.Flatten(), nn.Linear(120, 5))


@network("eegnet", "eeg", wave(1, 8, 64))
def eegnet():
    body = [nn.Conv2d(1, 6, (1, 16), padding="same", bias=False), nn.BatchNorm2d(6)]
    body += [nn.Conv2d(6, 12, (8, 1), groups=6, bias=False), nn.BatchNorm2d(12), nn.ELU(), nn.AvgPool2d((1, 4)), nn.Dropout(0.5)]
    body += [nn.Conv2d(12, 12, (1, 8), padding="same", groups=12, bias=False), nn.Conv2d(12, 8, 1, bias=False), nn.BatchNorm2d(8)]
    return nn.Sequential(*body, nn.ELU(), nn.AvgPool2d((1, 4)), nn.Flatten(), nn.Linear(32, 4))


@network("eeg-shallow-log-power", "eeg", wave(8, 96))
class Shallow(nn.Module):
    """Squares, means, logarithms."""

    def __init__(self):
        super().__init__()
        self.time, self.space = nn.Conv2d(1, 8, (1, 13)), nn.Conv2d(8, 8, (8, 1), bias=False)
        self.bn, self.last = nn.BatchNorm2d(8), nn.Conv2d(8, 4, (1, 9))

    def forward(self, x):
        x = self.bn(self.space(self.time(x[:, None])))
        x = F.avg_pool2d(x * x, (1, 20), (1, 8))
        x = torch.log(torch.clamp(x, min=1e-6))
        return F.log_softmax(self.last(x).squeeze(3).squeeze(2), dim=1)


@network("imu-time-first", "imu", wave(64, 6, axis=-2), dynamic=True)
class ImuTimeFirst(nn.Module):
    """[batch, time, channel], turned for the convolutions."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(6, 12, 5), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(12, 16, 5), nn.ReLU(), nn.MaxPool1d(2))
        self.fc = nn.Linear(208, 6)

    def forward(self, x):
        x = self.body(x.permute(0, 2, 1))
        return F.softmax(self.fc(x.view(x.size(0), -1)), dim=1)


@network("imu-as-image", "imu", wave(1, 6, 64))
def imu_image():
    body = [conv_bn(1, 8, (1, 5), (1, 2), padding=(0, 2)), conv_bn(8, 12, (6, 3), (1, 2), padding=(0, 1))]
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(192, 6))


@network("imu-scaled-inside", "imu", given("table", 64, 6, std=[9.8, 9.8, 9.8, 250.0, 250.0, 250.0], mean=[0.0, 0.0, 9.8, 0.0, 0.0, 0.0]))
class ImuScaled(nn.Module):
    """Physical units; each channel has its mean and deviation inside."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.0, 0.0, 9.8, 0.0, 0.0, 0.0]))
        self.register_buffer("std", torch.tensor([9.8, 9.8, 9.8, 250.0, 250.0, 250.0]))
        self.body = nn.Sequential(conv_bn1(6, 12, 5, 2), conv_bn1(12, 16, 5, 2), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 4))

    def forward(self, x):
        return self.body(((x - self.mean) / self.std).transpose(1, 2))


@network("audio-m5", "audio", wave(1, 1600))
def m5():
    body = [conv_bn1(1, 12, 79, 8), nn.MaxPool1d(4), conv_bn1(12, 16), nn.MaxPool1d(4), conv_bn1(16, 24)]
    last = [nn.AvgPool1d(12), Lambda(lambda x: x.permute(0, 2, 1)), nn.Linear(24, 10), nn.LogSoftmax(dim=2)]
    return nn.Sequential(*body, *last)


@network("tc-resnet", "keywords", normal(10, 49))
def tc_resnet():
    def block(a, b):
        body = nn.Sequential(conv_bn1(a, b, 9, 2), conv_bn1(b, b, 9, act=None))
        return Residual(body, nn.ReLU(), conv_bn1(a, b, 1, 2))

    body = [nn.Conv1d(10, 12, 3, padding=1, bias=False), block(12, 16), block(16, 20)]
    return nn.Sequential(*body, nn.AvgPool1d(13), nn.Flatten(), nn.Dropout(0.2), nn.Linear(20, 12))


class SqueezeExcite1(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, channels // 4), nn.ReLU(), nn.Linear(channels // 4, channels), nn.Sigmoid())

    def forward(self, x):
        return x * self.fc(x.mean(-1)).unsqueeze(-1)


@network("matchboxnet", "keywords", normal(16, 50))
def matchbox():
    def block(a, b, kernel):
        return nn.Sequential(conv_bn1(a, a, kernel, groups=a, act=None), conv_bn1(a, b, 1), SqueezeExcite1(b))

    return nn.Sequential(block(16, 24, 11), Residual(block(24, 24, 13)), conv_bn1(24, 24, 29, dilation=1), nn.Conv1d(24, 10, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten())


class Broadcasted(nn.Module):
    """Features over frequency, and over time from their mean over frequency; the sum goes to every frequency."""

    def __init__(self, channels):
        super().__init__()
        self.f = conv_bn(channels, channels, (3, 1), groups=channels, padding=(1, 0), act=None)
        self.t = nn.Sequential(
            conv_bn(channels, channels, (1, 3), groups=channels, padding=(0, 1), act=nn.SiLU), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x):
        y = self.f(x)
        return F.relu(x + y + self.t(y.mean(2, keepdim=True)))


@network("bc-resnet", "keywords", normal(1, 16, 40))
def bc_resnet():
    body = [conv_bn(1, 12, 5, (2, 1)), Broadcasted(12), Broadcasted(12), nn.Conv2d(12, 16, (8, 1)), nn.ReLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 10, 1), nn.Flatten())


@network("spectrogram-cnn", "audio", normal(1, 40, 32))
class Spectrogram(nn.Module):
    """Batch normalization along frequency before the first layer, maximum and mean over time."""

    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(40)
        self.body = nn.Sequential(conv_bn(1, 8, 3, 2), conv_bn(8, 16, 3, 2))
        self.fc = nn.Linear(16, 8)

    def forward(self, x):
        x = self.bn(x.transpose(1, 2)).transpose(1, 2)
        x = torch.mean(self.body(x), dim=2)
        return torch.sigmoid(self.fc(torch.max(x, dim=2)[0] + torch.mean(x, dim=2)))


@network("wake-word-embedding-head", "wake-word", normal(16, 24))
def wake_word():
    layer = [nn.Flatten(), nn.Linear(384, 32), nn.LayerNorm(32), nn.ReLU()]
    return nn.Sequential(*layer, nn.Linear(32, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())


@network("wake-word-cnn", "wake-word", normal(1, 40, 25))
class WakeCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(1, 12, (5, 3), (2, 1), padding=(2, 1)), conv_bn(12, 12, 3, 2), conv_bn(12, 16, 3, 2))
        self.fc = nn.Linear(560, 1)

    def forward(self, x):
        return torch.sigmoid(self.fc(self.body(x).reshape(-1, 560)))[:, 0]


@network("anomaly-autoencoder-1d", "autoencoder", wave(1, 64))
def anomaly():
    down = [nn.Conv1d(1, 8, 5, 2, 2), nn.ReLU(), nn.Conv1d(8, 12, 5, 2, 2), nn.ReLU()]
    up = [nn.ConvTranspose1d(12, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose1d(8, 1, 4, 2, 1)]
    return nn.Sequential(*down, *up)


@network("speech-unet-1d", "audio", wave(1, 128))
class SpeechUNet(nn.Module):
    """Linear interpolation up; every second sample down."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv1d(1, 8, 15, padding=7), nn.Conv1d(8, 12, 15, padding=7), nn.Conv1d(12, 12, 5, padding=2)
        self.up, self.last = nn.Conv1d(20, 8, 5, padding=2), nn.Conv1d(9, 1, 1)

    def forward(self, x):
        a = F.leaky_relu(self.a(x), 0.1)
        b = F.leaky_relu(self.b(a[:, :, ::2]), 0.1)
        c = F.leaky_relu(self.c(b), 0.1)
        y = F.interpolate(c, scale_factor=2, mode="linear", align_corners=True)
        y = F.leaky_relu(self.up(torch.cat([y, a], 1)), 0.1)
        return torch.tanh(self.last(torch.cat([y, x], 1)))


@network("ppg-regression", "ppg", wave(1, 125))
def ppg():
    body = [conv_bn1(1, 8, 7, 2), conv_bn1(8, 12, 5, 2), conv_bn1(12, 16, 3, 2), nn.AdaptiveMaxPool1d(1), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(16, 16), nn.ELU(), nn.Linear(16, 1), Lambda(lambda x: x.squeeze(-1) * 40.0 + 80.0))


@network("n-beats", "forecasting", wave(24))
class NBeats(nn.Module):
    """Each block takes what it explains from the input, and adds to the forecast."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU()) for _ in range(3)])
        self.backs = nn.ModuleList([nn.Linear(24, 24, bias=False) for _ in range(3)])
        self.fores = nn.ModuleList([nn.Linear(24, 8, bias=False) for _ in range(3)])

    def forward(self, x):
        total = None
        for block, back, fore in zip(self.blocks, self.backs, self.fores):
            y = block(x)
            x = x - back(y)
            total = fore(y) if total is None else total + fore(y)
        return total


@network("d-linear", "forecasting", wave(48, 3, axis=-2))
class DLinear(nn.Module):
    """A moving average over padded ends, and a linear layer for it and for the rest."""

    def __init__(self):
        super().__init__()
        self.pool, self.trend, self.rest = nn.AvgPool1d(7, 1), nn.Linear(48, 12), nn.Linear(48, 12)

    def forward(self, x):
        front, end = x[:, 0:1, :].repeat(1, 3, 1), x[:, -1:, :].repeat(1, 3, 1)
        trend = self.pool(torch.cat([front, x, end], dim=1).permute(0, 2, 1))
        rest = x.permute(0, 2, 1) - trend
        return (self.trend(trend) + self.rest(rest)).permute(0, 2, 1)


@network("rev-in-forecast", "forecasting", wave(32, 2, axis=-2))
class RevIn(nn.Module):
    """Mean and deviation of the input are taken out, and put back behind the layers."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(32, 24), nn.Linear(24, 8)

    def forward(self, x):
        mean = x.mean(1, keepdim=True)
        std = torch.sqrt(torch.var(x, dim=1, keepdim=True, unbiased=False) + 1e-5)
        y = ((x - mean) / std).transpose(1, 2)
        return self.b(F.relu(self.a(y))).transpose(1, 2) * std + mean


@network("spectrum-inside", "audio", wave(8, 64), exporter="new")
class Spectrum(nn.Module):
    """Magnitudes of a Fourier transform of each row."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8 * 33, 8)

    def forward(self, x):
        pairs = torch.view_as_real(torch.fft.rfft(x))
        return self.fc(((pairs**2).sum(-1) + 1e-3).sqrt().flatten(1))
