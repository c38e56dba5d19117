"""Vision-language models of real families, tiny and randomly initialised, saved as users have them; and small judges."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

IMAGE, START, END = "<image>", "<|start|>", "<|end|>"
_SPECIAL = [
    "<pad>",
    START,
    END,
    IMAGE,
    "<fake_token_around_image>",
    "<global-img>",
    "<end_of_utterance>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
_WORDS = ("Yes", "yes", "No", "no")
_CHAT = (
    "{{ bos_token }}{% for m in messages %}USER: {% for c in m.content %}"
    "{% if c.type == 'image' %}IMAGE{% else %}{{ c.text }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)


def tokenizer(words: tuple[str, ...], image: str = IMAGE) -> Any:
    """Byte-level BPE whose only merges make `words`, with and without a space before them. image: stands for a picture."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges: list[tuple[str, str]] = []
    for word in words:
        for end in range(1, len(word)):
            merges.append((word[:end], word[end]))
        merges.append(("Ġ", word))
    pieces += ["".join(pair) for pair in merges]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, special=True) for token in _SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=START,
        eos_token=END,
        pad_token="<pad>",  # noqa: S106
        extra_special_tokens={
            "image_token": image,
            "video_token": "<|video_pad|>",
            "fake_image_token": "<fake_token_around_image>",
            "global_image_token": "<global-img>",
            "end_of_utterance_token": "<end_of_utterance>",
        },
    )


def _llava(words: tuple[str, ...], chat: bool = True) -> tuple[Any, Any]:
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokens = tokenizer(words)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=16,
                patch_size=8,
                projection_dim=16,
            ),
            text_config=_text(LlamaConfig, tokens),
            image_token_index=tokens.convert_tokens_to_ids(IMAGE),
            image_seq_length=4,
        )
    )
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        tokens,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_CHAT.replace("IMAGE", IMAGE) if chat else None,
    )
    return model, processor


def _idefics3(words: tuple[str, ...]) -> tuple[Any, Any]:
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessor,
        Idefics3Processor,
        LlamaConfig,
    )

    tokens = tokenizer(words)
    model = Idefics3ForConditionalGeneration(
        Idefics3Config(
            vision_config={
                "hidden_size": 16,
                "intermediate_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 32,
                "patch_size": 8,
            },
            text_config=_text(LlamaConfig, tokens),
            scale_factor=2,
            image_token_id=tokens.convert_tokens_to_ids(IMAGE),
            pad_token_id=tokens.pad_token_id,
        )
    )
    pictures = Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    chat = _CHAT.replace("IMAGE", IMAGE)
    return model, Idefics3Processor(pictures, tokens, image_seq_len=4, chat_template=chat)


def _qwen(words: tuple[str, ...]) -> tuple[Any, Any]:
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLTextConfig,
        Qwen2VLVideoProcessor,
    )

    tokens = tokenizer(words, "<|image_pad|>")
    number = tokens.convert_tokens_to_ids
    model = Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            text_config=_text(
                Qwen2VLTextConfig,
                tokens,
                rope_scaling={"type": "mrope", "mrope_section": [1, 1, 2]},
            ).to_dict(),
            vision_config={
                "depth": 2,
                "embed_dim": 16,
                "hidden_size": 16,
                "num_heads": 2,
                "mlp_ratio": 2,
                "patch_size": 4,
                "spatial_merge_size": 2,
                "temporal_patch_size": 2,
            },
            image_token_id=number("<|image_pad|>"),
            video_token_id=number("<|video_pad|>"),
            vision_start_token_id=number("<|vision_start|>"),
            vision_end_token_id=number("<|vision_end|>"),
        )
    )
    sizes: dict[str, Any] = {
        "patch_size": 4,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "min_pixels": 256,
        "max_pixels": 1024,
    }
    processor = Qwen2VLProcessor(
        Qwen2VLImageProcessor(**sizes),
        tokens,
        Qwen2VLVideoProcessor(**sizes),
        chat_template=_CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return model, processor


def _text(kind: Any, tokens: Any, **more: Any) -> Any:
    return kind(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
        **more,
    )


FAMILIES: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "llava": lambda: _llava(_WORDS),
    "llava-without-chat": lambda: _llava(_WORDS, chat=False),
    "llava-without-yes": lambda: _llava(("No", "no")),
    "idefics3": lambda: _idefics3(_WORDS),
    "qwen2-vl": lambda: _qwen(_WORDS),
}


@pytest.fixture(scope="session")
def vlms(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny model, written when it is first asked for. Not to be altered."""
    import torch

    root = tmp_path_factory.mktemp("vlms")

    def get(family: str) -> Path:
        folder = root / family
        if not folder.exists():
            with torch.random.fork_rng():
                torch.manual_seed(3)
                model, processor = FAMILIES[family]()
            model.eval().save_pretrained(folder)
            processor.save_pretrained(folder)
        return Path(folder)

    return get


@pytest.fixture
def llava(vlms: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the tiny LLaVA, to be altered."""
    return Path(shutil.copytree(vlms("llava"), tmp_path / "llava"))
