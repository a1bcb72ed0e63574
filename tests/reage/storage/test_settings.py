import pytest

from reage.storage import (
    S3Storage,
    StorageError,
    StorageSettings,
)

MEBIBYTE = 1 << 20


def test_s3_settings_come_from_the_environment_unless_given(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://general")
    assert StorageSettings().resolved().endpoint_url == "http://general"
    monkeypatch.setenv("REAGE_S3_ENDPOINT_URL", "http://special")
    monkeypatch.setenv("REAGE_S3_REGION", "eu-north-1")
    monkeypatch.setenv("REAGE_S3_ADDRESSING_STYLE", "path")
    monkeypatch.setenv("REAGE_S3_CHECKSUM_MODE", "when_supported")
    resolved = StorageSettings(region="us-west-2").resolved()
    assert resolved.endpoint_url == "http://special"
    assert resolved.region == "us-west-2"
    assert resolved.addressing_style == "path"
    assert resolved.checksum_mode == "when_supported"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"endpoint_url": "storage.local:9000"}, "endpoint_url"),
        ({"addressing_style": "none"}, "addressing_style"),
        ({"checksum_mode": "always"}, "checksum_mode"),
        ({"part_bytes": 1024}, "part_bytes"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"read_timeout_s": 0}, "read_timeout_s"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_s3_settings_that_cannot_work_are_refused_by_name(values, named):
    with pytest.raises(StorageError, match=rf"storage settings: .*{named}.*expected"):
        StorageSettings.from_mapping(values)


def test_s3_environment_that_cannot_work_is_refused_by_name(monkeypatch, s3_server):
    monkeypatch.setenv("REAGE_S3_ADDRESSING_STYLE", "sideways")
    with pytest.raises(StorageError, match="addressing_style: got 'sideways'"):
        S3Storage("bucket", settings=s3_server.settings)
