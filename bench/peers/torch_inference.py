"""Inference by PyTorch, eager: a peer of bench/inference.mjs. Prints one JSON line.

Arguments: the model as JSON, a safetensors file with its weights, pixels on a side, channels, threads. Pixels come as
float32, 0 to 255, and are normalised within what is timed, as in the other programs. The layout is the faster one of
PyTorch's own and channels_last, tried on a few runs of each size of batch.

The weights go into the network of the same structure: by name, or where the names differ in order, if every shape fits;
otherwise the network keeps those that PyTorch draws (`loaded` is false), which take the same time.
"""

import json
import struct
import sys
import time

import torch

from torch_models import create

spec, file, size, channels, threads = json.loads(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])
torch.set_num_threads(threads)
torch.manual_seed(0)


def safetensors(path):
    with open(path, "rb") as source:
        (length,) = struct.unpack("<Q", source.read(8))
        header, data = json.loads(source.read(length)), source.read()
    order = json.loads(header["__metadata__"]["order"])

    def tensor(entry):
        begin, end = entry["data_offsets"]
        return torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(entry["shape"])

    return {name: tensor(header[name]) for name in order}


def load(network, weights):
    inner = getattr(network, "network", network)
    own = {name: value for name, value in inner.state_dict().items() if not name.endswith("num_batches_tracked")}
    named = weights if own.keys() == weights.keys() else dict(zip(own, weights.values()))
    fits = len(own) == len(weights) and all(own[name].shape == value.shape for name, value in named.items())
    if fits:
        inner.load_state_dict(named, strict=False)
    return fits


network = create(spec, channels).eval()
loaded = load(network, safetensors(file))


def pixels(batch):
    count = batch * size * size * channels
    # Values by place in [batch, height, width, channels], as the engine is given them.
    values = (torch.arange(count) * 7919 % 251).to(torch.float32)
    return values.reshape(batch, size, size, channels).permute(0, 3, 1, 2)


def layouts(batch):
    for name, layout in [("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)]:
        yield name, network.to(memory_format=layout), pixels(batch).contiguous(memory_format=layout)


def answer(model, x):
    return model((x - 255 * 0.5) / (255 * 0.25))


def times(model, x, seconds, fewest):
    taken, started = [], time.perf_counter()
    while time.perf_counter() - started < seconds or len(taken) < fewest:
        before = time.perf_counter()
        answer(model, x)
        taken.append((time.perf_counter() - before) * 1000)
    return sorted(taken)


def quantile(taken, share):
    return taken[max(0, -int(-share * len(taken) // 1) - 1)]


def measured(batch, seconds, warmup, fewest):
    tried = {}
    for name, model, x in layouts(batch):
        times(model, x, 0, warmup)
        tried[name] = quantile(times(model, x, seconds / 8, 3), 0.5)
    fastest = min(tried, key=tried.get)
    for name, model, x in layouts(batch):
        if name == fastest:
            times(model, x, 0, warmup)
            return name, times(model, x, seconds, fewest)


with torch.inference_mode():
    logits = answer(network, pixels(1)).flatten().tolist()
    layout_one, one = measured(1, 2, 20, 20)
    layout_many, many = measured(64, 3, 1, 2)

print(json.dumps({
    "median": quantile(one, 0.5),
    "p95": quantile(one, 0.95),
    "imagesPerSecond": 64 * 1000 * len(many) / sum(many),
    "layouts": {"1": layout_one, "64": layout_many},
    "parameters": sum(parameter.numel() for parameter in network.parameters()),
    "loaded": loaded,
    "logits": logits,
    "version": f"PyTorch {torch.__version__}",
}))
