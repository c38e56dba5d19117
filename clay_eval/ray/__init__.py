"""Ray: shards and pictures over a cluster, with the same files as one machine."""
