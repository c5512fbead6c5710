"""Networks that make images: U-Nets with each kind of upsampling, segmentation, super-resolution, style."""

import torch
import torch.nn.functional as F
from registry import image, network
from torch import nn

from .blocks import Branches, Lambda, Residual, conv_bn


class UNet(nn.Module):
    """Two steps down and up; `up(a, b)` doubles height and width."""

    def __init__(self, up, classes=2, channels=8):
        super().__init__()
        a, b, c = channels, 2 * channels, 3 * channels
        self.one, self.two, self.three = conv_bn(1, a), conv_bn(a, b), conv_bn(b, c)
        self.up2, self.up1 = up(c, b), up(b, a)
        self.join2, self.join1 = conv_bn(2 * b, b), conv_bn(2 * a, a)
        self.last = nn.Conv2d(a, classes, 1)

    def forward(self, x):
        one = self.one(x)
        two = self.two(F.max_pool2d(one, 2))
        three = self.three(F.max_pool2d(two, 2))
        two = self.join2(torch.cat([self.up2(three), two], dim=1))
        one = self.join1(torch.cat([one, self.up1(two)], dim=1))
        return self.last(one)


@network("unet-nearest", "unet", image(1, 32, 32))
def unet_nearest():
    return UNet(lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(a, b, 3, 1, 1)))


@network("unet-bilinear", "unet", image(1, 32, 32))
def unet_bilinear():
    return UNet(lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(a, b, 1)))


@network("unet-bilinear-corners", "unet", image(1, 32, 32))
def unet_bilinear_corners():
    up = {"scale_factor": 2, "mode": "bilinear", "align_corners": True}
    return UNet(lambda a, b: nn.Sequential(nn.Upsample(**up), nn.Conv2d(a, b, 1)))


@network("unet-transposed", "unet", image(1, 32, 32))
def unet_transposed():
    return UNet(lambda a, b: nn.ConvTranspose2d(a, b, 2, 2))


@network("unet-transposed-overlapping", "unet", image(1, 32, 32), dynamic=True)
def unet_overlapping():
    return UNet(lambda a, b: nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1))


@network("unet-pixel-shuffle", "unet", image(1, 32, 32))
def unet_pixel_shuffle():
    return UNet(lambda a, b: nn.Sequential(nn.Conv2d(a, 4 * b, 1), nn.PixelShuffle(2)))


@network("unet-sigmoid-mask", "unet", image(1, 24, 24))
def unet_sigmoid():
    return nn.Sequential(UNet(lambda a, b: nn.ConvTranspose2d(a, b, 4, 2, 1), 1, 6), nn.Sigmoid())


@network("fcn-sums", "segmentation", image(3, 32, 32))
class Fcn(nn.Module):
    """Scores of two depths, summed after interpolation to the size of the other tensor."""

    def __init__(self):
        super().__init__()
        self.one, self.two = conv_bn(3, 8, 3, 2), conv_bn(8, 16, 3, 2)
        self.score1, self.score2 = nn.Conv2d(8, 4, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x):
        one = self.one(x)
        two = F.interpolate(self.score2(self.two(one)), size=one.shape[2:], mode="bilinear", align_corners=False)
        return F.interpolate(self.score1(one) + two, size=x.shape[2:], mode="nearest")


@network("deeplab-aspp", "segmentation", image(3, 32, 32))
class DeepLab(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(3, 8, 3, 2), conv_bn(8, 16, 3, 2))
        self.rates = Branches(conv_bn(16, 6, 1), conv_bn(16, 6, dilation=2), conv_bn(16, 6, dilation=3))
        self.whole, self.last = nn.Conv2d(16, 6, 1), nn.Conv2d(24, 4, 1)

    def forward(self, x):
        y = self.body(x)
        whole = F.relu(self.whole(F.adaptive_avg_pool2d(y, 1)))
        whole = F.interpolate(whole, size=(8, 8), mode="bilinear", align_corners=False)
        y = self.last(torch.cat([self.rates(y), whole], 1))
        return F.interpolate(y, scale_factor=4, mode="bilinear", align_corners=False)


@network("segmentation-argmax", "segmentation", image(3, 24, 24))
class Labels(nn.Module):
    """A class for each pixel."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(3, 8, 3, 2), conv_bn(8, 12), nn.ConvTranspose2d(12, 4, 2, 2))

    def forward(self, x):
        return torch.argmax(self.body(x), dim=1)


@network("espcn", "super-resolution", image(1, 20, 20))
def espcn():
    body = [nn.Conv2d(1, 16, 5, padding=2), nn.Tanh(), nn.Conv2d(16, 12, 3, padding=1), nn.Tanh()]
    return nn.Sequential(*body, nn.Conv2d(12, 9, 3, padding=1), nn.PixelShuffle(3))


@network("srcnn", "super-resolution", image(1, 16, 16))
def srcnn():
    body = [nn.Conv2d(1, 12, 9, padding=4), nn.ReLU(), nn.Conv2d(12, 8, 1), nn.ReLU(), nn.Conv2d(8, 1, 5, padding=2)]
    return nn.Sequential(nn.UpsamplingNearest2d(scale_factor=2), *body)


@network("fsrcnn", "super-resolution", image(1, 16, 16))
def fsrcnn():
    body = [nn.Conv2d(1, 16, 5, padding=2), nn.PReLU(16), nn.Conv2d(16, 6, 1), nn.PReLU(6)]
    body += [nn.Conv2d(6, 6, 3, padding=1), nn.PReLU(6), nn.Conv2d(6, 16, 1), nn.PReLU(16)]
    return nn.Sequential(*body, nn.ConvTranspose2d(16, 1, 9, 2, 4, output_padding=1))


@network("edsr", "super-resolution", image(3, 16, 16))
class Edsr(nn.Module):
    """Residual blocks scaled by a number, and the enlarged input added."""

    def __init__(self):
        super().__init__()
        self.head, self.tail = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 12, 3, padding=1)
        layers = [nn.Sequential(nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1)) for _ in range(2)]
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        y = self.head(x)
        for layer in self.layers:
            y = y + 0.2 * layer(y)
        large = F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
        return (F.pixel_shuffle(self.tail(y), 2) + large).clamp(0, 1)


@network("dncnn", "denoising", image(1, 24, 24))
class DnCnn(nn.Module):
    """The noise is made, and subtracted."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), conv_bn(12, 12), nn.Conv2d(12, 1, 3, padding=1))

    def forward(self, x):
        return x - self.body(x)


@network("zero-dce", "denoising", image(3, 16, 16))
class ZeroDce(nn.Module):
    """Curves per pixel, applied in turns: products and powers of images."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)

    def forward(self, x):
        a, b = torch.split(torch.tanh(self.two(F.relu(self.one(x)))), 3, dim=1)
        x = x + a * (torch.pow(x, 2) - x)
        return x + b * (torch.pow(x, 2) - x)


@network("style-transfer", "style", image(3, 24, 24))
def style():
    def layer(a, b, kernel, stride=1):
        pad = nn.ReflectionPad2d(kernel // 2)
        return nn.Sequential(pad, nn.Conv2d(a, b, kernel, stride), nn.InstanceNorm2d(b, affine=True), nn.ReLU())

    def residual(channels):
        last = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels, affine=True))
        return Residual(nn.Sequential(layer(channels, channels, 3), last))

    up = Lambda(lambda x: F.interpolate(x, mode="nearest", scale_factor=2))
    body = [layer(3, 8, 5), layer(8, 12, 3, 2), residual(12), up, layer(12, 8, 3)]
    return nn.Sequential(*body, nn.ReflectionPad2d(2), nn.Conv2d(8, 3, 5))


@network("image-autoencoder", "autoencoder", image(1, 28, 28))
def image_autoencoder():
    down = [nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 16, 7)]
    up = [nn.ConvTranspose2d(16, 12, 7), nn.ReLU(), nn.ConvTranspose2d(12, 8, 3, 2, 1, 1), nn.ReLU()]
    return nn.Sequential(*down, *up, nn.ConvTranspose2d(8, 1, 3, 2, 1, 1), nn.Sigmoid())


@network("pose-heatmaps", "keypoints", image(3, 48, 48))
def pose():
    body = [conv_bn(3, 8, 3, 2), conv_bn(8, 12, 3, 2), conv_bn(12, 16, 3, 2)]
    up = [nn.ConvTranspose2d(16, 12, 4, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU()]
    return nn.Sequential(*body, *up, nn.Conv2d(12, 5, 1))


@network("soft-argmax-keypoints", "keypoints", image(1, 32, 32))
class SoftArgmax(nn.Module):
    """Expected coordinates under a softmax over all places."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(1, 8, 3, 2), conv_bn(8, 12, 3, 2), nn.Conv2d(12, 4, 1))
        line = torch.linspace(0, 1, 8)
        self.register_buffer("xs", line.repeat(8))
        self.register_buffer("ys", line.repeat_interleave(8))

    def forward(self, x):
        p = F.softmax(self.body(x).flatten(2), dim=-1)
        return torch.stack([(p * self.xs).sum(-1), (p * self.ys).sum(-1)], dim=-1)


@network("coordinates-regression", "keypoints", image(1, 32, 32))
def coordinates():
    body = [conv_bn(1, 8, 3, 2), conv_bn(8, 12, 3, 2), conv_bn(12, 16, 3, 2), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(256, 8), nn.Sigmoid(), nn.Unflatten(1, (4, 2)))


@network("depth-two-sizes", "segmentation", image(3, 32, 32), outputs=["near", "far"])
class Depth(nn.Module):
    """Disparity of two sizes, by 1 / (0.1 + ELU and sigmoid)."""

    def __init__(self):
        super().__init__()
        self.one, self.two = conv_bn(3, 8, 3, 2, act=nn.ELU), conv_bn(8, 12, 3, 2, act=nn.ELU)
        self.up, self.far, self.near = nn.Conv2d(12, 8, 3, padding=1), nn.Conv2d(12, 1, 3, padding=1), nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, x):
        one = self.one(x)
        two = self.two(one)
        up = F.elu(F.interpolate(self.up(two), scale_factor=2, mode="nearest"))
        near = torch.sigmoid(self.near(torch.cat([up, one], 1)))
        return 1 / (0.1 + 9.9 * near), 1 / (0.1 + 9.9 * torch.sigmoid(self.far(two)))
