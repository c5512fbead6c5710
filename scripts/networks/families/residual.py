"""ResNets after and before activation, and networks of blocks with attention to channels."""

import torch
import torch.nn.functional as F
from registry import image, network
from torch import nn

from .blocks import Lambda, Residual, SqueezeExcite, conv_bn, head


def basic(a, b, stride=1, groups=1):
    body = nn.Sequential(conv_bn(a, b, 3, stride), conv_bn(b, b, 3, groups=groups, act=None))
    short = None if a == b and stride == 1 else nn.Sequential(nn.Conv2d(a, b, 1, stride))
    return Residual(body, nn.ReLU(), short)


@network("resnet8", "mlperf-tiny", image(3, 32, 32), exporter="old", opset=17)
def resnet8():
    blocks = [basic(16, 16), basic(16, 32, 2), basic(32, 64, 2)]
    return nn.Sequential(conv_bn(3, 16), *blocks, nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10), nn.Softmax(1))


@network("resnet-post", "resnet", image(3, 32, 32), dynamic=True)
class Post(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 8, 7, 2), nn.MaxPool2d(3, 2, 1))
        self.blocks = nn.Sequential(basic(8, 8), basic(8, 16, 2), basic(16, 16))
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1)
        return self.fc(torch.flatten(x, 1))


class Pre(nn.Module):
    """Normalization and activation before each convolution; nothing after the sum."""

    def __init__(self, a, b, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(a), nn.Conv2d(a, b, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(b), nn.Conv2d(b, b, 3, 1, 1, bias=False)
        self.short = None if a == b else nn.Conv2d(a, b, 1, stride, bias=False)

    def forward(self, x):
        y = F.relu(self.bn1(x))
        short = x if self.short is None else self.short(y)
        return short + self.conv2(F.relu(self.bn2(self.conv1(y))))


@network("resnet-pre", "resnet", image(3, 32, 32))
def resnet_pre():
    blocks = [Pre(8, 8, 1), Pre(8, 16, 2), Pre(16, 24, 2)]
    return nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1, bias=False), *blocks, nn.BatchNorm2d(24), nn.ReLU(), head(24, 10))


@network("resnet-bottleneck", "resnet", image(3, 32, 32))
def bottleneck():
    def block(a, inner, b, stride):
        body = nn.Sequential(conv_bn(a, inner, 1), conv_bn(inner, inner, 3, stride), conv_bn(inner, b, 1, act=None))
        return Residual(body, nn.ReLU(), None if a == b else conv_bn(a, b, 1, stride, act=None))

    return nn.Sequential(conv_bn(3, 8), block(8, 8, 24, 2), block(24, 8, 24, 1), block(24, 12, 32, 2), head(32, 10))


@network("resnext", "resnet", image(3, 32, 32))
def resnext():
    def block(channels):
        body = nn.Sequential(conv_bn(channels, 16, 1), conv_bn(16, 16, 3, groups=4), conv_bn(16, channels, 1, act=None))
        return Residual(body, nn.ReLU())

    return nn.Sequential(conv_bn(3, 24, 3, 2), block(24), nn.AvgPool2d(2), block(24), head(24, 10))


@network("resnet-d", "resnet", image(3, 40, 40))
def resnet_d():
    """A stem of three, and an average pool with ceil mode on the short way."""
    short = nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False), conv_bn(12, 16, 1, act=None))
    body = nn.Sequential(conv_bn(12, 16, 3, 2), conv_bn(16, 16, act=None))
    stem = [conv_bn(3, 6, 3, 2), conv_bn(6, 6), conv_bn(6, 12)]
    return nn.Sequential(*stem, basic(12, 12), Residual(body, nn.ReLU(), short), head(16, 10))


@network("resnet-group-norm", "resnet", image(3, 24, 24))
def group_norm():
    def block(channels):
        layers = [nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.GroupNorm(4, channels), nn.ReLU()]
        more = [nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.GroupNorm(4, channels)]
        return Residual(nn.Sequential(*layers, *more), nn.ReLU())

    stem = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.GroupNorm(4, 16), nn.ReLU()]
    return nn.Sequential(*stem, block(16), nn.MaxPool2d(2), block(16), head(16, 10))


@network("resnet-scaled-branches", "resnet", image(3, 24, 24))
class Weighted(nn.Module):
    """Each branch times a learned number per channel, and a fixed one: what training tricks leave in the file."""

    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b = conv_bn(3, 12, 3, 2), conv_bn(12, 12, act=None), conv_bn(12, 12, act=None)
        self.gamma = nn.Parameter(torch.rand(1, 12, 1, 1) + 0.2)
        self.alpha = nn.Parameter(torch.tensor(0.7))
        self.head = head(12, 10)

    def forward(self, x):
        x = self.stem(x)
        x = F.relu(x + self.gamma * self.a(x))
        x = F.relu(0.5 * x + self.alpha * self.b(x))
        return self.head(x)


@network("se-resnet", "resnet", image(3, 32, 32))
def se_resnet():
    def block(channels):
        body = nn.Sequential(conv_bn(channels, channels), conv_bn(channels, channels, act=None))
        return Residual(nn.Sequential(body, SqueezeExcite(channels, channels // 4, linear=True)), nn.ReLU())

    return nn.Sequential(conv_bn(3, 16, 3, 2), block(16), nn.MaxPool2d(2), block(16), head(16, 10))


class Cbam(nn.Module):
    """Attention to channels, then to places: mean and maximum of each."""

    def __init__(self, channels):
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(channels, channels // 4, 1), nn.ReLU(), nn.Conv2d(channels // 4, channels, 1))
        self.place = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x):
        gate = torch.sigmoid(self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1)))
        x = x * gate
        summary = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], dim=1)
        return x * torch.sigmoid(self.place(summary))


@network("cbam", "attention-to-channels", image(3, 32, 32))
def cbam():
    return nn.Sequential(conv_bn(3, 16, 3, 2), Cbam(16), conv_bn(16, 24, 3, 2), Cbam(24), head(24, 10))


class Eca(nn.Module):
    """A gate per channel from a convolution over neighbouring channels' means."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x):
        y = F.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(-1, -2)
        y = torch.sigmoid(self.conv(y)).transpose(-1, -2).unsqueeze(-1)
        return x * y.expand_as(x)


@network("eca-net", "attention-to-channels", image(3, 32, 32))
def eca():
    return nn.Sequential(conv_bn(3, 16, 3, 2), Eca(), conv_bn(16, 24, 3, 2), Eca(), head(24, 10))


class ConvNext(nn.Module):
    """Depthwise 7x7, LayerNorm over channels, two linear layers with channels last, a scale per channel."""

    def __init__(self, channels):
        super().__init__()
        self.deep = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.up, self.down = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.rand(channels) * 0.5 + 0.2)

    def forward(self, x):
        y = self.norm(self.deep(x).permute(0, 2, 3, 1))
        y = self.gamma * self.down(F.gelu(self.up(y)))
        return x + y.permute(0, 3, 1, 2)


@network("convnext", "convnext", image(3, 32, 32))
class ConvNextNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, 4)
        self.blocks = nn.Sequential(ConvNext(16), ConvNext(16))
        self.norm, self.fc = nn.LayerNorm(16), nn.Linear(16, 10)

    def forward(self, x):
        return self.fc(self.norm(self.blocks(self.stem(x)).mean([-2, -1])))


@network("convnext-channels-first", "convnext", image(3, 32, 32))
class FirstNorm(nn.Module):
    """LayerNorm over channels, written out with channels first."""

    def __init__(self):
        super().__init__()
        self.stem, self.deep = nn.Conv2d(3, 16, 4, 4), nn.Conv2d(16, 16, 5, padding=2, groups=16)
        self.weight, self.bias = nn.Parameter(torch.rand(16) + 0.5), nn.Parameter(torch.randn(16) * 0.1)
        self.up, self.down, self.head = nn.Conv2d(16, 32, 1), nn.Conv2d(32, 16, 1), head(16, 10)

    def norm(self, x):
        mean = x.mean(1, keepdim=True)
        var = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(var + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]

    def forward(self, x):
        x = self.stem(x)
        return self.head(x + self.down(F.gelu(self.up(self.norm(self.deep(x))), approximate="tanh")))


@network("convmixer", "convnext", image(3, 32, 32))
def convmixer():
    def block(channels):
        deep = nn.Sequential(nn.Conv2d(channels, channels, 5, groups=channels, padding="same"), nn.GELU(), nn.BatchNorm2d(channels))
        return nn.Sequential(Residual(deep), nn.Conv2d(channels, channels, 1), nn.GELU(), nn.BatchNorm2d(channels))

    return nn.Sequential(nn.Conv2d(3, 24, 4, 4), nn.GELU(), nn.BatchNorm2d(24), block(24), block(24), head(24, 10))


class RepVgg(nn.Module):
    """As it is trained: 3x3, 1x1 and identity, each normalized, summed."""

    def __init__(self, channels):
        super().__init__()
        self.a, self.b = conv_bn(channels, channels, act=None), conv_bn(channels, channels, 1, act=None)
        self.c = nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(self.a(x) + self.b(x) + self.c(x))


@network("repvgg", "repvgg", image(3, 32, 32))
def repvgg():
    return nn.Sequential(conv_bn(3, 16, 3, 2), RepVgg(16), nn.MaxPool2d(2), RepVgg(16), head(16, 10))


@network("mish-csp", "csp", image(3, 32, 32))
class Csp(nn.Module):
    """Half of the channels goes around two residual blocks; Mish."""

    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 16, 3, 2, act=nn.Mish)
        self.left, self.right = conv_bn(16, 8, 1, act=nn.Mish), conv_bn(16, 8, 1, act=nn.Mish)
        self.inner = nn.Sequential(*[Residual(conv_bn(8, 8, act=nn.Mish)) for _ in range(2)])
        self.join, self.head = conv_bn(16, 16, 1, act=nn.Mish), head(16, 10)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.join(torch.cat([self.left(x), self.inner(self.right(x))], dim=1)))


@network("global-context", "attention-to-channels", image(3, 24, 24))
class GlobalContext(nn.Module):
    """Weights of places by softmax, a sum over them by a product of matrices, added to each place."""

    def __init__(self):
        super().__init__()
        self.stem, self.mask = conv_bn(3, 16, 3, 2), nn.Conv2d(16, 1, 1)
        self.transform = nn.Sequential(nn.Conv2d(16, 8, 1), nn.LayerNorm([8, 1, 1]), nn.ReLU(), nn.Conv2d(8, 16, 1))
        self.head = nn.Sequential(conv_bn(16, 24, 3, 2), head(24, 10))

    def forward(self, x):
        x = self.stem(x)
        b, c, h, w = x.size()
        weights = F.softmax(self.mask(x).view(b, 1, h * w), dim=2)
        context = torch.matmul(x.view(b, c, h * w), weights.transpose(1, 2)).view(b, c, 1, 1)
        return self.head(x + self.transform(context))


@network("normalized-inside", "resnet", image(3, 32, 32), dynamic=True)
class NormalizedInside(nn.Module):
    """Pixels of 0 to 1; mean and deviation per channel are in the network."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.body = nn.Sequential(conv_bn(3, 12, 3, 2), basic(12, 12), head(12, 10))

    def forward(self, x):
        return self.body((x - self.mean) / self.std)


@network("max-feature-map", "maxout", image(3, 24, 24))
def maxout():
    """The larger of two halves of the channels as the activation."""

    def mfm(a, b):
        larger = Lambda(lambda x: torch.max(*x.chunk(2, dim=1)))
        return nn.Sequential(nn.Conv2d(a, 2 * b, 3, padding=1), larger)

    return nn.Sequential(mfm(3, 12), nn.MaxPool2d(2), mfm(12, 16), nn.MaxPool2d(2), mfm(16, 16), head(16, 10))
