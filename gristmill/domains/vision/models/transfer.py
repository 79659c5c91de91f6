"""A network of keras.applications, trained before on other photos, below a new head.

Its features of photos it never saw are good ones, so a few hundred images and a small head are enough (Yosinski et al.,
"How transferable are features in deep neural networks?", 2014).
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from gristmill.domains.vision.model_shape import Shape
from gristmill.errors import RequestError
from gristmill.settings.base import URL_SCHEMES, Digest, Settings, Sizes, SourceLocation

if TYPE_CHECKING:
    import keras

Scaling = Literal["tf", "torch", "caffe", "own"]  # how pixels are scaled, by Keras's names; own: inside the network

BASES: dict[str, Scaling] = {
    **dict.fromkeys(("DenseNet121", "DenseNet169", "DenseNet201"), "torch"),
    **dict.fromkeys(("ResNet50", "ResNet101", "ResNet152", "VGG16", "VGG19"), "caffe"),
    **dict.fromkeys(("ResNet50V2", "ResNet101V2", "ResNet152V2", "MobileNet", "MobileNetV2"), "tf"),
    **dict.fromkeys(("InceptionResNetV2", "InceptionV3", "NASNetLarge", "NASNetMobile", "Xception"), "tf"),
    **{f"ConvNeXt{size}": "own" for size in ("Tiny", "Small", "Base", "Large", "XLarge")},
    **{f"EfficientNetB{size}": "own" for size in range(8)},
    **{f"EfficientNetV2{size}": "own" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")},
    **{f"MobileNetV3{size}": "own" for size in ("Small", "Large")},
}
"""Every network of keras.applications, and how it takes pixels."""


class Transfer(Settings):
    """A pretrained base, frozen or tuned from one layer on, and a head of dense layers; or all of it learned."""

    words: ClassVar[tuple[str, ...]] = ("imagenet", "none")  # that `weights` may be; anything else is a place

    kind: Literal["transfer"]
    base: str  # class of keras.applications, such as "MobileNet"
    weights: SourceLocation = (
        "imagenet"  # fetched by Keras; or a file, .weights.h5 or Keras 2's .h5; or "none": all is learned
    )
    sha256: Digest = None  # of the weights file; needed for one at a URL
    cut: str | None = None  # layer of the base whose output is taken; its last one if not set
    train_from: str | None = None  # first layer of the base that is tuned, if any; not for weights = "none"
    pooling: Literal["average", "flatten"] = "average"  # of the base's maps: their means, or every place counts
    units: Sizes = ()  # of each hidden layer of the head, relu
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share left out before the last layer, in training

    @field_validator("base")
    @classmethod
    def _is_known(cls, base: str) -> str:
        if base not in BASES:
            near = difflib.get_close_matches(base, BASES, n=3, cutoff=0)
            raise ValueError(f"the name of a network of keras.applications, such as {', '.join(near)}")
        return base

    @field_validator("sha256")
    @classmethod
    def _is_of_a_file(cls, sha256: str | None, info: ValidationInfo) -> str | None:
        weights = str(info.data.get("weights"))
        if sha256 is None and weights.startswith(URL_SCHEMES):
            raise ValueError("64 hexadecimal digits, as sha256sum prints them, since weights is a URL")
        if sha256 is not None and weights in cls.words:
            raise ValueError(f"nothing, since weights = '{weights}' is no file")
        return sha256

    @field_validator("train_from")
    @classmethod
    def _is_of_a_trained_base(cls, train_from: str | None, info: ValidationInfo) -> str | None:
        if train_from is not None and info.data.get("weights") == "none":
            raise ValueError("nothing, since with weights = 'none' all of the base is learned")
        return train_from

    @property
    def frozen(self) -> bool:
        """Whether the base stays as it is, so that its features of an image are always the same."""
        return self.weights != "none" and self.train_from is None

    def located(self, files: Sequence[Path]) -> "Transfer":
        """Return these settings with the weights file where it was found; `files` is empty where none was sought."""
        if len(files) > 1:
            raise RequestError(f"model.weights = {self.weights!r} names {len(files)} files. Expected one: name it.")
        return self.model_copy(update={"weights": str(files[0])}) if files else self

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network: layer "base", pixels to features (batch, features), and layer "head", those to logits.

        Raises:
            RequestError: as `featuriser`.
        """
        import keras

        base = self.featuriser(shape)
        image = keras.Input(base.input_shape[1:], name="image")
        return keras.Model(image, self._head(base.output_shape[1:], shape.outputs)(base(image)), name="transfer")

    def featuriser(self, shape: Shape) -> "keras.Model":
        """Return the base: pixels to features (batch, features).

        One without weights is learned whole: features of a random base that stayed as it is would tell next to nothing.

        Raises:
            RequestError: the base does not take such images, has no such layer, or the weights are not its own.
        """
        from gristmill.domains.vision import pretrained

        network = pretrained.load(self.base, self.weights, shape)
        if self.cut is not None:
            network = pretrained.cut(network, self.cut)
        if self.weights != "none":
            pretrained.freeze(network, self.train_from)
        return pretrained.featuriser(network, BASES[self.base], self.pooling)

    def _head(self, features: tuple[int, ...], outputs: int) -> "keras.Model":
        import keras

        head = keras.Sequential([keras.Input(features, name="features")], name="head")
        for width in self.units:
            head.add(keras.layers.Dense(width, activation="relu"))
        head.add(keras.layers.Dropout(self.dropout))
        head.add(keras.layers.Dense(outputs))
        return head
