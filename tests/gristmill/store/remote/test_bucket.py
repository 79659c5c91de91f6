"""Failures of a shared store told by what they are, whatever words its server has for them."""

from typing import NoReturn

import pytest
from botocore.exceptions import ClientError
from s3fs.errors import translate_boto_error

from gristmill.errors import StoreError
from gristmill.store.remote.bucket import Bucket


def translate(answer: ClientError, caused: bool) -> NoReturn:
    """Raise the error that s3fs makes of an answer, in the two ways in which it does."""
    try:
        raise answer
    except ClientError as error:
        raise translate_boto_error(error, set_cause=caused)  # noqa: B904 - as s3fs does


@pytest.mark.parametrize("caused", [True, False])
def test_a_bucket_that_is_not_there_is_known_by_the_code_of_the_answer(caused: bool) -> None:
    answer = ClientError({"Error": {"Code": "NoSuchBucket", "Message": "Unknown"}}, "PutObject")

    with pytest.raises(StoreError) as raised, Bucket("s3://none/prefix")._access("file"):
        translate(answer, caused)

    assert str(raised.value) == "s3://none/prefix: Unknown. Create it, or correct GRISTMILL_STORE or [defaults] store."


def test_a_file_that_is_not_there_is_for_the_caller_though_its_name_sounds_like_a_missing_bucket() -> None:
    with pytest.raises(FileNotFoundError), Bucket("s3://some/prefix")._access("file"):
        raise FileNotFoundError("a bucket does not exist.txt")
