"""torchattacks on a network that peers/ours_attacks.mjs trained: the peer of bench/attacks.mjs. Prints one JSON line.

Arguments: workload name, folder with weights.safetensors, attacked.safetensors and run.json, threads. PGD takes the given
random starts in place of its own draw; images that are wrong untouched count as wrong under attack.
"""

import json
import sys
from pathlib import Path

import torch
import torchattacks
from safetensors.torch import load_file
from torch import nn
from torchvision.models.resnet import BasicBlock


class Vgg(nn.Module):
    def __init__(self):
        super().__init__()
        blocks, inputs = [], 1
        for outputs, stride in [(32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 2), (256, 2)]:
            convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU()))
            inputs = outputs
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(nn.Identity(), nn.Linear(inputs, 7))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class ResNet18(nn.Module):
    """torchvision's blocks at a quarter of the width, with a 3x3 stem of stride 1 and no pooling after it."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inputs = 16
        for index, (planes, stride) in enumerate([(16, 1), (32, 2), (64, 2), (128, 2)], start=1):
            shortcut = None
            if stride != 1:
                shortcut = nn.Sequential(nn.Conv2d(inputs, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))
            blocks = nn.Sequential(BasicBlock(inputs, planes, stride, shortcut), BasicBlock(planes, planes))
            setattr(self, f"layer{index}", blocks)
            inputs = planes
        self.fc = nn.Linear(inputs, 7)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x.expand(-1, 3, -1, -1))))
        return self.fc(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3)))


class Normalised(nn.Module):
    def __init__(self, network, mean, std):
        super().__init__()
        self.network, self.mean, self.std = network, mean, std

    def forward(self, x):
        return self.network((x - self.mean) / self.std)


class GivenStart:
    """Stands for torch in torchattacks' PGD, whose `empty_like(x).uniform_(-eps, eps)` becomes the given start."""

    def __init__(self, unit):
        self.unit = unit

    def __getattr__(self, name):
        return getattr(torch, name)

    def empty_like(self, _):
        return self

    def uniform_(self, low, high):
        assert low == -high
        return self.unit * high


name, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
run = json.loads((folder / "run.json").read_text())
given = load_file(folder / "attacked.safetensors")
network = {"vgg": Vgg, "resnet18": ResNet18}[name]()
missing, unexpected = network.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
assert unexpected == [], unexpected
assert all(key.endswith("num_batches_tracked") for key in missing), missing
model = Normalised(network, run["mean"], run["std"]).eval()
images = given["pixels"].unsqueeze(1).float() / 255
labels = given["labels"].long()
starts = given["starts"].unsqueeze(1)
batches = [slice(at, at + 100) for at in range(0, len(images), 100)]


def right(x):
    with torch.no_grad():
        return torch.cat([model(x[rows]).argmax(1) == labels[rows] for rows in batches])


def attacked(attack, epsilon, steps, step_size):
    if attack == "fgsm":
        return torch.cat([torchattacks.FGSM(model, eps=epsilon)(images[rows], labels[rows]) for rows in batches])
    parts = []
    for rows in batches:
        pgd = torchattacks.PGD(model, eps=epsilon, alpha=step_size, steps=steps, random_start=True)
        sys.modules[torchattacks.PGD.__module__].torch = GivenStart(starts[rows])
        parts.append(pgd(images[rows], labels[rows]))
        sys.modules[torchattacks.PGD.__module__].torch = torch
    return torch.cat(parts)


def number(value):
    """As JavaScript writes it in the names of the runs."""
    return repr(value)


clean = right(images)
results = []
for result in run["attacks"]:
    attack, epsilon, steps, step_size = (result[key] for key in ("attack", "epsilon", "steps", "stepSize"))
    survived = clean & right(attacked(attack, epsilon, steps, step_size))
    key = f"fgsm@{number(epsilon)}" if attack == "fgsm" else f"{attack}-{steps}x1@{number(epsilon)}/{number(step_size)}"
    ours = given[f"attack.{key}"].bool()
    results.append({"accuracy": survived.float().mean().item(), "disagreeing": (survived != ours).sum().item()})
version = f"PyTorch {torch.__version__}, torchattacks {torchattacks.__version__}"
print(json.dumps({"clean": clean.float().mean().item(), "attacks": results, "version": version}))
