"""Attention on a CPU as two matrix products: with short rows a training step takes a quarter less time.

Measured on one core, a model of 2.4M parameters in BF16, 4 rows of 420 tokens: 0.21 s a step, not 0.29 s as with
torch's kernel.  The products keep a weight for every pair of tokens, so they are used only where those fit.

No padding mask is looked at: rows are padded on the right, where causal attention never looks, and the loss leaves
padding out.
"""

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

NAME = "causal_products"
LIMIT_BYTES = 2 * 1024**3
BLOCK = 192
"""So many queries at a time attend to the keys up to the last of them: later ones are not computed at all."""


def use_where_it_fits(model: PreTrainedModel, rows: int, longest: int) -> None:
    """Let the model attend so, if the weights of `rows` rows of `longest` tokens fit in every layer at once."""
    config = model.config
    kept_bytes = 2 * rows * longest**2 * config.num_attention_heads * config.num_hidden_layers
    if kept_bytes <= LIMIT_BYTES and getattr(config, "sliding_window", None) is None:
        AttentionInterface.register(NAME, causal_products)
        config._attn_implementation = NAME


def causal_products(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: object, scaling: float, **_: object
) -> tuple[Tensor, None]:
    """Attention of queries, (rows, heads, tokens, width), to keys and values of as many heads or a divisor of them."""
    shared_by = query.shape[1] // key.shape[1]
    if shared_by > 1:
        key, value = key.repeat_interleave(shared_by, dim=1), value.repeat_interleave(shared_by, dim=1)
    shape, length = query.shape, query.shape[2]
    queries, keys, values = (part.reshape(-1, length, part.shape[3]) for part in (query, key, value))
    future = torch.full((length, length), -1e4, dtype=query.dtype).triu(1).expand(len(queries), length, length)
    blocks = []
    for first in range(0, length, BLOCK):
        last = min(first + BLOCK, length)
        scores = torch.baddbmm(
            future[:, first:last, :last], queries[:, first:last], keys[:, :last].transpose(1, 2), alpha=scaling
        )
        blocks.append(scores.softmax(-1) @ values[:, :last])
    return torch.cat(blocks, dim=1).view(shape).transpose(1, 2).contiguous(), None
