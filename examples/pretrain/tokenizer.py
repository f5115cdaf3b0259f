"""Train the byte-level BPE tokenizer: `python -m examples.pretrain.tokenizer OUT_DIR`.

Copying must be token for token, so a run of letters is always cut alone: the same word is the same tokens after a
space, after a quote or at the start of a line. Characters that may begin or end a value (digits, `@ . ( -` and so on)
stay single. Only the signs that structure JSON and markup merge with each other.

transformers 5 puts Qwen's own pre-tokenizer in place of ours for `model_type: qwen2`. Both cut alike in the end,
because ours only cuts Qwen's pieces further, and the training never saw a merge across one of our cuts.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from examples.pretrain.text import document

VOCABULARY = 1024
CONTEXT = 2048
END_OF_TEXT = "<|endoftext|>"
TURN_MARKS = ("<|im_start|>", "<|im_end|>")
TOOL_MARKS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
TEMPLATE = Path(__file__).with_name("chat_template.jinja")

QWEN_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
COPY_SAFE_PIECES = r'\p{L}+|["{}\[\]:,<>\s]+|[^\p{L}"{}\[\]:,<>\s]'

# Ordinary words of instructions and schemas; the pre-training text is thin on some of them.
INSTRUCTIONS = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with "
    "function signatures "
    "within tools XML tags:\n\nFor each function call, return a json object with function name and arguments "
    "within XML tags: "
    "You are a helpful assistant. system user assistant name arguments function parameters"
)


def corpus(documents: int) -> Iterator[str]:
    rng = Random(11)
    for _ in range(documents):
        yield document(rng)
    for _ in range(documents // 10):
        yield INSTRUCTIONS


def train_bpe(documents: int = 16_000) -> Tokenizer:
    """1,024 entries: 3 special tokens, 256 bytes, the merges, and last the 4 tool marks."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in (QWEN_PIECES, COPY_SAFE_PIECES)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(TOOL_MARKS),
        special_tokens=[END_OF_TEXT, *TURN_MARKS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(documents), trainer)
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in TOOL_MARKS])
    return tokenizer


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """As a Qwen base model has it: ends and pads with <|endoftext|>, knows the chat marks, carries the template."""
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        additional_special_tokens=list(TURN_MARKS),
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
    )
    wrapped.chat_template = TEMPLATE.read_text(encoding="utf-8")
    return wrapped


def main(out_dir: str) -> None:
    tokenizer = wrap(train_bpe())
    assert len(tokenizer) == VOCABULARY
    tokenizer.save_pretrained(out_dir)
    print(f"{len(tokenizer)} entries in {out_dir}")


if __name__ == "__main__":
    main(sys.argv[1])
