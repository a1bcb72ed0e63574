import errno
import os

import av.error
import pytest

from reage.video.opening import decoding_fault


def fault(number):
    return decoding_fault(av.error.FFmpegError(number, os.strerror(number)))


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOSYS])
def test_numbers_of_decoders_are_no_words_of_the_system(number):
    assert fault(number) == "a frame that does not decode"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM])
def test_failing_disk_or_full_memory_is_said_as_the_system_says_it(number):
    assert fault(number) == os.strerror(number)
