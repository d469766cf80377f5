#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the tiny models of tests/golden/tiny, their inputs and the outputs they must give.

Standard library only. The .tflite files come from a flatbuffer writer of its own, and the outputs
from the formulas of docs/SPEC-model.md in exact integers and fractions, so that the engine is held
against something that shares nothing with it. The models also seed the fuzz corpus.

  make_tiny.py --write    writes the files
  make_tiny.py            compares what is committed with what it would write
"""
import math
import pathlib
import random
import struct
import sys
from fractions import Fraction

TESTS = pathlib.Path(__file__).resolve().parent.parent
TINY = TESTS / "golden" / "tiny"
CORPUS = TESTS / "fuzz" / "corpus" / "tflite"
N_ROWS = 24

FULLY_CONNECTED, EXP = 9, 47
INT32, INT8 = 2, 9
NONE, RELU, RELU6 = 0, 1, 3


# --- a flatbuffer writer -------------------------------------------------------------------------

class Table:
    """fields: {number: (format, value)}, where a value that is a Table or a Vector is an offset."""

    def __init__(self, **fields):
        self.fields = {int(name[1:]): value for name, value in fields.items()}


class Vector:
    """items: bytes, or a list with a struct format, or a list of Tables with format None."""

    def __init__(self, items, form=None, align=4):
        self.items, self.form, self.align = items, form, align


class Writer:
    def __init__(self):
        self.out = bytearray()

    def align(self, to, ahead=0):
        while (len(self.out) + ahead) % to:
            self.out.append(0)

    def patch(self, place):
        struct.pack_into("<I", self.out, place, len(self.out) - place)

    def table(self, table, place):
        """A table, its vtable behind it, then its children."""
        self.align(8, 4)
        self.patch(place)
        start = len(self.out)
        self.out += bytes(4)
        slots, children = {}, []
        by_size = sorted(table.fields.items(), key=lambda f: -struct.calcsize("<" + self.form(f[1])))
        for number, value in by_size:
            form = "<" + self.form(value)
            self.align(struct.calcsize(form))
            slots[number] = len(self.out) - start
            if isinstance(value, (Table, Vector)):
                children.append((len(self.out), value))
                self.out += bytes(4)
            else:
                self.out += struct.pack(form, value[1])
        size = len(self.out) - start
        self.align(2)
        struct.pack_into("<i", self.out, start, start - len(self.out))
        n = max(table.fields, default=-1) + 1
        self.out += struct.pack("<HH", 4 + 2 * n, size)
        for number in range(n):
            self.out += struct.pack("<H", slots.get(number, 0))
        for child_place, child in children:
            self.child(child, child_place)

    @staticmethod
    def form(value):
        return "I" if isinstance(value, (Table, Vector)) else value[0]

    def child(self, child, place):
        if isinstance(child, Table):
            self.table(child, place)
        else:
            self.vector(child, place)

    def vector(self, vector, place):
        self.align(vector.align, 4)
        self.align(4)
        self.patch(place)
        self.out += struct.pack("<I", len(vector.items))
        if isinstance(vector.items, (bytes, bytearray)):
            self.out += vector.items
        elif vector.form:
            self.out += struct.pack(f"<{len(vector.items)}{vector.form}", *vector.items)
        else:
            places = []
            for _ in vector.items:
                places.append(len(self.out))
                self.out += bytes(4)
            for child_place, item in zip(places, vector.items):
                self.child(item, child_place)


def flatbuffer(root):
    writer = Writer()
    writer.out += bytes(4) + b"TFL3"
    writer.table(root, 0)
    writer.align(4)
    return bytes(writer.out)


# --- .tflite -------------------------------------------------------------------------------------

def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


class Layer:
    def __init__(self, n_in, n_out, weights, bias, scales, out_scale, out_zero, activation):
        self.n_in, self.n_out, self.weights, self.bias = n_in, n_out, weights, bias
        self.scales, self.out_scale, self.out_zero = scales, out_scale, out_zero
        self.activation = activation


def tensor(shape, kind, buffer, name, scales, zeros):
    quant = Table(f2=Vector(scales, "f"), f3=Vector(zeros, "q", 8), f6=("i", 0))
    return Table(f0=Vector(shape, "i"), f1=("b", kind), f2=("I", buffer),
                 f3=Vector(name.encode()), f4=quant)


def tflite(in_scale, in_zero, layers, card=None, code=FULLY_CONNECTED):
    tensors, buffers, operators = [], [Table()], []
    n = len(layers)
    scale, zero, width = in_scale, in_zero, layers[0].n_in if layers else 1
    for i in range(n + 1):
        tensors.append(tensor([1, width], INT8, 0, f"t{i}", [scale], [zero]))
        if i < n:
            scale, zero, width = layers[i].out_scale, layers[i].out_zero, layers[i].n_out
    scale = in_scale
    for i, layer in enumerate(layers):
        rows = struct.pack(f"{layer.n_in * layer.n_out}b", *sum(layer.weights, []))
        buffers.append(Table(f0=Vector(rows, align=16)))
        inputs = [i, len(tensors), -1]
        tensors.append(tensor([layer.n_out, layer.n_in], INT8, len(buffers) - 1, f"w{i}",
                              layer.scales, [0] * len(layer.scales)))
        if layer.bias:
            buffers.append(Table(f0=Vector(struct.pack(f"<{layer.n_out}i", *layer.bias), align=16)))
            inputs[2] = len(tensors)
            tensors.append(tensor([layer.n_out], INT32, len(buffers) - 1, f"b{i}",
                                  [scale * s for s in layer.scales], [0] * len(layer.scales)))
        else:
            inputs.pop()
        operators.append(Table(f0=("I", 0), f1=Vector(inputs, "i"), f2=Vector([i + 1], "i"),
                               f3=("B", 8), f4=Table(f0=("b", layer.activation))))
        scale = layer.out_scale
    graph = Table(f0=Vector(tensors), f1=Vector([0], "i"), f2=Vector([n], "i"),
                  f3=Vector(operators), f4=Vector(b"main"))
    fields = {"f0": ("I", 3), "f1": Vector([Table(f0=("b", code), f2=("i", 1), f3=("i", code))]),
              "f2": Vector([graph]), "f3": Vector(b"made by make_tiny.py"), "f4": Vector(buffers)}
    if card is not None:
        buffers.append(Table(f0=Vector(card, align=16)))
        fields["f6"] = Vector([Table(f0=Vector(b"millwright.card"), f1=("I", len(buffers) - 1))])
    return flatbuffer(Table(**fields))


# --- the formulas --------------------------------------------------------------------------------

def half_away(value):
    """Nearest integer of a Fraction, halves away from zero."""
    whole = math.floor(abs(value) + Fraction(1, 2))
    return whole if value >= 0 else -whole


def multiplier(real):
    fraction, exponent = math.frexp(real)
    mantissa = half_away(Fraction(fraction) * 2**31)
    if mantissa == 2**31:
        mantissa, exponent = 2**30, exponent + 1
    return (mantissa, exponent) if exponent >= -31 else (0, 0)


def requantise(acc, mantissa, exponent, twice):
    if not twice:
        return math.floor(Fraction(acc * mantissa, 2**(31 - exponent)) + Fraction(1, 2))
    high = math.floor(Fraction(acc * 2**max(exponent, 0) * mantissa, 2**31) + Fraction(1, 2))
    return half_away(Fraction(high, 2**max(-exponent, 0)))


def run_layer(layer, in_scale, in_zero, x, twice):
    low = layer.out_zero if layer.activation else -128
    six = layer.out_zero + half_away(Fraction(f32(6.0 / layer.out_scale)))
    high = min(127, six) if layer.activation == RELU6 else 127
    out = []
    for o in range(layer.n_out):
        acc = sum(w * (v - in_zero) for w, v in zip(layer.weights[o], x))
        acc += layer.bias[o] if layer.bias else 0
        if len(layer.scales) == 1:
            real = f32(in_scale * layer.scales[0]) / layer.out_scale
        else:
            real = in_scale * layer.scales[o] / layer.out_scale
        y = requantise(acc, *multiplier(real), twice) + layer.out_zero
        out.append(min(high, max(low, y)))
    return out


def run(in_scale, in_zero, layers, x, twice):
    for layer in layers:
        x = run_layer(layer, in_scale, in_zero, x, twice)
        in_scale, in_zero = layer.out_scale, layer.out_zero
    return x


# --- the models ----------------------------------------------------------------------------------

def random_layer(rng, n_in, n_out, in_scale, per_channel, bias, activation):
    size = rng.choice([6, 40, 127])
    base = f32(rng.uniform(0.001, 0.02))
    scales = [f32(base * rng.uniform(0.5, 1.5)) for _ in range(n_out if per_channel else 1)]
    weights = [[rng.randint(-size, size) for _ in range(n_in)] for _ in range(n_out)]
    biases = [rng.randint(-90 * size, 90 * size) for _ in range(n_out)] if bias else None
    out_scale = f32(in_scale * base * size * rng.uniform(1, 3))
    return Layer(n_in, n_out, weights, biases, scales, out_scale, rng.randint(-128, 60), activation)


def models():
    rng = random.Random(7)
    shapes = {
        "per_tensor": ([6, 4, 6], False, True, RELU),
        "per_channel": ([5, 7, 3, 5], True, True, RELU),
        "relu6_no_bias": ([4, 9, 4], True, False, RELU6),
        "one_layer": ([3, 2], False, False, NONE),
    }
    for name, (widths, per_channel, bias, activation) in shapes.items():
        in_scale, in_zero = f32(rng.uniform(0.01, 0.5)), rng.randint(-128, 127)
        layers, scale = [], in_scale
        for i, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
            last = i + 2 == len(widths)
            layers.append(random_layer(rng, n_in, n_out, scale, per_channel, bias,
                                       NONE if last else activation))
            scale = layers[-1].out_scale
        yield name, in_scale, in_zero, layers


def files():
    """Every file of both folders: {path: bytes}."""
    rng, out = random.Random(8), {}
    some = None
    for name, in_scale, in_zero, layers in models():
        some = (in_scale, in_zero, layers)
        out[TINY / f"{name}.tflite"] = out[CORPUS / name] = tflite(in_scale, in_zero, layers)
        rows = [[rng.randint(-128, 127) for _ in range(layers[0].n_in)] for _ in range(N_ROWS)]
        out[TINY / f"{name}.in.s8"] = b"".join(struct.pack(f"{len(r)}b", *r) for r in rows)
        for word, twice in (("double", True), ("single", False)):
            ys = [run(in_scale, in_zero, layers, r, twice) for r in rows]
            out[TINY / f"{name}.{word}.s8"] = b"".join(struct.pack(f"{len(y)}b", *y) for y in ys)
    out[TINY / "refused_exp.tflite"] = out[CORPUS / "refused_exp"] = tflite(*some, code=EXP)
    out[CORPUS / "empty_graph"] = tflite(0.5, 0, [], card=b"\1\2\3")
    out[CORPUS / "with_card"] = tflite(*some, card=bytes(range(40)))
    return out


def main():
    if sys.argv[1:] == ["--write"]:
        for path, data in files().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return 0
    wrong = [p for p, data in files().items() if not p.exists() or p.read_bytes() != data]
    for path in wrong:
        print(f"{path}: is not what make_tiny.py --write makes", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
