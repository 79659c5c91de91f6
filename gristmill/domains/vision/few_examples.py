"""A few prepared training images, for `gristmill check`."""

from gristmill.domains.common.few_examples import Folders, choose_examples
from gristmill.domains.common.folds import Split
from gristmill.domains.vision import dataset, shards
from gristmill.domains.vision.labelled_images import read_examples, write_split


def take_few_examples(folders: Folders, out: Folders, limit: int | None = None) -> None:
    """Write `limit` images of all classes, and their features if train reads them, to folders that train can read.

    If `limit` is None, write few enough for any network to memorise.
    """
    data = dataset.read(folders["preprocess"], folders.get("features"))
    chosen = choose_examples(data, limit, lambda at: [*map(shards.image_of, read_examples(data, at))])
    write_split(data, Split(chosen, chosen[:0]), out["preprocess"], out.get("features", out["preprocess"]))
