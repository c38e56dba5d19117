"""Two-tower models of transformers, tiny and randomly initialised, saved to folders as users have them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
CLIP_CONTEXT = 12


def clip_tokenizer() -> Any:
    """CLIP's tokenizer over single bytes: every letter is a token."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])


def siglip_tokenizer(folder: Path) -> Any:
    """SigLIP's own tokenizer over a SentencePiece model that is trained here, on a few words."""
    import sentencepiece
    from transformers import SiglipTokenizer

    words = [
        "a photo of a red shoe",
        "someone running on a beach",
        "blue green yellow black white",
        "abcdefghi",
    ]
    stream = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words * 20),
        model_writer=stream,
        vocab_size=48,
        model_type="unigram",
        hard_vocab_limit=False,
        bos_id=-1,
        pad_id=-1,
        eos_id=1,
        unk_id=2,
        control_symbols=["<pad>"],
        minloglevel=2,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(stream.getvalue())
    return SiglipTokenizer(str(folder / "spiece.model"))


def siglip2_tokenizer() -> Any:
    """Gemma's kind of tokens, as SigLIP 2 has them, one a letter; by its files padded on the left, which is wrong."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    pieces = [*special, "▁", *map(chr, range(ord("!"), ord("~") + 1))]
    made = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(pieces)}, merges=[], unk_token="<unk>"))  # noqa: S106
    made.normalizer = normalizers.Replace(" ", "▁")
    made.add_special_tokens([AddedToken(token, special=True) for token in special])
    made.post_processor = processors.TemplateProcessing("$A <eos>", "$A $B <eos>", [("<eos>", 1)])
    tokens = dict(
        zip(("pad_token", "eos_token", "bos_token", "unk_token", "mask_token"), special, strict=True)
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, padding_side="left", **tokens)


def _siglip_text(tokens: Any) -> dict[str, Any]:
    special = {"bos_token_id": None, "eos_token_id": tokens.eos_token_id, "pad_token_id": tokens.pad_token_id}
    return {**TOWER, **special, "vocab_size": len(tokens), "max_position_embeddings": 64}


def save_tower(family: str, folder: Path) -> Path:
    """Write a model of "clip", "siglip" or "siglip2" (naflex) with its processor to `folder`."""
    import torch
    import transformers as t

    with torch.random.fork_rng():
        torch.manual_seed(5)
        if family == "clip":
            tokens = clip_tokenizer()
            model: Any = t.CLIPModel(
                t.CLIPConfig(
                    text_config={
                        **TOWER,
                        "vocab_size": len(tokens),
                        "max_position_embeddings": CLIP_CONTEXT,
                        "bos_token_id": tokens.bos_token_id,
                        "eos_token_id": tokens.eos_token_id,
                    },
                    vision_config={**TOWER, "image_size": 16, "patch_size": 8},
                    projection_dim=24,
                )
            )
            pictures: Any = t.CLIPImageProcessor(
                size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
            )
        elif family == "siglip":
            tokens = siglip_tokenizer(folder)
            model = t.SiglipModel(
                t.SiglipConfig(
                    text_config=_siglip_text(tokens),
                    vision_config={**TOWER, "image_size": 16, "patch_size": 8},
                )
            )
            pictures = t.SiglipImageProcessor(size={"height": 16, "width": 16})
        else:
            tokens = siglip2_tokenizer()
            model = t.Siglip2Model(
                t.Siglip2Config(
                    text_config=_siglip_text(tokens),
                    vision_config={**TOWER, "patch_size": 4, "num_patches": 16},
                )
            )
            pictures = t.Siglip2ImageProcessor(patch_size=4, max_num_patches=16)
        with torch.no_grad():
            model.logit_scale.fill_(3.0)
    model.eval().save_pretrained(folder)
    pictures.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder
