"""Training steps in PyTorch, channels_last: a peer of bench/train.mjs. Prints one JSON line.

Arguments: the workload as JSON (bench/lib/workloads.mjs), threads, `eager` or `compiled` (torch.compile). SGD with
Nesterov momentum and weight decay, cross entropy with label smoothing 0.1, no augmentation; the pictures are resident and
normalised beforehand. `eadd`: three frozen teachers, weights by class strength and by confidence out of fold, KL at
temperature 4. `pgd`: ten steps of the sign of the gradient with the network in inference mode, then the update.
"""

import json
import sys

import torch
from torch import nn
from torch.nn import functional as F

from timed import report
from torch_models import create

workload, threads, execution = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
kind, batch, size, channels = (workload[key] for key in ("kind", "batch", "size", "channels"))
torch.set_num_threads(threads)
torch.manual_seed(0)


def prepared(spec):
    return create(spec, channels).to(memory_format=torch.channels_last)


def run(network):
    return torch.compile(network) if execution == "compiled" else network


model = prepared(workload["model"]).train()
forward = run(model)
teachers = [prepared(spec).eval().requires_grad_(False) for spec in workload.get("teachers", [])]
taught = [run(teacher) for teacher in teachers]
optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, nesterov=True, weight_decay=5e-4)
loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
count = batch * 4
images = torch.rand(count, channels, size, size).to(memory_format=torch.channels_last)
labels = torch.randint(0, 7, (count,))
out_of_fold = torch.randn(len(teachers), count, 7)
strengths = torch.softmax(torch.randn(max(1, len(teachers)), 7), 0)


def normalised(x):
    return (x - 0.5) / 0.25


def eadd(x, y, rows):
    with torch.no_grad():
        targets = [teacher(x) / 1.5 for teacher in taught]
        errors = torch.stack([F.cross_entropy(logits[rows] / 1.5, y, reduction="none") for logits in out_of_fold], 1)
        reliability = (1 - torch.softmax(errors, 1)) / (len(teachers) - 1)
        weights = torch.softmax(0.5 * strengths.T[y].log() + 0.5 * reliability.log(), 1)
        gains = torch.ones(7)[y]
    logits = forward(x)
    student = torch.log_softmax(logits / 4, 1)
    divergences = torch.stack([
        F.kl_div(student, torch.log_softmax(target / 4, 1), reduction="none", log_target=True).sum(1)
        for target in targets
    ], 1)
    return 0.1 * loss_of(logits, y) + 0.9 * 16 * (gains * (weights * divergences).sum(1)).mean()


def attacked(x, y):
    epsilon, move = 8 / 255, 2 / 255
    model.eval()
    adversarial = (x + torch.empty_like(x).uniform_(-epsilon, epsilon)).clamp(0, 1)
    for _ in range(10):
        adversarial.requires_grad_(True)
        loss = F.cross_entropy(forward(normalised(adversarial)), y)
        (gradient,) = torch.autograd.grad(loss, adversarial)
        with torch.no_grad():
            moved = adversarial + move * gradient.sign()
            adversarial = torch.min(torch.max(moved, x - epsilon), x + epsilon).clamp(0, 1)
    model.train()
    return adversarial.detach()


def step(index):
    rows = torch.arange(index % 4 * batch, (index % 4 + 1) * batch)
    x, y = images[rows].contiguous(memory_format=torch.channels_last), labels[rows]
    if kind == "pgd":
        x = attacked(x, y)
    optimizer.zero_grad(set_to_none=True)
    x = normalised(x)
    loss = eadd(x, y, rows) if kind == "eadd" else loss_of(forward(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


report(step, workload, f"PyTorch {torch.__version__}")
