"""Detectors: heads with several outputs, decoded inside or not."""

import torch
import torch.nn.functional as F
from registry import image, network
from torch import nn

from .blocks import Branches, Residual, conv_bn, separable


def backbone(channels=12):
    return conv_bn(3, 8, 3, 2), separable(8, channels, 2), separable(channels, 2 * channels, 2)


@network("ssd-maps", "detection", image(3, 48, 48), outputs=["boxes1", "scores1", "boxes2", "scores2"])
class SsdMaps(nn.Module):
    """Boxes and scores of two depths as they come."""

    def __init__(self):
        super().__init__()
        self.stem, self.one, self.two = backbone()
        self.boxes = nn.ModuleList([nn.Conv2d(12, 8, 3, padding=1), nn.Conv2d(24, 8, 3, padding=1)])
        self.scores = nn.ModuleList([nn.Conv2d(12, 6, 3, padding=1), nn.Conv2d(24, 6, 3, padding=1)])

    def forward(self, x):
        one = self.one(self.stem(x))
        two = self.two(one)
        return self.boxes[0](one), self.scores[0](one), self.boxes[1](two), self.scores[1](two)


@network("ssd-lists", "detection", image(3, 48, 48), outputs=["boxes", "scores"], dynamic=True)
class SsdLists(SsdMaps):
    """One list of boxes, one of scores: channels last, reshaped and joined."""

    def forward(self, x):
        one = self.one(self.stem(x))
        two = self.two(one)
        boxes = [h(y).permute(0, 2, 3, 1).reshape(x.size(0), -1, 4) for h, y in zip(self.boxes, (one, two))]
        scores = [h(y).permute(0, 2, 3, 1).reshape(x.size(0), -1, 3) for h, y in zip(self.scores, (one, two))]
        return torch.cat(boxes, 1), F.softmax(torch.cat(scores, 1), dim=-1)


@network("ssd-decoded", "detection", image(3, 48, 48), outputs=["boxes", "scores"])
class SsdDecoded(SsdLists):
    """Boxes as corners, with anchors as constants."""

    def __init__(self):
        super().__init__()
        self.register_buffer("anchors", torch.rand(360, 4) * 0.5 + 0.25)

    def forward(self, x):
        boxes, scores = super().forward(x)
        middle = self.anchors[:, :2] + boxes[..., :2] * 0.1 * self.anchors[:, 2:]
        size = self.anchors[:, 2:] * torch.exp(boxes[..., 2:] * 0.2)
        return torch.cat([middle - size / 2, middle + size / 2], dim=-1), scores


@network("yolo-tiny", "detection", image(3, 64, 64))
def yolo_tiny():
    def leaky():
        return nn.LeakyReLU(0.1)

    body = [conv_bn(3, 8, act=leaky), nn.MaxPool2d(2), conv_bn(8, 12, act=leaky), nn.MaxPool2d(2)]
    body += [conv_bn(12, 16, act=leaky), nn.MaxPool2d(2), conv_bn(16, 24, act=leaky)]
    last = [nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, 1), conv_bn(24, 24, 1, act=leaky)]
    return nn.Sequential(*body, *last, nn.Conv2d(24, 14, 1))


@network("yolo-v5-decoded", "detection", image(3, 64, 64))
class YoloV5(nn.Module):
    """Anchors by grid: sigmoid, products with constants, joined along the last axis."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(3, 8, 3, 2, act=nn.SiLU), conv_bn(8, 12, 3, 2, act=nn.SiLU), conv_bn(12, 16, 3, 2, act=nn.SiLU))
        self.head = nn.Conv2d(16, 14, 1)
        y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        self.register_buffer("grid", torch.stack((x, y), 2).expand(1, 2, 8, 8, 2).contiguous())
        self.register_buffer("anchors", torch.tensor([[10.0, 13.0], [33.0, 23.0]]).view(1, 2, 1, 1, 2))

    def forward(self, x):
        x = self.head(self.body(x))
        b, _, h, w = x.shape
        y = x.view(b, 2, 7, h, w).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
        xy = (y[..., 0:2] * 2 - 0.5 + self.grid) * 8
        wh = (y[..., 2:4] * 2) ** 2 * self.anchors
        return torch.cat((xy, wh, y[..., 4:]), -1).view(b, -1, 7)


class C2f(nn.Module):
    """Split, a residual block of one half, all joined."""

    def __init__(self, channels):
        super().__init__()
        self.first, self.last = conv_bn(channels, channels, 1, act=nn.SiLU), conv_bn(channels * 3 // 2, channels, 1, act=nn.SiLU)
        self.inner = Residual(conv_bn(channels // 2, channels // 2, act=nn.SiLU))

    def forward(self, x):
        y = list(self.first(x).split((self.last[0].in_channels // 3,) * 2, 1))
        y.append(self.inner(y[-1]))
        return self.last(torch.cat(y, 1))


class Sppf(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first, self.last = conv_bn(channels, channels // 2, 1, act=nn.SiLU), conv_bn(2 * channels, channels, 1, act=nn.SiLU)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        y = [self.first(x)]
        y.extend(self.pool(y[-1]) for _ in range(3))
        return self.last(torch.cat(y, 1))


@network("yolo-v8", "detection", image(3, 64, 64), outputs=["large", "small"])
class YoloV8(nn.Module):
    """C2f, SPPF and a neck with upsampling; two maps."""

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(conv_bn(3, 8, 3, 2, act=nn.SiLU), conv_bn(8, 12, 3, 2, act=nn.SiLU), C2f(12))
        self.two = nn.Sequential(conv_bn(12, 16, 3, 2, act=nn.SiLU), Sppf(16))
        self.neck = conv_bn(28, 12, 1, act=nn.SiLU)
        self.large, self.small = nn.Conv2d(12, 9, 1), nn.Conv2d(16, 9, 1)

    def forward(self, x):
        one = self.one(x)
        two = self.two(one)
        up = F.interpolate(two, scale_factor=2, mode="nearest")
        return self.large(self.neck(torch.cat([up, one], 1))), self.small(two)


@network("yolo-v8-distances", "detection", image(3, 32, 32))
class Dfl(nn.Module):
    """Distances as the mean under a softmax over bins, then boxes from a grid of places."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(3, 8, 3, 2, act=nn.SiLU), conv_bn(8, 12, 3, 2, act=nn.SiLU))
        self.boxes, self.scores = nn.Conv2d(12, 32, 1), nn.Conv2d(12, 3, 1)
        self.register_buffer("bins", torch.arange(8.0).view(1, 8, 1, 1))
        y, x = torch.meshgrid(torch.arange(8.0) + 0.5, torch.arange(8.0) + 0.5, indexing="ij")
        self.register_buffer("places", torch.stack((x, y)).view(1, 2, 64))

    def forward(self, x):
        x = self.body(x)
        b = x.shape[0]
        boxes = self.boxes(x).view(b, 4, 8, 64).transpose(2, 1).softmax(1)
        boxes = F.conv2d(boxes, self.bins).view(b, 4, 64)
        a, z = boxes.chunk(2, 1)
        low, high = self.places - a, self.places + z
        return torch.cat(((low + high) / 2, high - low, self.scores(x).view(b, 3, 64).sigmoid()), 1)


@network("nanodet-fpn", "detection", image(3, 48, 48), outputs=["near", "far"])
class Fpn(nn.Module):
    """Top-down sums of feature maps, and one head for both."""

    def __init__(self):
        super().__init__()
        self.stem, self.one, self.two = backbone()
        self.lateral1, self.lateral2 = nn.Conv2d(12, 12, 1), nn.Conv2d(24, 12, 1)
        self.head = nn.Sequential(separable(12, 12), nn.Conv2d(12, 7, 1))

    def forward(self, x):
        one = self.one(self.stem(x))
        far = self.lateral2(self.two(one))
        near = self.lateral1(one) + F.interpolate(far, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(near), self.head(far)


@network("fomo", "detection", image(3, 48, 48))
def fomo():
    body = [conv_bn(3, 8, 3, 2, act=nn.ReLU6), separable(8, 16, 2, act=nn.ReLU6), separable(16, 24, 2, act=nn.ReLU6)]
    return nn.Sequential(*body, nn.Conv2d(24, 16, 1), nn.ReLU(), nn.Conv2d(16, 3, 1), nn.Softmax(dim=1))


class Cascade(nn.Module):
    """Layers, then a linear or 1x1 layer for each output."""

    def __init__(self, body, heads):
        super().__init__()
        self.body, self.heads = body, nn.ModuleList(heads)

    def forward(self, x):
        x = self.body(x)
        return F.softmax(self.heads[0](x), dim=1), *[h(x) for h in self.heads[1:]]


@network("face-p-net", "face-cascade", image(3, 12, 12), outputs=["score", "box"])
def p_net():
    body = [nn.Conv2d(3, 10, 3), nn.PReLU(10), nn.MaxPool2d(2, 2, ceil_mode=True), nn.Conv2d(10, 16, 3), nn.PReLU(16)]
    return Cascade(nn.Sequential(*body, nn.Conv2d(16, 32, 3), nn.PReLU(32)), [nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)])


class SwapFlatten(nn.Module):
    """Flattened in another order of axes, as weights from Caffe ask for."""

    def forward(self, x):
        return x.permute(0, 3, 2, 1).contiguous().view(x.shape[0], -1)


@network("face-r-net", "face-cascade", image(3, 24, 24), outputs=["score", "box"], dynamic=True)
def r_net():
    body = [nn.Conv2d(3, 12, 3), nn.PReLU(12), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(12, 16, 3), nn.PReLU(16)]
    body += [nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(16, 24, 2), nn.PReLU(24), SwapFlatten(), nn.Linear(216, 32), nn.PReLU(32)]
    return Cascade(nn.Sequential(*body), [nn.Linear(32, 2), nn.Linear(32, 4)])


@network("face-o-net", "face-cascade", image(3, 48, 48), outputs=["score", "box", "points"])
def o_net():
    body = [nn.Conv2d(3, 8, 3), nn.PReLU(8), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(8, 16, 3), nn.PReLU(16)]
    body += [nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(16, 16, 3), nn.PReLU(16), nn.MaxPool2d(2, 2, ceil_mode=True)]
    body += [nn.Conv2d(16, 24, 2), nn.PReLU(24), SwapFlatten(), nn.Linear(216, 32), nn.Dropout(0.25), nn.PReLU(32)]
    return Cascade(nn.Sequential(*body), [nn.Linear(32, 2), nn.Linear(32, 4), nn.Linear(32, 10)])


class BlazeBlock(nn.Module):
    """Where channels grow, the short way is padded with channels of 0."""

    def __init__(self, a, b, stride):
        super().__init__()
        self.stride, self.more = stride, b - a
        self.body = nn.Sequential(nn.Conv2d(a, a, 5, stride, 0 if stride == 2 else 2, groups=a), nn.Conv2d(a, b, 1))

    def forward(self, x):
        y, short = x, x
        if self.stride == 2:
            y, short = F.pad(x, (1, 2, 1, 2)), F.max_pool2d(x, 2, 2)
        if self.more > 0:
            short = F.pad(short, (0, 0, 0, 0, 0, self.more))
        return F.relu(self.body(y) + short)


@network("blazeface", "face-detection", image(3, 64, 64), outputs=["boxes", "scores"])
class BlazeFace(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 5, 2)
        self.one = nn.Sequential(BlazeBlock(12, 12, 1), BlazeBlock(12, 16, 2), BlazeBlock(16, 16, 1))
        self.two = BlazeBlock(16, 24, 2)
        self.boxes = nn.ModuleList([nn.Conv2d(16, 12, 1), nn.Conv2d(24, 12, 1)])
        self.scores = nn.ModuleList([nn.Conv2d(16, 2, 1), nn.Conv2d(24, 2, 1)])

    def forward(self, x):
        one = self.one(F.relu(self.stem(F.pad(x, (1, 2, 1, 2)))))
        maps, b = (one, self.two(one)), x.shape[0]
        boxes = [h(m).permute(0, 2, 3, 1).reshape(b, -1, 6) for h, m in zip(self.boxes, maps)]
        scores = [h(m).permute(0, 2, 3, 1).reshape(b, -1, 1) for h, m in zip(self.scores, maps)]
        return torch.cat(boxes, dim=1), torch.cat(scores, dim=1)


@network("centernet", "detection", image(3, 32, 32), outputs=["heat", "peaks", "size", "offset"])
class CenterNet(nn.Module):
    """A heat map, the same where it is the largest of its neighbours, sizes and offsets."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(3, 8, 3, 2), conv_bn(8, 16, 3, 2), nn.ConvTranspose2d(16, 12, 4, 2, 1), nn.ReLU())
        self.heads = nn.ModuleList([nn.Conv2d(12, 2, 1), nn.Conv2d(12, 2, 1), nn.Conv2d(12, 2, 1)])

    def forward(self, x):
        x = self.body(x)
        heat = torch.sigmoid(self.heads[0](x))
        peaks = heat * (F.max_pool2d(heat, 3, stride=1, padding=1) == heat).float()
        return heat, peaks, F.softplus(self.heads[1](x)), self.heads[2](x)


@network("two-heads-shared", "detection", image(1, 32, 32), outputs=["class", "angle"])
class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(1, 8, 3, 2), conv_bn(8, 12, 3, 2), nn.Flatten(), nn.Linear(768, 16), nn.ReLU())
        self.a, self.b = nn.Linear(16, 5), nn.Linear(16, 2)

    def forward(self, x):
        x = self.body(x)
        return self.a(x), F.normalize(self.b(x), dim=1)


@network("rfb-head", "detection", image(3, 32, 32))
def pyramid_branches():
    branch = Branches(conv_bn(12, 6, 1), conv_bn(12, 6), nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_bn(12, 6, 1)))
    return nn.Sequential(conv_bn(3, 12, 3, 2), branch, nn.Conv2d(18, 10, 3, 2, 1), nn.Sigmoid(), nn.Flatten(2))
