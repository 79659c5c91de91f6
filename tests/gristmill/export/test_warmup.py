"""Warm-up requests are messages of TensorFlow Serving, byte by byte."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from gristmill.export import warmup

# PredictionLog(predict_log=PredictLog(request=PredictRequest(…))), serialised by tensorflow-serving-api 2.21
OFFICIAL = "322e0a2c0a0f1a0d73657276696e675f627974657312190a07656e636f646564120e0807120412020801420400504e47"


def test_a_record_has_the_bytes_of_the_official_classes() -> None:
    tensor = tf.make_tensor_proto(np.array([b"\x00PNG"], object)).SerializeToString()

    assert warmup.encode("serving_bytes", {"encoded": tensor}).hex() == OFFICIAL
    assert warmup.decode(bytes.fromhex(OFFICIAL)) == ("serving_bytes", {"encoded": tensor})


def test_requests_are_read_as_they_were_written(tmp_path: Path) -> None:
    image = np.arange(1000, dtype=np.uint8).reshape(1, 10, 100)  # sizes of more than one byte
    requests = {
        "serving_default": {"image": image},
        "other": {"text": np.array(["ä", ""], object), "seed": np.asarray(np.int64(7))},
    }

    warmup.write(tmp_path, requests)
    read = dict(warmup.read(tmp_path))

    assert (tmp_path / "assets.extra/tf_serving_warmup_requests").is_file()
    assert list(read) == list(requests)
    assert tf.io.parse_tensor(read["serving_default"]["image"], tf.uint8).numpy().tolist() == image.tolist()
    assert tf.io.parse_tensor(read["other"]["text"], tf.string).numpy().tolist() == ["ä".encode(), b""]
    assert tf.io.parse_tensor(read["other"]["seed"], tf.int64).numpy() == 7


@pytest.mark.parametrize("damaged", [OFFICIAL[:-2], f"30{OFFICIAL[2:]}"], ids=["cut off", "a number"])
def test_a_damaged_record_is_refused(damaged: str) -> None:
    with pytest.raises(ValueError, match="field 6 is no complete string or message"):
        warmup.decode(bytes.fromhex(damaged))
