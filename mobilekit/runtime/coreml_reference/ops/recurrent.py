"""Recurrent layers over a sequence [S, N, I]: rnn, gru and lstm.

Source: the operator definitions of coremltools (`iOS15`, `iOS17`, `iOS18`, recurrent) and the
expectations of its own tests. Weights stand one gate above the other: gru in the order reset,
output, update; lstm in the order input, forget, output, cell.

A `reverse` layer reads the sequence from its end, and its output sequence is in the order of
reading. A bidirectional lstm puts both directions side by side, in the order of the input.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.values import Number, flag, real, refused

_Activation = Callable[[Tensor], Tensor]


def _hard_sigmoid(x: Tensor) -> Tensor:
    return torch.clamp(0.2 * x + 0.5, 0, 1)


def _same(x: Tensor) -> Tensor:
    return x


_ACTIVATIONS: dict[str, _Activation] = {
    "hard_sigmoid": _hard_sigmoid,
    "linear": _same,
    "relu": torch.relu,
    "scaled_tanh": torch.tanh,  # with its default scales 1 and 1
    "sigmoid": torch.sigmoid,
    "sigmoid_hard": _hard_sigmoid,
    "tanh": torch.tanh,
}


def rnn(
    *,
    x: Tensor,
    initial_h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: Number = False,
    activation: str = "tanh",
) -> tuple[Tensor, Tensor]:
    """Run `h = f(W_ih x + W_hh h + b)` along the sequence.

    x [S, N, I], initial_h [N, H], weight_ih [H, I], weight_hh [H, H], bias [H]. Returns the hidden
    states [S, N, H] (the last one [1, N, H] without `output_sequence`) and the last one [N, H].

    Raises:
        ArtifactError: an unknown direction or activation.
    """
    function = _activation("rnn", "activation", activation)
    inputs = _projected(_ordered("rnn", x, direction), weight_ih, bias)
    h, states = initial_h, []
    for step in inputs:
        h = function(step + h @ weight_hh.T)
        states.append(h)
    return _sequence(states, output_sequence), h


def gru(
    *,
    x: Tensor,
    initial_h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: Number = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
    reset_after: Number = False,
    input_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run a gated recurrent unit; weights in the order reset r, output o, update z.

    `r = f(W_r x + R_r h + b_r)`, `z` alike, `h = (1 - z) * o + z * h`, where
    `o = g(W_o x + R_o (r * h) + b_o)`, or with `reset_after`
    `o = g(W_o x + c_o + r * (R_o h + b_o))` as in PyTorch; `input_bias` is c, added to W x.

    x [S, N, I], initial_h [N, H], weight_ih [3H, I], weight_hh [3H, H], bias and input_bias [3H].
    Returns the hidden states [S, N, H] (the last one [1, N, H] without `output_sequence`) and the
    last one [N, H].

    Raises:
        ArtifactError: an unknown direction or activation.
    """
    gate = _activation("gru", "recurrent_activation", recurrent_activation)
    function = _activation("gru", "activation", activation)
    late = flag(reset_after)
    inputs = _projected(_ordered("gru", x, direction), weight_ih, input_bias)
    hidden = torch.zeros_like(weight_hh[:, 0]) if bias is None else bias
    reset_w, output_w, update_w = weight_hh.chunk(3)
    reset_b, output_b, update_b = hidden.chunk(3)
    h, states = initial_h, []
    for step in inputs:
        of_reset, of_output, of_update = step.chunk(3, dim=-1)
        r = gate(of_reset + h @ reset_w.T + reset_b)
        z = gate(of_update + h @ update_w.T + update_b)
        recurrent = r * (h @ output_w.T + output_b) if late else (r * h) @ output_w.T + output_b
        h = (1 - z) * function(of_output + recurrent) + z * h
        states.append(h)
    return _sequence(states, output_sequence), h


def lstm(
    *,
    x: Tensor,
    initial_h: Tensor,
    initial_c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    peephole: Tensor | None = None,
    weight_ih_back: Tensor | None = None,
    weight_hh_back: Tensor | None = None,
    bias_back: Tensor | None = None,
    peephole_back: Tensor | None = None,
    direction: str = "forward",
    output_sequence: Number = False,
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
    clip: Number | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run a long short-term memory; weights in the order input i, forget f, output o, cell g.

    `i = s(W_i x + R_i h + p_i * c + b_i)`, `f` alike, `g = t(W_g x + R_g h + b_g)`,
    `c = f * c + i * g` clipped to [-clip, clip], `o = s(W_o x + R_o h + p_o * c + b_o)` with the
    new c, `h = o * u(c)`.

    x [S, N, I], initial_h and initial_c [N, D H], weight_ih [4H, I], weight_hh [4H, H], bias [4H],
    peephole [3H] (i, f, o); D is 2 for `bidirectional`, which has the `_back` weights for its
    second half, else 1. Returns the hidden states [S, N, D H] (the last ones [1, N, D H] without
    `output_sequence`), the last hidden [N, D H] and the last cell states [N, D H].

    Raises:
        ArtifactError: an unknown direction or activation, or no backward weights.
    """
    functions = (
        _activation("lstm", "recurrent_activation", recurrent_activation),
        _activation("lstm", "cell_activation", cell_activation),
        _activation("lstm", "activation", activation),
    )
    limit = None if clip is None else real(clip)
    forward = _Lstm(weight_ih, weight_hh, bias, peephole, functions, limit)
    if direction != "bidirectional":
        states, h, c = forward.run(_ordered("lstm", x, direction), initial_h, initial_c)
        return _sequence(states, output_sequence), h, c
    if weight_ih_back is None or weight_hh_back is None:
        raise refused("lstm", "direction", direction, "without weight_ih_back and weight_hh_back")
    backward = _Lstm(weight_ih_back, weight_hh_back, bias_back, peephole_back, functions, limit)
    (h_front, h_back), (c_front, c_back) = initial_h.chunk(2, -1), initial_c.chunk(2, -1)
    front = forward.run(x, h_front, c_front)
    back = backward.run(x.flip(0), h_back, c_back)
    sequence = torch.cat([torch.stack(front[0]), torch.stack(back[0][::-1])], dim=-1)
    h, c = torch.cat([front[1], back[1]], dim=-1), torch.cat([front[2], back[2]], dim=-1)
    return (sequence if flag(output_sequence) else h[None]), h, c


@dataclass(frozen=True)
class _Lstm:
    """One direction of an lstm."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias: Tensor | None
    peephole: Tensor | None
    functions: tuple[_Activation, _Activation, _Activation]
    limit: float | None

    def run(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return the hidden states in the order of x, the last hidden and the last cell state."""
        gate, cell, output = self.functions
        peephole = (
            self.weight_hh.new_zeros(3 * h.shape[-1]) if self.peephole is None else self.peephole
        )
        to_i, to_f, to_o = peephole.chunk(3)
        states = []
        for step in _projected(x, self.weight_ih, self.bias):
            i, f, o, g = (step + h @ self.weight_hh.T).chunk(4, dim=-1)
            c = gate(f + to_f * c) * c + gate(i + to_i * c) * cell(g)
            c = c if self.limit is None else torch.clamp(c, -self.limit, self.limit)
            h = gate(o + to_o * c) * output(c)
            states.append(h)
        return states, h, c


def _projected(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.nn.functional.linear(x, weight, bias)


def _ordered(operator: str, x: Tensor, direction: str) -> Tensor:
    if direction not in {"forward", "reverse"}:
        raise refused(operator, "direction", direction, "is unknown")
    return x if direction == "forward" else x.flip(0)


def _activation(operator: str, parameter: str, name: str) -> _Activation:
    if name.lower() not in _ACTIVATIONS:
        raise refused(operator, parameter, name, f"is none of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name.lower()]


def _sequence(states: list[Tensor], whole: Number) -> Tensor:
    return torch.stack(states) if flag(whole) else states[-1][None]


TABLE: dict[str, Handler] = {"gru": gru, "lstm": lstm, "rnn": rnn}
