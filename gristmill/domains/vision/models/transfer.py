"""Pretrained networks with a new head: layers to train, or logistic regression.

Their features suit photos that they were not trained on, so a few hundred images and a small head are enough (Yosinski
et al., "How transferable are features in deep neural networks?", 2014).
"""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator

from gristmill.domains.vision.models import Shape
from gristmill.errors import RequestError
from gristmill.settings.base import URL_SCHEMES, Digest, Settings, Size, Sizes, SourceLocation

if TYPE_CHECKING:
    import keras

    from gristmill.domains.vision.labelled_images import LabelledImages

LITE = "EfficientNetLite0"
"""The base whose weights come with gristmill's dependencies."""

BASES = {
    LITE: "own",
    **dict.fromkeys(("DenseNet121", "DenseNet169", "DenseNet201"), "torch"),
    **dict.fromkeys(("ResNet50", "ResNet101", "ResNet152", "VGG16", "VGG19"), "caffe"),
    **dict.fromkeys(("ResNet50V2", "ResNet101V2", "ResNet152V2", "MobileNet", "MobileNetV2"), "tf"),
    **dict.fromkeys(("InceptionResNetV2", "InceptionV3", "NASNetLarge", "NASNetMobile", "Xception"), "tf"),
    **{f"ConvNeXt{size}": "own" for size in ("Tiny", "Small", "Base", "Large", "XLarge")},
    **{f"EfficientNetB{size}": "own" for size in range(8)},
    **{f"EfficientNetV2{size}": "own" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")},
    **{f"MobileNetV3{size}": "own" for size in ("Small", "Large")},
}
"""Bases by name, of keras.applications but for the first, and the scaling of their pixels; own: inside the network."""

SIDES = 224, 288
"""Pixels a side: as bases are trained, and somewhat larger."""

_CUTS = {"MobileNet": "conv_pw_12_relu"}  # layer whose features suit other photos better than those of the last one


class Pretrained(Settings):
    """A pretrained network, and where its weights are."""

    words: ClassVar[tuple[str, ...]] = ("imagenet",)  # values of `weights` that are not a location

    base: str = LITE  # this one, or a class of keras.applications, such as "MobileNet"
    weights: SourceLocation = (
        "imagenet"  # "imagenet", which Keras fetches for its own classes; or a .weights.h5 or .h5 file
    )
    sha256: Digest = None  # SHA-256 of the weights file; required for a URL
    cut: str | None = None  # layer of the base whose output is used; the last one if omitted

    @field_validator("base")
    @classmethod
    def _is_known(cls, base: str) -> str:
        if base not in BASES:
            near = difflib.get_close_matches(base, BASES, n=3, cutoff=0)
            raise ValueError(f"{LITE} or the name of a network of keras.applications, such as {', '.join(near)}")
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

    def located(self, files: Sequence[Path]) -> Self:
        """Return these settings with the path of the located weights file, if there is one."""
        if len(files) > 1:
            raise RequestError(f"model.weights = {self.weights!r} names {len(files)} files. Expected one file.")
        return self.model_copy(update={"weights": str(files[0])}) if files else self


class Transfer(Pretrained):
    """A pretrained base, frozen or tuned from one layer on, and a head of dense layers; or all trained from scratch."""

    words: ClassVar[tuple[str, ...]] = ("imagenet", "none")

    kind: Literal["transfer"]
    weights: SourceLocation = "imagenet"  # "imagenet", a .weights.h5 or .h5 file, or "none": train the base
    train_from: str | None = None  # first layer of the base to fine-tune; default: none; not for weights = "none"
    pooling: Literal["average", "flatten"] = "average"  # average the base's maps, or keep all pixels
    units: Sizes = ()  # units of each hidden layer of the head, with ReLU
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # dropout before the last layer

    @field_validator("train_from")
    @classmethod
    def _is_of_a_trained_base(cls, train_from: str | None, info: ValidationInfo) -> str | None:
        if train_from is not None and info.data.get("weights") == "none":
            raise ValueError("nothing, since weights = 'none' trains all of the base")
        return train_from

    @property
    def frozen(self) -> bool:
        """Whether the base is not trained, so that its features of an image never change."""
        return self.weights != "none" and self.train_from is None

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network of two layers: "base", pixels to features (batch, features), and "head", to logits."""
        import keras

        base = self.featuriser(shape)
        image = keras.Input(shape.image, name="image")
        head = keras.Sequential([keras.Input(base.output_shape[1:], name="features")], name="head")
        for width in self.units:
            head.add(keras.layers.Dense(width, activation="relu"))
        head.add(keras.layers.Dropout(self.dropout))
        head.add(keras.layers.Dense(shape.outputs))
        return keras.Model(image, head(base(image)), name="transfer")

    def featuriser(self, shape: Shape) -> "keras.Model":
        """Return the base: pixels to features (batch, features); without weights it is trained as a whole.

        Raises:
            RequestError: the base does not accept the images, has no such layer, or the weights do not fit it.
        """
        from gristmill.domains.vision import pretrained

        network = pretrained.load(self.base, self.weights, shape)
        if self.cut is not None:
            network = pretrained.cut(network, self.cut)
        if self.weights != "none":
            pretrained.freeze(network, self.train_from)
        return pretrained.featuriser(network, shape, BASES[self.base], self.pooling)


class Frozen(Pretrained):
    """Logistic regression on the features of a frozen base.

    The maps are averaged over the image and, with `mirror`, its mirror image. Then they go through a root and are
    scaled to length 1 (Perronnin, Sánchez & Mensink, "Improving the Fisher kernel for large-scale image
    classification", ECCV 2010). Often images are better seen a little larger than those that the base was trained on
    (Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019).
    """

    kind: Literal["frozen"]
    side: Size = SIDES[-1]  # pixels of the shorter side of an image as the base sees it
    mirror: bool = True  # average the features with those of the mirror image; turn it off if left and right differ

    def fit(self, data: "LabelledImages") -> "keras.Model":
        """Return the classifier of pixels.

        Raises:
            WorkError: the weights cannot be fetched now.
            RequestError: the base has no such layer, or the weights do not fit it.
        """
        from gristmill.domains.vision.linear_classifier import fit_linear

        return fit_linear(data, data.featuriser(lambda: self.featuriser(data.layout.shape)))

    def featuriser(self, shape: Shape) -> "keras.Model":
        """Return the network from uint8 pixels to features, (batch, features); for errors see `fit`."""
        from gristmill.domains.vision import pretrained

        seen = replace(shape.scaled_to(self.side), channels=3)
        network = pretrained.load(self.base, self.weights, seen)
        if cut := self.cut or _CUTS.get(self.base):
            network = pretrained.cut(network, cut)
        pretrained.freeze(network, None)
        return pretrained.frozen_featuriser(network, shape.image, seen, BASES[self.base], self.mirror)
