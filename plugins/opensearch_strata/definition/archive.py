"""Where a dataset's raw days are archived: part of its definition. Pure models, no I/O."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator

from opensearch_strata.definition.loading.intake import split_s3_url
from opensearch_strata.definition.strict_model import Strict

Compression = Literal["zstd", "gzip"]
Percentile = Annotated[str, Field(pattern=r"^p(\d{1,2}(\.\d{1,3})?|100)$")]

STORAGE_CLASSES = ("STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
"""Those that S3 reads at any time: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html"""
COLD_CLASSES = ("GLACIER", "DEEP_ARCHIVE")

_WILDCARDS = "*?[]{}\\"
"""What one of the engines that read an archive where it lies takes for more than the character itself."""


class ArchiveSettings(Strict):
    """Where raw days go before they are deleted, and how."""

    bucket: str = Field(description="Bucket of the archive.")
    prefix: str = Field("", description="Where the archive begins in the bucket; a day is at <prefix>/dt=YYYY-MM-DD/.")
    before_delete: bool = Field(
        True, description="Archive a raw day when it leaves the window, and delete it only when its archive is proven."
    )
    after_days: int | None = Field(
        None, ge=1, description="Archive a day when it is this many days old; by default, not before it is deleted."
    )
    compression: Compression = Field("zstd", description="How objects are compressed.")
    storage_class: str = Field("STANDARD", description="Storage class of the objects; manifests are always STANDARD.")
    kms_key: str | None = Field(None, description="KMS key id or ARN for SSE-KMS; by default, the bucket's setting.")
    aws_conn_id: str = Field("aws_default", description="Airflow connection for the bucket.")
    prove: Literal["full", "sample"] = Field(
        "full", description="sample reads back one object in ten, at least one; full reads back all of them."
    )
    keep_superseded: bool = Field(False, description="Keep the objects of a day that was archived again later.")
    percentiles: list[Percentile] = Field(
        ["p50", "p90", "p99"],
        max_length=20,
        description="Percentiles of each sketch that the history's Parquet files hold as numbers.",
    )

    @field_validator("bucket")
    @classmethod
    def _bucket_is_a_name(cls, bucket: str) -> str:
        try:
            named, rest = split_s3_url(f"s3://{bucket}")
        except ValueError:
            named, rest = "", ""
        if named != bucket or rest:
            raise ValueError(f"{bucket!r} is not the name of a bucket; write the name alone, without s3:// and slashes")
        return bucket

    @field_validator("prefix")
    @classmethod
    def _prefix_is_a_folder(cls, prefix: str) -> str:
        if prefix.startswith("/") or "//" in prefix:
            raise ValueError(f"{prefix!r} has an empty folder name; write it like logs/flights/")
        if any(ord(character) < 32 for character in prefix) or not prefix.isprintable():
            raise ValueError("the prefix has a character that cannot be printed; write it like logs/flights/")
        if found := [character for character in _WILDCARDS if character in prefix]:
            raise ValueError(
                f"{prefix!r} contains {found[0]}, a wildcard of what reads archives where they lie (Athena, DuckDB, "
                f"Spark); write it like logs/flights/"
            )
        if "/dt=" in f"/{prefix}":
            raise ValueError(f"{prefix!r} has a folder that begins with dt=, as those of days do; name it otherwise")
        return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"

    @field_validator("storage_class")
    @classmethod
    def _class_can_be_read(cls, name: str) -> str:
        if name in COLD_CLASSES:
            raise ValueError(
                f"objects in {name} cannot be read back at once, so no archive could be proven; write them to STANDARD "
                f"and let a lifecycle rule of the bucket move them to {name} later"
            )
        if name not in STORAGE_CLASSES:
            raise ValueError(f"{name!r} is not a storage class; write one of {', '.join(STORAGE_CLASSES)}")
        return name

    @field_validator("percentiles")
    @classmethod
    def _percentiles_differ(cls, percentiles: list[str]) -> list[str]:
        if len(set(percentiles)) != len(percentiles):
            raise ValueError("percentiles names one twice; name each once")
        return percentiles

    def caveat(self, window_days: int) -> str:
        """That raw days are deleted without an archive, if so; else an empty text.

        :param window_days: length of the dataset's window
        """
        if self.before_delete or (self.after_days is not None and self.after_days <= window_days):
            return ""
        why = "after_days is not set" if self.after_days is None else "they leave the window before after_days"
        return (
            f"raw days are deleted without an archive, because before_delete is false and {why}. Remove before_delete, "
            f"or set after_days to at most {window_days}; or archive them by hand: strata archive."
        )

    def folder(self, day: date) -> str:
        """Key prefix of everything that is archived of a day, with its slash at the end.

        :param day: in the dataset's time zone
        """
        return f"{self.prefix}dt={day.isoformat()}/"

    @property
    def history_root(self) -> str:
        """Key prefix of all Parquet files of the history, with its slash at the end."""
        return f"{self.prefix}history/"

    def history_folder(self, day: date) -> str:
        """Key prefix of the Parquet files of a month of history, with its slash at the end.

        :param day: of the month
        """
        return f"{self.history_root}month={day:%Y-%m}/"

    def history_file(self, day: date) -> str:
        """Key of the Parquet file with the rows of a day.

        :param day: in the dataset's time zone
        """
        return f"{self.history_folder(day)}day={day.isoformat()}.parquet"

    @property
    def url(self) -> str:
        """Where the archive begins: ``s3://bucket/prefix/``."""
        return f"s3://{self.bucket}/{self.prefix}"
