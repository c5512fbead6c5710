"""Convolutional networks with plain layers: LeNet, VGG, AlexNet, Inception, DenseNet and relatives."""

import torch
import torch.nn.functional as F
from registry import image, network
from torch import nn

from .blocks import Branches, Lambda, conv_bn, head


@network("lenet-tanh", "lenet", image(1, 32, 32))
def lenet_tanh():
    body = [nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)]
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(400, 40), nn.Tanh(), nn.Linear(40, 10), nn.LogSoftmax(dim=1))


@network("lenet-view", "lenet", image(1, 28, 28), dynamic=True)
class LeNetView(nn.Module):
    """Functions instead of modules; x.view(-1, ...) with the size written down."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.drop = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 12, 5), nn.Dropout2d()
        self.fc1, self.fc2 = nn.Linear(192, 32), nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.drop(self.conv2(x)), 2))
        x = F.dropout(F.relu(self.fc1(x.view(-1, 192))), training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


@network("lenet-argmax", "lenet", image(1, 28, 28))
class LeNetArgmax(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 6, 5, 2), nn.ReLU(), nn.Conv2d(6, 12, 5, 2), nn.ReLU(), nn.Flatten())
        self.fc = nn.Linear(192, 10)

    def forward(self, x):
        return self.fc(self.body(x)).argmax(dim=1)


@network("vgg", "vgg", image(3, 32, 32))
def vgg():
    body = [conv_bn(3, 8), conv_bn(8, 8), nn.MaxPool2d(2, 2), conv_bn(8, 16), conv_bn(16, 16), nn.MaxPool2d(2, 2)]
    last = [nn.Flatten(), nn.Linear(256, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 10)]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d((4, 4)), *last)


@network("vgg-leaky", "vgg", image(3, 32, 32))
def vgg_leaky():
    def leaky():
        return nn.LeakyReLU(0.1)

    body = [conv_bn(3, 12, 3, 2, act=leaky), conv_bn(12, 16, act=leaky), nn.MaxPool2d(2), conv_bn(16, 24, act=leaky)]
    return nn.Sequential(*body, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(24, 10))


@network("vgg-prelu", "vgg", image(3, 32, 32))
def vgg_prelu():
    body = [nn.Conv2d(3, 12, 3, 2, 1), nn.PReLU(12), nn.Conv2d(12, 16, 3, 2, 1), nn.PReLU(16), nn.Conv2d(16, 24, 3), nn.PReLU()]
    return nn.Sequential(*body, head(24, 10))


@network("alexnet-lrn", "alexnet", image(3, 48, 48))
def alexnet():
    body = [nn.Conv2d(3, 12, 7, 2, 2), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)]
    body += [nn.Conv2d(12, 24, 5, padding=2, groups=2), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2, ceil_mode=True)]
    last = [nn.Flatten(), nn.Dropout(), nn.Linear(600, 24), nn.ReLU(), nn.Linear(24, 10)]
    return nn.Sequential(*body, *last)


def inception(a, sizes):
    one, (three_in, three), (five_in, five), pool = sizes
    return Branches(
        conv_bn(a, one, 1),
        nn.Sequential(conv_bn(a, three_in, 1), conv_bn(three_in, three)),
        nn.Sequential(conv_bn(a, five_in, 1), conv_bn(five_in, five, 5)),
        nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_bn(a, pool, 1)),
    )


@network("inception-v1", "inception", image(3, 32, 32))
def inception_v1():
    body = [inception(12, (4, (4, 8), (2, 4), 4)), nn.MaxPool2d(3, 2, ceil_mode=True), inception(20, (6, (4, 8), (2, 4), 6))]
    return nn.Sequential(conv_bn(3, 12, 3, 2), *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(24, 10))


@network("inception-v3", "inception", image(3, 32, 32))
def inception_v3():
    """1x7 and 7x1, an average pool that counts its padding, and a reduction by three branches."""
    mixed = Branches(
        conv_bn(12, 6, 1),
        nn.Sequential(conv_bn(12, 6, (1, 7), padding=(0, 3)), conv_bn(6, 6, (7, 1), padding=(3, 0))),
        nn.Sequential(nn.AvgPool2d(3, 1, 1), conv_bn(12, 6, 1)),
    )
    smaller = Branches(
        conv_bn(18, 8, 3, 2, padding=0),
        nn.Sequential(conv_bn(18, 6, 1), conv_bn(6, 6), conv_bn(6, 8, 3, 2, padding=0)),
        nn.MaxPool2d(3, 2),
    )
    return nn.Sequential(conv_bn(3, 12, 3, 2, padding=0), mixed, smaller, head(34, 10))


class DenseLayer(nn.Module):
    def __init__(self, a, growth):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(a), nn.ReLU(), nn.Conv2d(a, 2 * growth, 1, bias=False),
            nn.BatchNorm2d(2 * growth), nn.ReLU(), nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x):
        return torch.cat([x, self.body(x)], 1)


def dense_block(a, growth, count):
    return nn.Sequential(*[DenseLayer(a + i * growth, growth) for i in range(count)])


def transition(a, b):
    return nn.Sequential(nn.BatchNorm2d(a), nn.ReLU(), nn.Conv2d(a, b, 1, bias=False), nn.AvgPool2d(2, 2))


@network("densenet", "densenet", image(3, 32, 32))
def densenet():
    body = [dense_block(8, 6, 3), transition(26, 12), dense_block(12, 6, 3), nn.BatchNorm2d(30), nn.ReLU()]
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), *body, head(30, 10))


@network("densenet-all-at-once", "densenet", image(3, 24, 24), dynamic=True)
class AllAtOnce(nn.Module):
    """Each layer joins all before it, as torchvision writes it."""

    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 8, 3, 2)
        self.layers = nn.ModuleList([conv_bn(8 + 6 * i, 6) for i in range(3)])
        self.fc = nn.Linear(26, 10)

    def forward(self, x):
        made = [self.stem(x)]
        for layer in self.layers:
            made.append(layer(torch.cat(made, 1)))
        x = F.adaptive_avg_pool2d(F.relu(torch.cat(made, 1)), (1, 1))
        return self.fc(torch.flatten(x, 1))


@network("network-in-network", "all-convolutional", image(3, 32, 32))
def network_in_network():
    body = [nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 12, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    body += [nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 10, 1), nn.ReLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), Lambda(lambda x: x.squeeze(-1).squeeze(-1)))


@network("dilated-context", "all-convolutional", image(1, 32, 32))
def dilated():
    body = [conv_bn(1, 8), conv_bn(8, 8, dilation=2), conv_bn(8, 8, dilation=4), conv_bn(8, 16, 3, 2)]
    return nn.Sequential(*body, head(16, 10))


@network("coord-conv", "all-convolutional", image(1, 24, 24))
class CoordConv(nn.Module):
    """Two channels of constant coordinates joined to the image."""

    def __init__(self):
        super().__init__()
        y, x = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 24), indexing="ij")
        self.register_buffer("places", torch.stack([x, y])[None])
        self.body = nn.Sequential(conv_bn(3, 12, 3, 2), conv_bn(12, 16, 3, 2), nn.Flatten(), nn.Linear(576, 2))

    def forward(self, x):
        return self.body(torch.cat([x, self.places.expand(x.shape[0], -1, -1, -1)], 1))


@network("space-to-depth-stem", "all-convolutional", image(3, 32, 32))
def space_to_depth():
    body = [nn.PixelUnshuffle(2), conv_bn(12, 16), nn.MaxPool2d(2), conv_bn(16, 16)]
    return nn.Sequential(*body, head(16, 10))


@network("spatial-pyramid", "all-convolutional", image(3, 32, 32))
class Pyramid(nn.Module):
    """Pools to 1x1, 2x2 and 4x4 places, flattened and joined."""

    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Sequential(conv_bn(3, 8, 3, 2), conv_bn(8, 8, 3, 2)), nn.Linear(168, 10)

    def forward(self, x):
        x = self.body(x)
        return self.fc(torch.cat([F.adaptive_avg_pool2d(x, n).flatten(1) for n in (1, 2, 4)], dim=1))


@network("reflection-padded", "all-convolutional", image(1, 24, 24))
def reflection():
    conv = nn.Conv2d(1, 8, 5, padding=2, padding_mode="reflect")
    again = nn.Conv2d(8, 12, 3, 2, padding=1, padding_mode="replicate")
    return nn.Sequential(conv, nn.ReLU(), again, nn.ReLU(), head(12, 5))


@network("crop-inside", "all-convolutional", image(3, 32, 32))
class Crop(nn.Module):
    """The middle of the image, and every second pixel of it."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(3, 12), conv_bn(12, 16, 3, 2), head(16, 10))

    def forward(self, x):
        return self.body(x[:, :, 4:28, 4:28][..., ::2, ::2])


@network("mirrored", "all-convolutional", image(1, 24, 24))
class Flip(nn.Module):
    """The mean of the logits of an image and of its mirror image."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(1, 8, 3, 2), conv_bn(8, 12, 3, 2), nn.Flatten(), nn.Linear(432, 5))

    def forward(self, x):
        return (self.body(x) + self.body(torch.flip(x, dims=[3]))) / 2
