"""Time of DIOR's vectors for several conditions: every picture read again for each, and once for all.

Models of random weights in the shape of Qwen2.5-VL and LLaVA, of the width and depth asked for; the vectors of both ways are
compared. Printed: seconds of both by turns (the median), their ratio, and how far apart rows lie at most.

python benchmarks/bench_prefix.py --conditions 1 2 4 8 --images 2 --width 128 --layers 4 --side 560
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from clay_eval.evaluator.methods.images.vlm_embedding import DIOR

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "evaluator" / "methods" / "images"))
from conftest import CHAT, byte_tokens


def language(tokens: Any, width: int, layers: int) -> dict[str, Any]:
    """The language model's shape."""
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": width // 64,
        "vocab_size": len(tokens),
        "max_position_embeddings": 8192,
        "bos_token_id": tokens.bos_token_id,
        "eos_token_id": tokens.eos_token_id,
        "pad_token_id": tokens.pad_token_id,
    }


def llava(width: int, layers: int, side: int) -> tuple[Any, Any]:
    """A LLaVA of random weights and its processor; a patch of 14 pixels is a token."""
    import transformers as t

    tokens = byte_tokens("<image>")
    side = side // 14 * 14
    tower = t.CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        image_size=side,
        patch_size=14,
    )
    config = t.LlavaConfig(
        vision_config=tower,
        text_config=t.LlamaConfig(**language(tokens, width, layers)),
        image_token_index=tokens.convert_tokens_to_ids("<image>"),
        image_seq_length=(side // 14) ** 2,
    )
    reader = t.CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    processor = t.LlavaProcessor(
        reader,
        tokens,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT.replace("IMAGE", "<image>"),
    )
    return t.LlavaForConditionalGeneration(config), processor


def qwen(width: int, layers: int, side: int) -> tuple[Any, Any]:
    """A Qwen2.5-VL of random weights and its processor; 28 x 28 pixels are a token."""
    import transformers as t

    tokens = byte_tokens("<|image_pad|>")
    number = tokens.convert_tokens_to_ids
    half = width // (width // 64) // 2
    sections = [half // 4, 3 * half // 8, half - half // 4 - 3 * half // 8]
    config = t.Qwen2_5_VLConfig(
        text_config={
            **language(tokens, width, layers),
            "rope_scaling": {"rope_type": "default", "mrope_section": sections},
        },
        vision_config={
            "depth": layers,
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_heads": width // 64,
            "fullatt_block_indexes": [layers - 1],
            "out_hidden_size": width,
        },
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    sizes: dict[str, Any] = {"size": {"shortest_edge": 28 * 28, "longest_edge": side * side}}
    processor = t.Qwen2_5_VLProcessor(
        t.Qwen2VLImageProcessor(**sizes),
        tokens,
        t.Qwen2VLVideoProcessor(**sizes),
        chat_template=CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return t.Qwen2_5_VLForConditionalGeneration(config), processor


def seconds(run: Any) -> float:
    """Processor seconds of one call, which other processes do not stretch; on an accelerator, by the clock."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    start = clock()
    run()
    return clock() - start


def one_by_one(method: DIOR, images: list[Image.Image], sets: list[list[str]]) -> list[Any]:
    """The vectors, every picture read again for each set of conditions."""
    return [method.encode(images, conditions) for conditions in sets]


def main() -> None:
    """Read the options, and print a line a model and number of conditions."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--conditions", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--side", type=int, default=560)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (asked.images, asked.side, asked.side, 3), dtype=np.uint8)
    images = [Image.fromarray(one) for one in pixels]
    for name, make in (("qwen2.5-vl", qwen), ("llava", llava)):
        torch.manual_seed(0)
        model, processor = make(asked.width, asked.layers, asked.side)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            processor.save_pretrained(folder)
            method = DIOR(folder, device=asked.device, max_side=asked.side)
            sets = [[f"condition {number}"] for number in range(max(asked.conditions))]
            at_once = method.encode_each
            at_once(images, sets[:2])
            for count in asked.conditions:
                some = sets[:count]
                pairs = [
                    (
                        seconds(partial(one_by_one, method, images, some)),
                        seconds(partial(at_once, images, some)),
                    )
                    for _ in range(asked.repeats)
                ]
                again, once = np.median(pairs, axis=0)
                apart = np.abs(np.subtract(at_once(images, some), one_by_one(method, images, some))).max()
                print(
                    f"{name:<11} {count:>2} conditions: again {again:.2f} s, once {once:.2f} s, "
                    f"{again / once:.2f} times faster; rows {apart:.1g} apart",
                    flush=True,
                )


if __name__ == "__main__":
    main()
