"""The embedded diffusion pipeline: a diffusers model folder."""
