"""Train the embedded judge: a second small CLIP, of another architecture and with other random numbers than the encoder.

    python data/training/pictures.py --out checkpoints/pool --count 24000
    python data/training/train_judge.py --pool checkpoints/pool --work checkpoints/judge

Its image tower is a ConvNeXt where the encoder's is a ResNet. What was said of train_encoder.py holds here too. The
alignment filter asks this model, so that the encoder that a demonstration is scored with did not choose its pictures.
"""

from __future__ import annotations

import logging

from loop import options_of
from train_encoder import CONFIG, train

JUDGE = {
    **CONFIG,
    "model_cfg": {
        "embed_dim": 128,
        "vision_cfg": {
            "image_size": 64,
            "timm_model_name": "convnext_zepto_rms",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
        },
        "text_cfg": {"context_length": 48, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2},
    },
}


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(options_of(__doc__, steps=1600, batch=256, lr=2e-3, seed=1), JUDGE, "judge")


if __name__ == "__main__":
    main()
