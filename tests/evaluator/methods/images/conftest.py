"""Models for image methods, tiny and randomly initialised, saved to folders as users have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

WIDTH = 16
TOWER: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
SPECIAL = [
    "<pad>",
    "<|start|>",
    "<|end|>",
    "<image>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
CHAT = (
    "{% for m in messages %}{{ m.role }}: {% for c in m.content %}{% if c.type == 'image' %}IMAGE"
    "{% else %}{{ c.text }}{% endif %}{% endfor %}{{ '\n' }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


def byte_tokens(image: str | None) -> Any:
    """Byte-level tokens, one a letter. image: the token that stands for a picture, where the tokenizer knows of it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<|start|>",  # noqa: S106
        eos_token="<|end|>",  # noqa: S106
        pad_token="<pad>",  # noqa: S106
        extra_special_tokens={"image_token": image, "video_token": "<|video_pad|>"} if image else {},
    )


def language(kind: Any, tokens: Any, **more: Any) -> Any:
    return kind(
        **TOWER,
        vocab_size=len(tokens),
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
        **more,
    )


def llava() -> tuple[Any, Any]:
    import transformers as t

    tokens = byte_tokens("<image>")
    config = t.LlavaConfig(
        vision_config=t.CLIPVisionConfig(**TOWER, image_size=16, patch_size=8, projection_dim=16),
        text_config=language(t.LlamaConfig, tokens),
        image_token_index=tokens.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
    )
    processor = t.LlavaProcessor(
        t.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        tokens,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT.replace("IMAGE", "<image>"),
    )
    return t.LlavaForConditionalGeneration(config), processor


def qwen3() -> tuple[Any, Any]:
    import transformers as t

    tokens = byte_tokens("<|image_pad|>")
    number = tokens.convert_tokens_to_ids
    config = t.Qwen3VLConfig(
        text_config=language(
            t.Qwen3VLTextConfig,
            tokens,
            head_dim=8,
            rope_scaling={"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True},
        ).to_dict(),
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 16,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    sizes: dict[str, Any] = {
        "patch_size": 4,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "size": {"shortest_edge": 256, "longest_edge": 4096},
    }
    processor = t.Qwen3VLProcessor(
        t.Qwen2VLImageProcessor(**sizes),
        tokens,
        t.Qwen3VLVideoProcessor(**sizes),
        chat_template=CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return t.Qwen3VLForConditionalGeneration(config), processor


def qwen2_5() -> tuple[Any, Any]:
    import transformers as t

    tokens = byte_tokens("<|image_pad|>")
    number = tokens.convert_tokens_to_ids
    config = t.Qwen2_5_VLConfig(
        text_config=language(
            t.Qwen2_5_VLTextConfig, tokens, rope_scaling={"rope_type": "default", "mrope_section": [1, 1, 2]}
        ).to_dict(),
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 16,
            "fullatt_block_indexes": [1],
            "out_hidden_size": 16,
        },
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    sizes: dict[str, Any] = {
        "patch_size": 4,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "size": {"shortest_edge": 256, "longest_edge": 4096},
    }
    processor = t.Qwen2_5_VLProcessor(
        t.Qwen2VLImageProcessor(**sizes),
        tokens,
        t.Qwen2VLVideoProcessor(**sizes),
        chat_template=CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return t.Qwen2_5_VLForConditionalGeneration(config), processor


def instructblip() -> tuple[Any, Any]:
    import transformers as t

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz?"]
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    reader = t.BertTokenizer(vocab={word: number for number, word in enumerate(words)})
    tokens = byte_tokens(None)
    config = t.InstructBlipConfig(
        vision_config=t.InstructBlipVisionConfig(**TOWER, image_size=16, patch_size=8, initializer_range=0.2),
        qformer_config=t.InstructBlipQFormerConfig(
            vocab_size=len(words),
            hidden_size=24,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            encoder_hidden_size=WIDTH,
            initializer_range=0.2,
        ),
        text_config=t.OPTConfig(
            vocab_size=len(tokens),
            hidden_size=8,
            ffn_dim=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            word_embed_proj_dim=8,
            bos_token_id=tokens.bos_token_id,
            eos_token_id=tokens.eos_token_id,
            pad_token_id=tokens.pad_token_id,
        ),
        num_query_tokens=5,
        image_token_index=tokens.convert_tokens_to_ids("<image>"),
    )
    processor = t.InstructBlipProcessor(
        t.BlipImageProcessor(size={"height": 16, "width": 16}), tokens, reader, num_query_tokens=5
    )
    return t.InstructBlipForConditionalGeneration(config), processor


FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava": llava,
    "qwen2_5": qwen2_5,
    "qwen3": qwen3,
    "instructblip": instructblip,
}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny model, written when it is first asked for. Not to be altered."""
    import torch

    root = tmp_path_factory.mktemp("models")

    def get(family: str) -> Path:
        folder = root / family
        if not folder.exists():
            with torch.random.fork_rng():
                torch.manual_seed(7)
                model, processor = FAMILIES[family]()
                if family == "instructblip":
                    torch.nn.init.normal_(model.query_tokens)
            model.eval().save_pretrained(folder)
            processor.save_pretrained(folder)
        return Path(folder)

    return get


@pytest.fixture(scope="session")
def images() -> list[Image.Image]:
    """Seven pictures of noise, of five sizes."""
    rng = np.random.default_rng(0)
    sizes = [(32, 32), (50, 40), (32, 32), (16, 64), (9, 8), (40, 50), (32, 32)]
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
