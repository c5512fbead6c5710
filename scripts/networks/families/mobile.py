"""Small convolutional networks of separable layers: keyword spotting, person detection, MobileNets and relatives."""

import torch
import torch.nn.functional as F
from registry import image, network, normal
from torch import nn

from .blocks import Branches, Lambda, Residual, SqueezeExcite, conv_bn, head, separable


@network("kws-dscnn", "mlperf-tiny", normal(1, 49, 10), exporter="old", opset=13)
def kws():
    body = [conv_bn(1, 64, (10, 4), (2, 2), padding=(5, 1)), nn.Dropout(0.2)]
    body += [separable(64, 64) for _ in range(4)]
    return nn.Sequential(*body, nn.Dropout(0.4), nn.AvgPool2d((25, 5)), nn.Flatten(), nn.Linear(64, 12))


@network("kws-dscnn-time-first", "mlperf-tiny", normal(49, 10), dynamic=True)
class TimeFirst(nn.Module):
    """[batch, time, feature] gets its channel inside."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(1, 24, (10, 4), (2, 2), padding=(5, 1)), separable(24, 24), separable(24, 24))
        self.fc = nn.Linear(24, 12)

    def forward(self, x):
        return F.softmax(self.fc(self.body(x.unsqueeze(1)).mean([2, 3])), dim=-1)


def mobilenet_v1(width, classes, blocks, act=nn.ReLU):
    a = width
    layers = [conv_bn(3, a, 3, 2, act=act)]
    for factor, stride in blocks:
        layers.append(separable(a, width * factor, stride, act=act))
        a = width * factor
    return nn.Sequential(*layers, head(a, classes))


V1 = [(2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *[(16, 1)] * 5, (32, 2), (32, 1)]


@network("vww-mobilenet-v1", "mlperf-tiny", image(3, 96, 96), exporter="new", opset=18)
def vww():
    return mobilenet_v1(8, 2, V1)


@network("mobilenet-v1-asymmetric", "mobilenet", image(3, 32, 32))
class Asymmetric(nn.Module):
    """Padded below and to the right, as TensorFlow's 'same' does with stride 2."""

    def __init__(self):
        super().__init__()
        self.first = conv_bn(3, 8, 3, 2, padding=0, act=nn.ReLU6)
        self.deep = conv_bn(8, 8, 3, 2, groups=8, padding=0, act=nn.ReLU6)
        self.rest = nn.Sequential(conv_bn(8, 16, 1, act=nn.ReLU6), separable(16, 32, act=nn.ReLU6), head(32, 10))

    def forward(self, x):
        x = self.first(F.pad(x, (0, 1, 0, 1)))
        return self.rest(self.deep(F.pad(x, (0, 1, 0, 1))))


@network("mobilenet-v1-channels-last", "mobilenet", image(32, 32, 3, last=True), dynamic=True)
class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mobilenet_v1(8, 10, [(2, 1), (4, 2), (4, 1)])

    def forward(self, x):
        return self.body(x.permute(0, 3, 1, 2))


@network("mobilenet-v1-bytes", "mobilenet", image(32, 32, 3, last=True, high=256.0, whole=True))
class Bytes(nn.Module):
    """Whole numbers from 0 to 255, channels last, scaled inside."""

    def __init__(self):
        super().__init__()
        self.body = mobilenet_v1(8, 10, [(2, 1), (4, 2), (4, 1)])

    def forward(self, x):
        return self.body(x.permute(0, 3, 1, 2) / 255.0)


def inverted(a, b, stride, expand, kernel=3, act=nn.ReLU6, gate=None):
    inner = a * expand
    layers = [conv_bn(a, inner, 1, act=act)] if expand > 1 else []
    layers.append(conv_bn(inner, inner, kernel, stride, inner, act))
    if gate:
        layers.append(gate(inner))
    body = nn.Sequential(*layers, conv_bn(inner, b, 1, act=None))
    return Residual(body) if stride == 1 and a == b else body


@network("mobilenet-v2", "mobilenet", image(3, 32, 32))
def mobilenet_v2():
    blocks = [inverted(8, 8, 1, 1), inverted(8, 12, 2, 4), inverted(12, 12, 1, 4), inverted(12, 20, 2, 4)]
    blocks += [inverted(20, 20, 1, 4), conv_bn(20, 64, 1, act=nn.ReLU6)]
    return nn.Sequential(conv_bn(3, 8, 3, 2, act=nn.ReLU6), *blocks, nn.Dropout(0.2), head(64, 10))


@network("mobilenet-v2-gray", "mobilenet", image(1, 28, 28), dynamic=True)
class Gray(nn.Module):
    def __init__(self):
        super().__init__()
        blocks = [inverted(8, 8, 1, 2), inverted(8, 16, 2, 3, 5), inverted(16, 16, 1, 3)]
        self.body = nn.Sequential(conv_bn(1, 8, 3, 2, act=nn.ReLU6), *blocks)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.body(x), (1, 1))
        return self.fc(x.reshape(x.shape[0], -1))


def v3_gate(channels):
    return SqueezeExcite(channels, channels // 4, gate=nn.Hardsigmoid)


def mobilenet_v3(swish):
    blocks = [
        inverted(8, 8, 2, 1, act=nn.ReLU, gate=v3_gate),
        inverted(8, 12, 2, 3, act=nn.ReLU),
        inverted(12, 12, 1, 3, 5, act=swish, gate=v3_gate),
        inverted(12, 16, 1, 4, 5, act=swish, gate=v3_gate),
    ]
    last = [conv_bn(16, 48, 1, act=swish), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 64), swish()]
    return nn.Sequential(conv_bn(3, 8, 3, 2, act=swish), *blocks, *last, nn.Dropout(0.2), nn.Linear(64, 10))


@network("mobilenet-v3", "mobilenet", image(3, 32, 32))
def mobilenet_v3_small():
    return mobilenet_v3(nn.Hardswish)


@network("mobilenet-v3-decomposed", "mobilenet", image(3, 32, 32))
def mobilenet_v3_decomposed():
    return mobilenet_v3(lambda: Lambda(lambda x: x * F.relu6(x + 3) / 6))


@network("mobilenet-v3-relu6-first", "mobilenet", image(3, 32, 32), dynamic=True)
def mobilenet_v3_relu6_first():
    return mobilenet_v3(lambda: Lambda(lambda x: F.relu6(x + 3.0) * (1 / 6) * x))


@network("efficientnet", "efficientnet", image(3, 32, 32))
def efficientnet():
    def gate(channels):
        return SqueezeExcite(channels, channels // 4, act=nn.SiLU)

    blocks = [
        inverted(8, 8, 1, 1, act=nn.SiLU, gate=gate),
        inverted(8, 12, 2, 4, act=nn.SiLU, gate=gate),
        inverted(12, 12, 1, 4, 5, act=nn.SiLU, gate=gate),
        conv_bn(12, 48, 1, act=nn.SiLU),
    ]
    return nn.Sequential(conv_bn(3, 8, 3, 2, act=nn.SiLU), *blocks, nn.Dropout(0.2), head(48, 10))


@network("efficientnet-swish", "efficientnet", image(3, 32, 32), dynamic=True)
def efficientnet_swish():
    def swish():
        return Lambda(lambda x: x * torch.sigmoid(x))

    def gate(channels):
        return SqueezeExcite(channels, channels // 4, act=swish, linear=True)

    blocks = [inverted(8, 12, 2, 4, act=swish, gate=gate), inverted(12, 12, 1, 4, 5, act=swish, gate=gate)]
    return nn.Sequential(conv_bn(3, 8, 3, 2, act=swish), *blocks, head(12, 10))


@network("efficientnet-lite", "efficientnet", image(3, 40, 40))
def efficientnet_lite():
    blocks = [inverted(8, 8, 1, 1), inverted(8, 12, 2, 6, 5), inverted(12, 12, 1, 6, 5)]
    return nn.Sequential(conv_bn(3, 8, 3, 2, act=nn.ReLU6), *blocks, head(12, 10))


@network("mcunet", "mcunet", image(3, 48, 48))
def mcunet():
    blocks = [
        inverted(8, 8, 1, 1),
        inverted(8, 12, 2, 3, 7),
        inverted(12, 12, 1, 4, 3),
        inverted(12, 16, 2, 3, 5),
        inverted(16, 16, 1, 3, 7),
        inverted(16, 24, 2, 4, 3),
    ]
    return nn.Sequential(conv_bn(3, 8, 3, 2, act=nn.ReLU6), *blocks, head(24, 2))


@network("squeezenet", "squeezenet", image(3, 48, 48))
def squeezenet():
    def fire(a, s, e):
        squeeze = nn.Sequential(nn.Conv2d(a, s, 1), nn.ReLU(inplace=True))
        wide = Branches(
            nn.Sequential(nn.Conv2d(s, e, 1), nn.ReLU(inplace=True)),
            nn.Sequential(nn.Conv2d(s, e, 3, padding=1), nn.ReLU(inplace=True)),
        )
        return nn.Sequential(squeeze, wide)

    pool = [nn.MaxPool2d(3, 2, ceil_mode=True) for _ in range(3)]
    body = [nn.Conv2d(3, 16, 3, 2), nn.ReLU(), pool[0], fire(16, 4, 12), fire(24, 4, 12), pool[1], fire(24, 8, 16)]
    last = [nn.Dropout(0.5), nn.Conv2d(32, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()]
    return nn.Sequential(*body, fire(32, 8, 16), *last)


def shuffled(x, groups):
    b, c, h, w = x.shape
    return x.view(b, groups, c // groups, h, w).transpose(1, 2).reshape(b, c, h, w)


class ShuffleUnit(nn.Module):
    """ShuffleNet V1: grouped pointwise layers with a shuffle between them."""

    def __init__(self, channels, groups):
        super().__init__()
        self.groups = groups
        self.first = conv_bn(channels, channels, 1, groups=groups)
        self.second = nn.Sequential(
            conv_bn(channels, channels, 3, groups=channels, act=None),
            conv_bn(channels, channels, 1, groups=groups, act=None),
        )

    def forward(self, x):
        return F.relu(x + self.second(shuffled(self.first(x), self.groups)))


@network("shufflenet-v1", "shufflenet", image(3, 32, 32))
def shufflenet_v1():
    units = [ShuffleUnit(24, 3), nn.AvgPool2d(3, 2, 1), ShuffleUnit(24, 3)]
    return nn.Sequential(conv_bn(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1), *units, head(24, 10))


class SplitUnit(nn.Module):
    """ShuffleNet V2: one half passes, the other is worked on, and both are shuffled."""

    def __init__(self, channels, stride):
        super().__init__()
        self.stride = stride
        a = channels if stride == 2 else channels // 2
        self.right = nn.Sequential(conv_bn(a, a, 1), conv_bn(a, a, 3, stride, a, None), conv_bn(a, a, 1))
        self.left = nn.Sequential(conv_bn(a, a, 3, 2, a, None), conv_bn(a, a, 1)) if stride == 2 else None

    def forward(self, x):
        if self.stride == 1:
            left, right = x.chunk(2, dim=1)
        else:
            left, right = self.left(x), x
        return shuffled(torch.cat((left, self.right(right)), dim=1), 2)


@network("shufflenet-v2", "shufflenet", image(3, 32, 32))
def shufflenet_v2():
    units = [SplitUnit(12, 2), SplitUnit(24, 1), SplitUnit(24, 2), SplitUnit(48, 1)]
    return nn.Sequential(conv_bn(3, 12, 3, 2), *units, conv_bn(48, 64, 1), Lambda(lambda x: x.mean([2, 3])), nn.Linear(64, 10))


class Ghost(nn.Module):
    """Half of the channels from a pointwise layer, half from a depthwise one of those."""

    def __init__(self, a, b):
        super().__init__()
        self.whole, self.cheap = conv_bn(a, b // 2, 1), conv_bn(b // 2, b // 2, 3, groups=b // 2)

    def forward(self, x):
        x = self.whole(x)
        return torch.cat([x, self.cheap(x)], dim=1)


@network("ghostnet", "ghostnet", image(3, 32, 32))
def ghostnet():
    body = [Ghost(8, 16), conv_bn(16, 16, 3, 2, 16, None), SqueezeExcite(16, 4, gate=nn.Hardsigmoid), Ghost(16, 24)]
    return nn.Sequential(conv_bn(3, 8, 3, 2), *body, head(24, 10))
