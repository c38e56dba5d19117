"""Makes a release, a data set as it is published, from a run's finished shards."""
