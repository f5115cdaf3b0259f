"""Attention as products is the attention of torch's kernel, and is used only where its weights fit."""

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from worker.stages.cpu_attention import BLOCK, NAME, causal_products, use_where_it_fits


@pytest.mark.parametrize("key_heads", [4, 2, 1])
@pytest.mark.parametrize("length", [9, BLOCK, 2 * BLOCK + 1])
def test_products_are_causal_attention(key_heads: int, length: int) -> None:
    torch.manual_seed(0)
    query = torch.randn(2, 4, length, 8)
    key, value = torch.randn(2, key_heads, length, 8), torch.randn(2, key_heads, length, 8)
    found, _ = causal_products(torch.nn.Module(), query, key, value, None, scaling=8**-0.5)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    assert torch.allclose(found, expected.transpose(1, 2), atol=1e-6)


def test_padding_on_the_right_changes_nothing_before_it() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, 7, 4) for _ in range(3))
    whole, _ = causal_products(torch.nn.Module(), query, key, value, None, scaling=0.5)
    first = slice(0, 5)
    short, _ = causal_products(
        torch.nn.Module(), query[:, :, first], key[:, :, first], value[:, :, first], None, scaling=0.5
    )
    assert torch.allclose(whole[:, :5], short, atol=1e-6)


def test_long_rows_keep_torchs_kernel() -> None:
    config = Qwen2Config(
        vocab_size=16,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    model = Qwen2ForCausalLM(config)  # type: ignore[no-untyped-call]
    use_where_it_fits(model, rows=4, longest=16_000)
    assert model.config._attn_implementation != NAME
    use_where_it_fits(model, rows=4, longest=1024)
    assert model.config._attn_implementation == NAME
