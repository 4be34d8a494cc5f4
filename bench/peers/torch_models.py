"""The networks of the benchmarks in PyTorch, structure for structure as the engine has them (weights as PyTorch draws
them). torchvision's where it has them; the others are written from packages/engine/src/models."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models


def make_divisible(channels, divisor=8):
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def conv_norm(inputs, outputs, kernel, stride=1, groups=1, relu=True):
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return layers + [nn.ReLU(inplace=True)] if relu else layers


def vgg(channels):
    layers, inputs = [], channels
    for outputs, stride in [(32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 2), (256, 2)]:
        layers += conv_norm(inputs, outputs, 3, stride)
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 7))


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        squeezed = make_divisible(channels // 4)
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        pooled = F.adaptive_avg_pool2d(x, 1)
        return x * F.hardsigmoid(self.fc2(F.relu(self.fc1(pooled), inplace=True)))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, expanded, outputs, stride):
        super().__init__()
        layers = conv_norm(inputs, expanded, 1) if expanded != inputs else []
        layers += conv_norm(expanded, expanded, 3, stride, expanded)
        layers += [SqueezeExcite(expanded), *conv_norm(expanded, outputs, 1, relu=False)]
        self.block, self.add = nn.Sequential(*layers), stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.block(x) if self.add else self.block(x)


class Block(nn.Module):
    """A pre-norm transformer block with four heads."""

    def __init__(self, channels, width, heads=4):
        super().__init__()
        self.heads, self.width = heads, width
        # In the order of the engine's variables.
        self.norm1 = nn.LayerNorm(channels, 1e-6)
        self.qkv = nn.Linear(channels, 3 * heads * width)
        self.proj = nn.Linear(heads * width, channels)
        self.norm2 = nn.LayerNorm(channels, 1e-6)
        self.fc1, self.fc2 = nn.Linear(channels, channels), nn.Linear(channels, channels)

    def forward(self, x):
        batch, tokens, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, self.width).permute(2, 0, 3, 1, 4)
        together = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, -1)
        x = x + self.proj(together)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, channels, side, count):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.randn(1, side * side, channels) * 2)
        self.blocks = nn.Sequential(*[Block(channels, 16) for _ in range(count)])
        self.norm, self.side = nn.LayerNorm(channels, 1e-6), side

    def forward(self, x):
        batch, channels, height, width = x.shape
        tokens = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels) + self.pos_embed
        through = self.norm(self.blocks(tokens)).reshape(batch, height, width, channels)
        return through.permute(0, 3, 1, 2)


def hybrid(channels):
    side = 24
    layers = conv_norm(channels, 32, 3, 2)
    inputs = 32
    for outputs, stride, expansion, count in [(64, 1, 4, 0), (96, 2, 1, 2), (160, 2, 1, 2)]:
        layers.append(InvertedResidual(inputs, expansion * inputs, outputs, stride))
        side, inputs = side // stride, outputs
        if count:
            layers.append(Transformer(outputs, side, count))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 7))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.line = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, 2, 1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.line(x) + self.shortcut(x), inplace=True)


class Squeeze(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc1 = nn.Linear(channels, channels // 16, bias=False)
        self.fc2 = nn.Linear(channels // 16, channels, bias=False)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3))))))[:, :, None, None]


def resemotenet(channels):
    layers, inputs = [], channels
    for index, outputs in enumerate([64, 128, 256]):
        layers += [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        if index < 2:
            layers.append(nn.Dropout(0.2))
        inputs = outputs
    layers.append(Squeeze(inputs))
    for outputs in [512, 1024, 2048]:
        layers.append(BasicBlock(inputs, outputs))
        inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    for outputs in [1024, 512, 256]:
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(0.5)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Linear(inputs, 7))


class ThreeChannels(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last))


class ImageSqueeze(nn.Module):
    """Squeeze-and-excitation of an SE-ResNet: a sixteenth of the channels, 1x1 convolutions with bias."""

    def __init__(self, channels):
        super().__init__()
        squeezed = make_divisible(channels / 16)
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)), inplace=True)))


class SqueezedBlock(models.resnet.BasicBlock):
    """torchvision's block with the residual weighed before the shortcut is added."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        shortcut, self.downsample = self.downsample, None
        self.se = ImageSqueeze(self.conv2.out_channels)
        self.downsample = shortcut

    def forward(self, x):
        line = F.relu(self.bn1(self.conv1(x)), inplace=True)
        line = self.se(self.bn2(self.conv2(line)))
        return F.relu(line + (x if self.downsample is None else self.downsample(x)), inplace=True)


def resnet18(stem, block=models.resnet.BasicBlock):
    model = models.ResNet(block, [2, 2, 2, 2], num_classes=7)
    if stem == "small":
        model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        model.maxpool = nn.Identity()
    return model


def unstrided(model, stem):
    """A small stem of torchvision's other networks: the first convolution without its stride."""
    if stem == "small":
        first = model.conv1 if hasattr(model, "conv1") else model.features[0]
        first[0].stride = (1, 1)
        if hasattr(model, "maxpool"):
            model.maxpool = nn.Identity()
    return model


def convnext_tiny(stem):
    model = models.convnext_tiny(num_classes=7)
    if stem == "small":
        first = model.features[0][0]
        first.stride, first.padding = (2, 2), (1, 1)
    return model


def create(spec, channels):
    """The network of a workload's `model`, for pictures of so many channels."""
    name, stem = spec["name"], spec.get("stem")
    if name in ("vgg", "hybrid"):
        return {"vgg": vgg, "hybrid": hybrid}[name](channels)
    network = {
        "resnet18": lambda: resnet18(stem),
        "seresnet18": lambda: resnet18(stem, SqueezedBlock),
        "mobilenetv3-large": lambda: unstrided(models.mobilenet_v3_large(num_classes=7), stem),
        "efficientnet-b3": lambda: unstrided(models.efficientnet_b3(num_classes=7), stem),
        "shufflenetv2": lambda: unstrided(models.shufflenet_v2_x1_0(num_classes=7), stem),
        "convnext-tiny": lambda: convnext_tiny(stem),
        "resemotenet": lambda: resemotenet(3),
    }[name]()
    return network if channels == 3 else ThreeChannels(network)
