from __future__ import annotations

import uuid

import pytest


@pytest.fixture
def memory_bucket() -> str:
    """A folder by URL; the memory store stands for a remote one (a real S3 server: test_remote.py)."""
    return f"memory://bucket-{uuid.uuid4().hex}/data"
