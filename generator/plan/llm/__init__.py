"""Planning with a language model: entity specs, contradictions, prompt phrasings and condition texts."""
