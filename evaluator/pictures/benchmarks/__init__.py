"""Published benchmarks where they lie on a disk, read as `ImageSource`s. Nothing is ever downloaded."""
