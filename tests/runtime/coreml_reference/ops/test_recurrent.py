import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops.recurrent import TABLE

RNG = np.random.default_rng(6)
STEPS, BATCH, INPUTS, HIDDEN = 5, 2, 3, 4
ACTIVATIONS = {
    "tanh": np.tanh,
    "scaled_tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
}
TOLERANCE = 1e-5
"""5 steps of sums of 7 products in float32, each 2^-23 of values below 4; against float64."""


def noise(*shape):
    return RNG.uniform(-1, 1, size=shape).astype(np.float32)


X = noise(STEPS, BATCH, INPUTS)
H, C = noise(BATCH, HIDDEN), noise(BATCH, HIDDEN)


def weights(gates, names):
    sizes = {
        "weight_ih": (gates * HIDDEN, INPUTS),
        "weight_hh": (gates * HIDDEN, HIDDEN),
        "bias": (gates * HIDDEN,),
        "input_bias": (gates * HIDDEN,),
        "peephole": (3 * HIDDEN,),
    }
    return {name: noise(*sizes[name.removesuffix("_back")]) for name in names}


def sequences(states, whole):
    return np.stack(states) if whole else states[-1][None]


def rnn_by_hand(given):
    x = given["x"][::-1] if given.get("direction") == "reverse" else given["x"]
    f = ACTIVATIONS[given.get("activation", "tanh")]
    h, states = given["initial_h"].astype(np.float64), []
    for step in x:
        h = f(step @ given["weight_ih"].T + h @ given["weight_hh"].T + given.get("bias", 0))
        states.append(h)
    return sequences(states, given.get("output_sequence")), h


def gru_by_hand(given):
    x = given["x"][::-1] if given.get("direction") == "reverse" else given["x"]
    f = ACTIVATIONS[given.get("recurrent_activation", "sigmoid")]
    g = ACTIVATIONS[given.get("activation", "tanh")]
    zeros = np.zeros(3 * HIDDEN)
    w, r = (np.split(given[name], 3) for name in ("weight_ih", "weight_hh"))
    b, c = (np.split(given.get(name, zeros), 3) for name in ("bias", "input_bias"))
    h, states = given["initial_h"].astype(np.float64), []
    for step in x:
        reset, update = (f(step @ w[k].T + c[k] + h @ r[k].T + b[k]) for k in (0, 2))
        late = reset * (h @ r[1].T + b[1])
        early = (reset * h) @ r[1].T + b[1]
        new = g(step @ w[1].T + c[1] + (late if given.get("reset_after") else early))
        h = (1 - update) * new + update * h
        states.append(h)
    return sequences(states, given.get("output_sequence")), h


def lstm_by_hand(x, h, c, given, suffix=""):
    f, t, u = (
        ACTIVATIONS[given.get(name, default)]
        for name, default in (
            ("recurrent_activation", "sigmoid"), ("cell_activation", "tanh"), ("activation", "tanh")
        )
    )  # fmt: skip
    w, r, b = (
        np.split(given.get(name + suffix, np.zeros(4 * HIDDEN)), 4)
        for name in ("weight_ih", "weight_hh", "bias")
    )
    p = np.split(given.get("peephole" + suffix, np.zeros(3 * HIDDEN)), 3)
    h, c, states = h.astype(np.float64), c.astype(np.float64), []
    for step in x:
        i, forget, o, g = (step @ w[k].T + h @ r[k].T + b[k] for k in range(4))
        i, forget = f(i + p[0] * c), f(forget + p[1] * c)
        c = forget * c + i * t(g)
        if "clip" in given:
            c = np.clip(c, -given["clip"], given["clip"])
        h = f(o + p[2] * c) * u(c)
        states.append(h)
    return states, h, c


RNN_CASES = [
    {},
    {"bias": True},
    {"direction": "reverse", "output_sequence": True},
    {"direction": "forward", "output_sequence": False},
    *({"activation": name, "output_sequence": True} for name in ACTIVATIONS),
]


@pytest.mark.parametrize("case", RNN_CASES, ids=str)
def test_rnn(agrees, case):
    names = ["weight_ih", "weight_hh", *(["bias"] if case.get("bias") else [])]
    given = case | {"x": X, "initial_h": H} | weights(1, names)
    agrees("rnn", **given, expected=rnn_by_hand(given), tolerance=TOLERANCE)


GRU_CASES = [
    {},
    {"bias": True, "output_sequence": True},
    {"bias": True, "direction": "reverse", "output_sequence": True},
    {"bias": True, "reset_after": True},
    {"bias": True, "input_bias": True, "reset_after": True, "output_sequence": True},
    {"input_bias": True, "reset_after": False},
    *({"activation": name} for name in ACTIVATIONS),
    *({"recurrent_activation": name} for name in ACTIVATIONS),
]


@pytest.mark.parametrize("case", GRU_CASES, ids=str)
def test_gru(agrees, case):
    names = ["weight_ih", "weight_hh", *({"bias", "input_bias"} & set(case))]
    given = case | {"x": X, "initial_h": H} | weights(3, names)
    agrees("gru", **given, expected=gru_by_hand(given), tolerance=TOLERANCE)


def test_gru_reset_after_is_pytorchs():
    module = torch.nn.GRU(INPUTS, HIDDEN)
    parameters = {name: value.detach() for name, value in module.named_parameters()}

    def reordered(name):
        reset, update, new = parameters[name].chunk(3)
        return torch.cat([reset, new, update])

    with torch.no_grad():
        wanted, last = module(torch.from_numpy(X), torch.from_numpy(H)[None])
    found = TABLE["gru"](
        x=torch.from_numpy(X),
        initial_h=torch.from_numpy(H),
        weight_ih=reordered("weight_ih_l0"),
        weight_hh=reordered("weight_hh_l0"),
        bias=reordered("bias_hh_l0"),
        input_bias=reordered("bias_ih_l0"),
        reset_after=True,
        output_sequence=True,
    )
    torch.testing.assert_close(found, (wanted, last[0]), rtol=0, atol=TOLERANCE)


LSTM_CASES = [
    {},
    {"bias": True, "output_sequence": True},
    {"bias": True, "direction": "reverse", "output_sequence": True},
    {"bias": True, "peephole": True, "output_sequence": True},
    {"peephole": True, "clip": np.float32(0.05), "output_sequence": True},
    *({"recurrent_activation": name} for name in ACTIVATIONS),
    *({"cell_activation": name} for name in ACTIVATIONS),
    *({"activation": name} for name in ACTIVATIONS),
]


@pytest.mark.parametrize("case", LSTM_CASES, ids=str)
def test_lstm(agrees, case):
    names = ["weight_ih", "weight_hh", *({"bias", "peephole"} & set(case))]
    given = case | {"x": X, "initial_h": H, "initial_c": C} | weights(4, names)
    x = X[::-1] if case.get("direction") == "reverse" else X
    states, h, c = lstm_by_hand(x, H, C, given)
    expected = (sequences(states, case.get("output_sequence")), h, c)
    agrees("lstm", **given, expected=expected, tolerance=TOLERANCE)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("extra", [(), ("bias", "peephole")])
def test_lstm_bidirectional(agrees, whole, extra):
    names = ["weight_ih", "weight_hh", *extra]
    both = [*names, *(f"{name}_back" for name in names)]
    given = weights(4, both) | {"clip": np.float32(0.4)}
    h, c = noise(BATCH, 2 * HIDDEN), noise(BATCH, 2 * HIDDEN)
    front = lstm_by_hand(X, h[:, :HIDDEN], c[:, :HIDDEN], given)
    back = lstm_by_hand(X[::-1], h[:, HIDDEN:], c[:, HIDDEN:], given, "_back")
    last = [np.concatenate([front[k], back[k]], axis=1) for k in (1, 2)]
    sequence = np.concatenate([np.stack(front[0]), np.stack(back[0][::-1])], axis=2)
    agrees(
        "lstm",
        x=X,
        initial_h=h,
        initial_c=c,
        direction="bidirectional",
        output_sequence=whole,
        **given,
        expected=(sequence if whole else last[0][None], *last),
        tolerance=TOLERANCE,
    )


def test_lstm_bidirectional_is_pytorchs():
    module = torch.nn.LSTM(INPUTS, HIDDEN, bidirectional=True)
    parameters = {name: value.detach() for name, value in module.named_parameters()}

    def reordered(name):
        i, f, g, o = parameters[name].chunk(4)
        return torch.cat([i, f, o, g])

    def direction(end):
        return {
            "weight_ih": reordered(f"weight_ih_l0{end}"),
            "weight_hh": reordered(f"weight_hh_l0{end}"),
            "bias": reordered(f"bias_ih_l0{end}") + reordered(f"bias_hh_l0{end}"),
        }

    h, c = torch.randn(2, 2, BATCH, HIDDEN, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted, (last_h, last_c) = module(torch.from_numpy(X), (h, c))
    found = TABLE["lstm"](
        x=torch.from_numpy(X),
        initial_h=torch.cat([h[0], h[1]], dim=1),
        initial_c=torch.cat([c[0], c[1]], dim=1),
        direction="bidirectional",
        output_sequence=True,
        **direction(""),
        **{f"{name}_back": value for name, value in direction("_reverse").items()},
    )
    states = (torch.cat([last_h[0], last_h[1]], dim=1), torch.cat([last_c[0], last_c[1]], dim=1))
    torch.testing.assert_close(found, (wanted, *states), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("operator", "given"),
    [
        ("rnn", {"direction": "bidirectional"}),
        ("rnn", {"activation": "gelu"}),
        ("gru", {"direction": "backward"}),
        ("gru", {"activation": "gelu"}),
        ("gru", {"recurrent_activation": "gelu"}),
        ("lstm", {"direction": "bidirectional"}),
        ("lstm", {"direction": "both"}),
        ("lstm", {"recurrent_activation": "gelu"}),
        ("lstm", {"cell_activation": "gelu"}),
        ("lstm", {"activation": "gelu"}),
    ],
)
def test_refusals(operator, given):
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[operator]
    parts = weights(gates, ["weight_ih", "weight_hh"]) | {"x": X, "initial_h": H}
    parts |= {"initial_c": C} if operator == "lstm" else {}
    ((parameter, value),) = given.items()
    with pytest.raises(ArtifactError, match=f"operator {operator}: {parameter} = '{value}'"):
        TABLE[operator](**{name: torch.from_numpy(part) for name, part in parts.items()}, **given)


def test_activation_names_ignore_case():
    given = {"x": X, "initial_h": H} | weights(1, ["weight_ih", "weight_hh"])
    tensors = {name: torch.from_numpy(part) for name, part in given.items()}
    found = [TABLE["rnn"](**tensors, activation=name)[1] for name in ("relu", "ReLU")]
    assert torch.equal(*found)


def test_saved_program(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    lstm = weights(4, ["weight_ih", "weight_hh", "bias", "peephole"]) | {"clip": np.float32(0.3)}
    gru = weights(3, ["weight_ih", "weight_hh", "bias"])
    gru["weight_ih"] = noise(3 * HIDDEN, HIDDEN)

    def build(x, h, c):
        states, last, cell = mb.lstm(
            x=x, initial_h=h, initial_c=c, output_sequence=True, direction="reverse", **lstm
        )
        more, _ = mb.gru(x=states, initial_h=last, output_sequence=True, **gru)
        return more, cell

    states, last, cell = lstm_by_hand(X[::-1], H, C, lstm)
    more, _ = gru_by_hand(gru | {"x": np.stack(states), "initial_h": last, "output_sequence": True})
    found = run_program(build, {"x": X, "h": H, "c": C}, opset="iOS18")
    np.testing.assert_allclose(found[0], more, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found[1], cell, rtol=0, atol=TOLERANCE)
