"""Convolution and windows written out as loops in float64: slow, and plain to check."""

import itertools

import numpy as np


def padded(x, pads, value=0.0):
    return np.pad(x, [(0, 0), (0, 0), *pads], constant_values=value)


def conv(x, weight, strides, pads, dilations, groups=1):
    x, weight = padded(x.astype(np.float64), pads), weight.astype(np.float64)
    spans = [d * (k - 1) + 1 for d, k in zip(dilations, weight.shape[2:], strict=True)]
    sizes = [(n - span) // s + 1 for n, span, s in zip(x.shape[2:], spans, strides, strict=True)]
    result = np.zeros((x.shape[0], weight.shape[0], *sizes))
    per_group = weight.shape[0] // groups
    for n, f in itertools.product(range(x.shape[0]), range(weight.shape[0])):
        first = f // per_group * weight.shape[1]
        for place in itertools.product(*map(range, sizes)):
            total = 0.0
            for tap in itertools.product(*map(range, weight.shape[2:])):
                at = tuple(
                    p * s + t * d for p, s, t, d in zip(place, strides, tap, dilations, strict=True)
                )
                for c in range(weight.shape[1]):
                    total += x[(n, first + c, *at)] * weight[(f, c, *tap)]
            result[(n, f, *place)] = total
    return result


def conv_transpose(x, weight, strides, dilations, groups=1):
    """The full result, nothing cut off: each input element adds its scaled kernel."""
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    sizes = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, d, k in zip(x.shape[2:], strides, dilations, weight.shape[2:], strict=True)
    ]
    inputs, outputs = x.shape[1] // groups, weight.shape[1]
    result = np.zeros((x.shape[0], outputs * groups, *sizes))
    for n, c in itertools.product(range(x.shape[0]), range(x.shape[1])):
        for place in itertools.product(*map(range, x.shape[2:])):
            for tap in itertools.product(*map(range, weight.shape[2:])):
                at = tuple(
                    p * s + t * d for p, s, t, d in zip(place, strides, tap, dilations, strict=True)
                )
                for f in range(outputs):
                    where = (n, c // inputs * outputs + f, *at)
                    result[where] += x[(n, c, *place)] * weight[(c, f, *tap)]
    return result


def windows(x, kernel, strides, pads, ceil=False):
    """Give each output place with the values of its window and how many the padding adds.

    The padding is the declared one; what `ceil` takes in beyond it is not counted.
    """
    sizes = []
    for n, k, s, (before, after) in zip(x.shape[2:], kernel, strides, pads, strict=True):
        span = n + before + after - k
        count = (-(-span // s) if ceil else span // s) + 1
        if ceil and (count - 1) * s >= n + before:
            count -= 1
        sizes.append(count)
    for place in itertools.product(*map(range, sizes)):
        cells = list(itertools.product(*map(range, kernel)))
        inside, padding = [], 0
        for cell in cells:
            at = [
                p * s + c - before
                for p, s, c, (before, _) in zip(place, strides, cell, pads, strict=True)
            ]
            if all(0 <= a < n for a, n in zip(at, x.shape[2:], strict=True)):
                inside.append(tuple(at))
            elif all(
                -before <= a < n + after
                for a, n, (before, after) in zip(at, x.shape[2:], pads, strict=True)
            ):
                padding += 1
        values = np.stack([x[(slice(None), slice(None), *at)] for at in inside])
        yield place, sizes, values, padding


def pooled(x, kernel, strides, pads, reduce, ceil=False):
    x = x.astype(np.float64)
    result = None
    for place, sizes, values, padding in windows(x, kernel, strides, pads, ceil):
        if result is None:
            result = np.zeros((*x.shape[:2], *sizes))
        result[(slice(None), slice(None), *place)] = reduce(values, padding)
    return result
