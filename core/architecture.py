"""The sizes of a decoder that decide how many weights it has and what training it takes.

They come from its `config.json`, from a table of configs that their makers published, or, only where an estimate
will do, from the size in its name.  `source` says which: the last is never shown as exact.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

Source = Literal["config.json", "published config", "size in the name"]
_SIZE_IN_NAME = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[Bb](?![a-z])")
_OWNERS = {"qwen", "meta-llama", "mistralai", "unsloth"}
_VARIANT = re.compile(r"-(instruct|base|chat)$")


@dataclass(frozen=True)
class Architecture:
    """A decoder of the Llama family: rotary attention with grouped keys, and a gated feed-forward part."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocabulary: int
    tied: bool
    """Whether the output layer is the embedding."""
    attention_bias: bool = False
    qk_norm: bool = False
    source: Source = "config.json"

    @property
    def is_exact(self) -> bool:
        """Whether counts made of it are those of the model."""
        return self.source != "size in the name"

    @property
    def query_width(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """Width in and out of each linear layer of a block, by the name that LoRA knows it by."""
        return {
            "q_proj": (self.hidden, self.query_width),
            "k_proj": (self.hidden, self.kv_width),
            "v_proj": (self.hidden, self.kv_width),
            "o_proj": (self.query_width, self.hidden),
            "gate_proj": (self.hidden, self.ffn),
            "up_proj": (self.hidden, self.ffn),
            "down_proj": (self.ffn, self.hidden),
        }

    @property
    def linear_parameters(self) -> int:
        """Weights of the blocks' linear layers: what a 4-bit base keeps in 4 bits."""
        return self.layers * sum(wide * high for wide, high in self.projections.values())

    @property
    def embedding_parameters(self) -> int:
        """Weights of the embedding, and of the output layer where that is another."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights, norms and biases included."""
        biases = self.query_width + 2 * self.kv_width if self.attention_bias else 0
        norms = 2 * self.hidden + (2 * self.head_dim if self.qk_norm else 0)
        return self.linear_parameters + self.embedding_parameters + self.layers * (biases + norms) + self.hidden


def from_config(config: dict[str, Any]) -> Architecture | None:
    """What a `config.json` says, or None where it lacks a part."""
    keys = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
    hidden, layers, heads, ffn, vocabulary = (_size(config.get(key)) for key in keys)
    if not (hidden and layers and heads and ffn and vocabulary):
        return None
    kinds = {str(kind) for kind in config.get("architectures") or ()}
    is_qwen2, is_qwen3 = "Qwen2ForCausalLM" in kinds, "Qwen3ForCausalLM" in kinds
    return Architecture(
        hidden,
        layers,
        heads,
        kv_heads=_size(config.get("num_key_value_heads")) or heads,
        head_dim=_size(config.get("head_dim")) or hidden // heads,
        ffn=ffn,
        vocabulary=vocabulary,
        tied=bool(config.get("tie_word_embeddings", False)),
        attention_bias=is_qwen2 or bool(config.get("attention_bias", False)),
        qk_norm=is_qwen3,
    )


def of_hub_name(name: str) -> Architecture | None:
    """Of a hub model that is not here: its published config, else a usual shape for the size in its name, or None."""
    owner, _, last = name.lower().rpartition("/")
    known = _PUBLISHED.get(_VARIANT.sub("", last)) if owner in _OWNERS else None
    return known or _usual(last)


def _usual(name: str) -> Architecture | None:
    found = _SIZE_IN_NAME.findall(name)
    if not found or not float(found[-1]):
        return None
    billions = float(found[-1])
    heads = max(1, round((1150 * billions**0.5 + 600) / 128))
    hidden, ffn = heads * 128, heads * 512
    layers = max(1, round(billions * 1e9 / (4 * hidden**2 + 3 * hidden * ffn)))
    return Architecture(hidden, layers, heads, heads, 128, ffn, 152_000, tied=True, source="size in the name")


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _published(
    hidden: int, layers: int, heads: int, kv_heads: int, head_dim: int, ffn: int, vocabulary: int, *flags: str
) -> Architecture:
    return Architecture(
        hidden, layers, heads, kv_heads, head_dim, ffn, vocabulary,
        tied="tied" in flags, attention_bias="bias" in flags, qk_norm="qk_norm" in flags, source="published config",
    )  # fmt: skip


# The models' own config.json files; a test holds their totals against the counts on their pages.
_PUBLISHED = {
    "qwen2.5-0.5b": _published(896, 24, 14, 2, 64, 4864, 151_936, "tied", "bias"),
    "qwen2.5-1.5b": _published(1536, 28, 12, 2, 128, 8960, 151_936, "tied", "bias"),
    "qwen2.5-3b": _published(2048, 36, 16, 2, 128, 11_008, 151_936, "tied", "bias"),
    "qwen2.5-7b": _published(3584, 28, 28, 4, 128, 18_944, 152_064, "bias"),
    "qwen2.5-14b": _published(5120, 48, 40, 8, 128, 13_824, 152_064, "bias"),
    "qwen3-0.6b": _published(1024, 28, 16, 8, 128, 3072, 151_936, "tied", "qk_norm"),
    "llama-3.2-1b": _published(2048, 16, 32, 8, 64, 8192, 128_256, "tied"),
    "llama-3.2-3b": _published(3072, 28, 24, 8, 128, 8192, 128_256, "tied"),
    "llama-3.1-8b": _published(4096, 32, 32, 8, 128, 14_336, 128_256),
    "mistral-7b-v0.3": _published(4096, 32, 32, 8, 128, 14_336, 32_768),
}
