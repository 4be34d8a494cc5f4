"""A training step in PyTorch, eager, channels_last: the peer of bench/train.mjs. Prints one JSON line.

Arguments: workload name, batch, size, steps, threads. SGD with Nesterov momentum and weight decay, cross entropy with
label smoothing 0.1, no augmentation; the pictures are resident and normalised beforehand.
"""

import json
import sys
import time

import torch
from torch import nn
from torchvision.models import mobilenet_v3_large, resnet18


def vgg():
    layers, inputs = [], 1
    for outputs, stride in [(32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 2), (256, 2)]:
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 7))


def small_stem():
    model = resnet18(num_classes=7)
    model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = nn.Identity()
    return model


MODELS = {
    "vgg": (vgg, 1),
    "resnet18-imagenet-stem": (lambda: resnet18(num_classes=7), 3),
    "resnet18-small-stem": (small_stem, 3),
    "mobilenetv3-imagenet-stem": (lambda: mobilenet_v3_large(num_classes=7), 3),
}

name, batch, size, steps, threads = sys.argv[1], *map(int, sys.argv[2:6])
torch.set_num_threads(threads)
torch.manual_seed(0)
make, channels = MODELS[name]
model = make().to(memory_format=torch.channels_last).train()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
images = torch.randn(batch * 4, channels, size, size).to(memory_format=torch.channels_last)
labels = torch.randint(0, 7, (batch * 4,))


def step(index):
    rows = torch.arange(index % 4 * batch, (index % 4 + 1) * batch)
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(model(images[rows].contiguous(memory_format=torch.channels_last)), labels[rows])
    loss.backward()
    optimizer.step()
    return loss.item()


for index in range(3):
    step(index)
started = time.perf_counter()
for index in range(steps):
    step(index)
elapsed = time.perf_counter() - started
print(json.dumps({"imagesPerSecond": steps * batch / elapsed, "version": f"PyTorch {torch.__version__}"}))
