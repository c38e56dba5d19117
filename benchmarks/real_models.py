"""Models in the sizes of published ones, of random weights: time and memory do not depend on what the weights are.

Every builder makes its model where it is told to (a GPU initialises billions of weights in seconds), in the number format it
is told; on torch's "meta" device that costs no memory, and shows how many parameters there are. With `small` the same
architecture has the least sizes that work. Configurations are those of the model cards on the Hugging Face Hub and of
open_clip. Tokenizers have CLIP's vocabulary, which open_clip brings along; T5's knows single letters, and is padded anyway.
"""

from __future__ import annotations

import logging
import string
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import open_clip
import torch
import transformers
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from open_clip.tokenizer import SimpleTokenizer
from tokenizers import AddedToken, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    SiglipConfig,
    SiglipModel,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Make = Callable[[], Any]

OPEN_CLIP = {"vit-b-32": "ViT-B-32", "vit-l-14": "ViT-L-14"}
TINY_TOWERS: Mapping[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
SO400M: Mapping[str, Any] = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
}
TINY: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
UNET: Mapping[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
TINY_UNET: Mapping[str, Any] = {
    "sample_size": 8,
    "block_out_channels": (32, 32, 64),
    "layers_per_block": 1,
    "transformer_layers_per_block": 1,
    "attention_head_dim": [1, 2, 2],
    "cross_attention_dim": 64,
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 32,
}
VAE: Mapping[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "sample_size": 1024,
}
TINY_VAE: Mapping[str, Any] = {
    "block_out_channels": (8, 8, 8, 8),
    "norm_num_groups": 4,
    "layers_per_block": 1,
}
FLUX: Mapping[str, Any] = {
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": False,
}
TINY_FLUX: Mapping[str, Any] = {
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 32,
    "axes_dims_rope": (4, 4, 8),
}
T5_XXL: Mapping[str, Any] = {"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
TINY_T5: Mapping[str, Any] = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 2}
QWEN_TEXT: Mapping[str, Any] = {
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128000,
    "rms_norm_eps": 1e-6,
}
QWEN_VISION: Mapping[str, Any] = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 2048,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "tokens_per_second": 2,
}
TINY_QWEN_VISION: Mapping[str, Any] = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 2,
    "out_hidden_size": 32,
    "fullatt_block_indexes": [1],
}
CHAT = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}{% if c.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_TOKENS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)


@contextmanager
def built_on(device: str, precision: str) -> Iterator[None]:
    """What is built inside lies on `device`, its weights in the format `precision`."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(DTYPES[precision])
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


def build(make: Make, device: str, precision: str = "fp32") -> Any:
    """The model that `make` makes, in evaluation mode, without gradients."""
    with built_on(device, precision):
        model = make()
    return model.eval().requires_grad_(False)


def parameters(makes: Mapping[str, Make]) -> dict[str, int]:
    """Parameters of each model; nothing is allocated."""
    return {name: sum(p.numel() for p in build(make, "meta").parameters()) for name, make in makes.items()}


def encoder_towers(name: str, small: bool, precision: str = "fp32") -> dict[str, Make]:
    """An encoder of `OPEN_CLIP`, which casts its weights to `precision` itself and is to be built in fp32, or "so400m"."""

    def open_clip_model() -> Any:
        sizes = TINY_TOWERS if small else {}
        device = torch.get_default_device()
        return open_clip.create_model(OPEN_CLIP[name], precision=precision, device=device, **sizes)

    if name in OPEN_CLIP:
        return {"towers": open_clip_model}
    tower = TINY if small else SO400M
    config = SiglipConfig(
        text_config={**tower, "vocab_size": 256000, "max_position_embeddings": 64},
        vision_config={**tower, "image_size": 56 if small else 384, "patch_size": 14},
    )
    return {"towers": lambda: SiglipModel(config)}


def sdxl_models(small: bool) -> dict[str, Make]:
    """The networks of Stable Diffusion XL base 1.0."""
    second = _clip_text(1280, 32, 20, "gelu", small)
    vae = {**VAE, **(TINY_VAE if small else {}), "scaling_factor": 0.13025}
    return {
        "unet": lambda: UNet2DConditionModel(**{**UNET, **(TINY_UNET if small else {})}),
        "vae": lambda: AutoencoderKL(**vae),
        "text_encoder": lambda: CLIPTextModel(_clip_text(768, 12, 12, "quick_gelu", small)),
        "text_encoder_2": lambda: CLIPTextModelWithProjection(second),
    }


def flux_models(small: bool) -> dict[str, Make]:
    """The networks of FLUX.1-schnell."""
    convolutions = {"use_quant_conv": False, "use_post_quant_conv": False}
    scale = {"latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159}
    t5 = T5Config(
        vocab_size=32128,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        **(TINY_T5 if small else T5_XXL),
    )
    vae = {**VAE, **(TINY_VAE if small else {}), **convolutions, **scale}
    return {
        "transformer": lambda: FluxTransformer2DModel(**{**FLUX, **(TINY_FLUX if small else {})}),
        "vae": lambda: AutoencoderKL(**vae),
        "text_encoder": lambda: CLIPTextModel(_clip_text(768, 12, 12, "quick_gelu", small)),
        "text_encoder_2": lambda: T5EncoderModel(t5),
    }


def qwen_models(small: bool, tokens: Any = None) -> dict[str, Make]:
    """Qwen2.5-VL-3B; `tokens` says which numbers stand for pictures, where it is to be run."""
    number = QWEN_TOKENS.index if tokens is None else tokens.convert_tokens_to_ids
    special = {
        "image_token_id": number("<|image_pad|>"),
        "video_token_id": number("<|video_pad|>"),
        "vision_start_token_id": number("<|vision_start|>"),
        "vision_end_token_id": number("<|vision_end|>"),
    }
    turn = {"rope_type": "default", "mrope_section": [2, 3, 3] if small else [16, 24, 24]}
    config = Qwen2_5_VLConfig(
        text_config={
            **QWEN_TEXT,
            **(TINY if small else {}),
            "rope_theta": 1e6,
            "rope_scaling": turn,
            "tie_word_embeddings": True,
        },
        vision_config={**QWEN_VISION, **(TINY_QWEN_VISION if small else {})},
        tie_word_embeddings=True,
        **special,
    )
    return {"model": lambda: Qwen2_5_VLForConditionalGeneration(config)}


def sdxl_pipeline(networks: Mapping[str, Any]) -> Any:
    """Stable Diffusion XL of networks that are built."""
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    return StableDiffusionXLPipeline(
        **networks,
        tokenizer=clip_tokens(),
        tokenizer_2=clip_tokens(),
        scheduler=scheduler,
        add_watermarker=False,
    )


def flux_pipeline(networks: Mapping[str, Any]) -> Any:
    """FLUX.1-schnell of networks that are built."""
    return FluxPipeline(
        **networks,
        tokenizer=clip_tokens(),
        tokenizer_2=letter_tokens(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
    )


def clip_tokens() -> Any:
    """CLIP's own tokenizer, of the vocabulary that open_clip brings along."""
    known = SimpleTokenizer()
    renamed = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    pieces = {renamed.get(piece, piece): number for piece, number in known.encoder.items()}
    return CLIPTokenizer(vocab=pieces, merges=list(known.bpe_ranks), model_max_length=77)


def word_tokens(*special: str, ending: str = "") -> Any:
    """CLIP's words with other special tokens, and `ending` behind every text."""
    made = clip_tokens().backend_tokenizer
    made.add_special_tokens([AddedToken(token, special=True) for token in special])
    numbers = [(ending, made.token_to_id(ending))] if ending else []
    made.post_processor = processors.TemplateProcessing(f"$A {ending}".strip(), special_tokens=numbers)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<|endoftext|>",  # noqa: S106
        eos_token="<|endoftext|>",  # noqa: S106
        extra_special_tokens={"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
        if "<|image_pad|>" in special
        else {},
    )


def letter_tokens() -> Any:
    """T5's tokenizer of single letters, padded to 512 as FLUX asks for."""
    letters = [("▁", -2.0), *((letter, -3.0) for letter in string.ascii_letters + string.digits + ",.-")]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return T5TokenizerFast(vocab=[*special, *letters], extra_ids=0, model_max_length=512)


def qwen_processor(small: bool) -> Any:
    """How Qwen2.5-VL reads pictures and texts; 28 x 28 pixels are a token."""
    sizes: dict[str, Any] = {"size": {"shortest_edge": 3136, "longest_edge": 12544 if small else 12845056}}
    return Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(**sizes),
        word_tokens(*QWEN_TOKENS),
        Qwen2VLVideoProcessor(**sizes),
        chat_template=CHAT,
    )


def _clip_text(width: int, layers: int, heads: int, activation: str, small: bool) -> Any:

    tower = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
    }
    return CLIPTextConfig(
        **(TINY if small else tower),
        vocab_size=49408,
        max_position_embeddings=77,
        hidden_act=activation,
        projection_dim=32 if small else width,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=49407,
    )


def hush() -> None:
    """No remarks of the libraries on models that were not trained."""
    transformers.utils.logging.set_verbosity_error()
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    logging.getLogger().setLevel(logging.ERROR)
