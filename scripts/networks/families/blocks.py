"""Layers that several families share."""

import torch
from torch import nn


def conv_bn(a, b, kernel=3, stride=1, groups=1, act=nn.ReLU, padding=None, dilation=1):
    """Convolution without bias, batch normalization, activation (None: none)."""
    padding = dilation * (kernel // 2) if padding is None else padding
    layers = [
        nn.Conv2d(a, b, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(b),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


def conv_bn1(a, b, kernel=3, stride=1, groups=1, act=nn.ReLU, dilation=1):
    """The same in one dimension."""
    layers = [
        nn.Conv1d(a, b, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False),
        nn.BatchNorm1d(b),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


def separable(a, b, stride=1, kernel=3, act=nn.ReLU):
    """Depthwise, then pointwise."""
    return nn.Sequential(conv_bn(a, a, kernel, stride, a, act), conv_bn(a, b, 1, act=act))


def head(channels, classes):
    """Means of all pixels, and a linear layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class Residual(nn.Module):
    """body(x) + x, then `after`."""

    def __init__(self, body, after=None, short=None):
        super().__init__()
        self.body, self.after, self.short = body, after or nn.Identity(), short or nn.Identity()

    def forward(self, x):
        return self.after(self.body(x) + self.short(x))


class SqueezeExcite(nn.Module):
    """Channels times a gate that their means make."""

    def __init__(self, channels, inner, act=nn.ReLU, gate=nn.Sigmoid, linear=False):
        super().__init__()
        self.linear = linear
        layer = nn.Linear if linear else (lambda a, b: nn.Conv2d(a, b, 1))
        self.gate = nn.Sequential(layer(channels, inner), act(), layer(inner, channels), gate())

    def forward(self, x):
        if self.linear:
            b, c = x.shape[:2]
            return x * self.gate(x.mean(dim=(2, 3))).view(b, c, 1, 1)
        return x * self.gate(nn.functional.adaptive_avg_pool2d(x, 1))


class Lambda(nn.Module):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *x):
        return self.function(*x)


class Branches(nn.Module):
    """Several layers of one input, joined along the channels."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)
