"""Methods, one file each; `support` holds what they share, `images` those that embed pictures anew."""
