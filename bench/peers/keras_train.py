"""Training steps in Keras 3 on TensorFlow: `train_on_batch`, a peer of bench/train.mjs. Prints one JSON line.

Argument: the workload as JSON (bench/lib/workloads.mjs). Threads and oneDNN come from the environment. keras.applications
where it has the network, the others written here. Same optimizer, loss and batch as the other programs.
"""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
import tensorflow as tf
from keras import layers

from timed import report

workload = json.loads(sys.argv[1])
spec, batch, size, channels = (workload[key] for key in ("model", "batch", "size", "channels"))


def norm(x):
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def convolution(x, outputs, kernel, stride=1, bias=False):
    """Padded evenly, as PyTorch does."""
    if stride > 1 and kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2)(x)
        return layers.Conv2D(outputs, kernel, stride, "valid", use_bias=bias)(x)
    return layers.Conv2D(outputs, kernel, stride, "same", use_bias=bias)(x)


def conv_norm(x, outputs, kernel, stride=1, bias=False, relu=True):
    x = norm(convolution(x, outputs, kernel, stride, bias))
    return layers.ReLU()(x) if relu else x


def head(x, hidden=()):
    x = layers.GlobalAveragePooling2D()(x)
    for outputs in hidden:
        x = layers.Dropout(0.5)(layers.Dense(outputs, "relu")(x))
    return layers.Dense(7)(x)


def basic_block(x, outputs, stride, bias=False):
    inputs = x.shape[-1]
    line = conv_norm(x, outputs, 3, stride, bias)
    line = conv_norm(line, outputs, 3, 1, bias, relu=False)
    if stride > 1 or inputs != outputs:
        x = conv_norm(x, outputs, 1, stride, bias, relu=False)
    return layers.ReLU()(layers.Add()([line, x]))


def vgg(x):
    for outputs, stride in [(32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 2), (256, 2)]:
        x = conv_norm(x, outputs, 3, stride)
    return head(x)


def resnet18(x):
    if spec["stem"] == "imagenet":
        x = layers.MaxPooling2D(3, 2, "same")(conv_norm(x, 64, 7, 2))
    else:
        x = conv_norm(x, 64, 3)
    for stage, outputs in enumerate([64, 128, 256, 512]):
        for block in range(2):
            x = basic_block(x, outputs, 2 if stage > 0 and block == 0 else 1)
    return head(x)


def resemotenet(x):
    for index, outputs in enumerate([64, 128, 256]):
        x = layers.MaxPooling2D(2)(conv_norm(x, outputs, 3, bias=True))
        if index < 2:
            x = layers.Dropout(0.2)(x)
    weights = layers.Dense(16, "relu", use_bias=False)(layers.GlobalAveragePooling2D()(x))
    weights = layers.Dense(256, "sigmoid", use_bias=False)(weights)
    x = layers.Multiply()([x, layers.Reshape((1, 1, 256))(weights)])
    for outputs in [512, 1024, 2048]:
        x = basic_block(x, outputs, 2, bias=True)
    return head(x, [1024, 512, 256])


def residual(x, expanded, outputs, stride):
    inputs, entered = x.shape[-1], x
    if expanded != inputs:
        x = conv_norm(x, expanded, 1)
    if stride > 1:
        x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, stride, "valid" if stride > 1 else "same", use_bias=False)(x)
    x = layers.ReLU()(norm(x))
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    squeezed = layers.Conv2D(max(8, (expanded // 4 + 4) // 8 * 8), 1, activation="relu")(pooled)
    x = layers.Multiply()([x, layers.Conv2D(expanded, 1, activation="hard_sigmoid")(squeezed)])
    x = norm(layers.Conv2D(outputs, 1, use_bias=False)(x))
    return layers.Add()([x, entered]) if stride == 1 and inputs == outputs else x


class Positions(layers.Layer):
    def build(self, shape):
        self.positions = self.add_weight(shape=(1, *shape[1:]), initializer="random_normal")

    def call(self, x):
        return x + self.positions


def transformer(x, count):
    _, side, _, width = x.shape
    x = Positions()(layers.Reshape((side * side, width))(x))
    for _ in range(count):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, 16)(y, y)])
        y = layers.Dense(width, "gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    return layers.Reshape((side, side, width))(layers.LayerNormalization(epsilon=1e-6)(x))


def hybrid(x):
    x = conv_norm(x, 32, 3, 2)
    for outputs, stride, expansion, count in [(64, 1, 4, 0), (96, 2, 1, 2), (160, 2, 1, 2)]:
        x = residual(x, expansion * x.shape[-1], outputs, stride)
        if count:
            x = transformer(x, count)
    return head(x)


def create():
    inputs = keras.Input((size, size, channels))
    own = {"vgg": vgg, "resnet18": resnet18, "resemotenet": resemotenet, "hybrid": hybrid}
    if spec["name"] in own:
        return keras.Model(inputs, own[spec["name"]](inputs))
    apps, settings = keras.applications, {"weights": None, "input_tensor": inputs, "classifier_activation": None}
    settings |= {"classes": 7, "include_top": True}
    if spec["name"] == "mobilenetv3-large":
        return apps.MobileNetV3Large(**settings, include_preprocessing=False, dropout_rate=0.2)
    if spec["name"] == "efficientnet-b3":
        return apps.EfficientNetB3(**settings)
    return apps.ConvNeXtTiny(**settings, include_preprocessing=False)


model = create()
# Weight decay and label smoothing are part of the step.
optimizer = keras.optimizers.SGD(0.001, momentum=0.9, nesterov=True, weight_decay=5e-4)
loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
model.compile(optimizer, loss)
count = batch * 4
random = np.random.default_rng(0)
images = random.standard_normal((count, size, size, channels), dtype=np.float32)
labels = np.eye(7, dtype=np.float32)[random.integers(0, 7, count)]


def step(index):
    rows = slice(index % 4 * batch, (index % 4 + 1) * batch)
    return model.train_on_batch(images[rows], labels[rows])


report(step, workload, f"Keras {keras.__version__} on TensorFlow {tf.__version__}")
