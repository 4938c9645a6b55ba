"""Tells two configurations apart by their values in force."""

import hashlib
import json
from typing import Any


def digest_of(effective: dict[str, Any]) -> str:
    """Sixteen characters for what ``Config.effective`` gives, so secrets aside."""
    text = json.dumps(effective, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
