import sys

import pytest

from mobilekit.core.errors import RuntimeUnavailableError
from mobilekit.runtime import open_model


@pytest.mark.skipif(sys.platform == "darwin", reason="says what happens away from macOS")
def test_says_what_to_use_away_from_macos(tmp_path):
    path = tmp_path / "net.mlpackage"
    path.mkdir()
    with pytest.raises(RuntimeUnavailableError, match="use --runtime coreml-reference"):
        open_model(path, "coreml")
