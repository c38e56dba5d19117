"""Contracts: JSON Schemas of every artefact, typed records, fingerprints, shards."""
