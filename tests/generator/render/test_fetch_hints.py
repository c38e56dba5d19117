"""Running a model's code is advised only where the libraries ask for it."""

import pytest

from clay_eval.generator.render.fetch_hints import fetch_hint


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("Using SOCKS proxy, but the 'socksio' package is not installed."), "HTTPS_PROXY"),
        (ValueError("Unknown scheme for proxy URL URL('foo://x')"), "HTTPS_PROXY"),
        (ImportError("No module named 'sentencepiece'"), "install the package"),
        (ValueError("no file named model_index.json"), "fetch the whole model again"),
        (ValueError("it contains custom code; pass trust_remote_code=True"), "--trust-remote-code"),
        (AttributeError("module diffusers has no attribute TheirPipeline"), "--trust-remote-code"),
    ],
)
def test_hints(error: Exception, said: str) -> None:
    hint = fetch_hint(error)
    assert said in hint
    assert ("--trust-remote-code" in hint) == (said == "--trust-remote-code")
