"""Multi-head attention in plain layers, so that its channels can be followed and its sizes rewritten.

`nn.MultiheadAttention` takes the width of its heads from the width of the input and checks it: nothing
inside can be narrower than outside. The same computation in the open has no such rule.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class OpenAttention(nn.Module):
    """Self-attention with the parameters, and their names, of an `nn.MultiheadAttention`.

    Only what that module does without masks, without extra keys and without returning weights.
    """

    def __init__(self, source: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads, self.width = source.num_heads, source.head_dim
        self.batch_first, self.dropout = source.batch_first, source.dropout
        self.in_proj_weight, self.in_proj_bias = source.in_proj_weight, source.in_proj_bias
        self.out_proj = source.out_proj
        self.training = source.training

    def forward(  # noqa: PLR0913, PLR0917  the signature of the module it stands for
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,  # noqa: ARG002
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        """Attend; `[N, T, E]` to `[N, T, E]` with `batch_first`, else `[T, N, E]` to `[T, N, E]`.

        Raises:
            NotImplementedError: masks, weights as a result, or keys that are not the queries.
        """
        plain = key_padding_mask is None and attn_mask is None and not is_causal
        if not plain or need_weights or query is not key or key is not value:
            raise NotImplementedError("only self-attention without masks, and without its weights")
        x = query if self.batch_first else query.transpose(0, 1)
        batch, time = x.shape[0], x.shape[1]
        both = functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        size = self.heads * self.width
        parts = torch.split(both, [size, size, size], -1)
        shape = (batch, time, self.heads, self.width)
        q, k, v = (parts[n].reshape(*shape).transpose(1, 2) for n in range(3))
        weights = torch.softmax(q @ k.transpose(-2, -1) * (1 / math.sqrt(self.width)), -1)
        weights = functional.dropout(weights, self.dropout, self.training)
        merged = (weights @ v).transpose(1, 2).reshape(batch, time, -1)
        out = self.out_proj(merged)
        return (out if self.batch_first else out.transpose(0, 1)), None


def can_open(module: nn.Module) -> bool:
    """Whether a module is an attention that `OpenAttention` can stand for."""
    return (
        type(module) is nn.MultiheadAttention
        and module.in_proj_weight is not None
        and module.bias_k is None
        and module.bias_v is None
        and not module.add_zero_attn
    )
