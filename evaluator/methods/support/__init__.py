"""What methods share: the protocol, the registry, specs, linear maps."""
