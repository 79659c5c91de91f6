"""SavedModel whose files are equal for equal models, whichever process writes them.

Keras's `ExportArchive` writes each variable twice, once in the order of addresses in memory. TensorFlow numbers
functions by what the process has done before, writes the threads and devices of the process into each call of a
function, and a random number into `fingerprint.pb`, which is optional.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Endpoint = tuple[Callable[..., Any], Sequence[Any]]  # a function of tensors, and the specs of its arguments

_GIVEN_NAME, _GRADIENT = "_user_specified_name", "_gradient_op_type"
_TABLE = b"key_value_init"
_SESSION_OPTIONS = ("device_count", "intra_op_parallelism_threads", "inter_op_parallelism_threads")


def write(folder: Path, endpoints: Mapping[str, Endpoint], resources: Iterable[Any]) -> None:
    """Write a SavedModel with a signature for each endpoint; `resources` are the networks and tables that they use."""
    import tensorflow as tf

    from gristmill.training.tf_disk_errors import translate_tf_disk_errors

    # Keep the variables of Keras and of TensorFlow, and the tables, of each network; or a table itself.
    parts: list[Any] = []
    for resource in resources:
        known = [variable.value for variable in getattr(resource, "variables", ())]
        parts += known
        for part in tf.train.TrackableView(resource).descendants():
            is_new = isinstance(part, tf.Variable) and not any(part is other for other in known)
            if is_new or isinstance(part, tf.saved_model.experimental.TrackableResource):
                parts.append(part)
    model = tf.Module()
    model.resources = parts
    signatures = {
        name: tf.function(function, input_signature=specs, autograph=False)
        for name, (function, specs) in endpoints.items()
    }
    with translate_tf_disk_errors(folder):
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # nobody trains what is exported
        tf.saved_model.save(model, str(folder), signatures=signatures, options=options)
    (folder / "fingerprint.pb").unlink()
    _number_functions(folder / "saved_model.pb")


def input_specs(network: Any) -> list[Any]:
    """Return the specs of a network's argument; the names of its inputs become those of the signature."""
    import keras
    import tensorflow as tf

    inputs = network.inputs[0] if isinstance(network, keras.Sequential) else network.input
    return [
        keras.tree.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name), inputs)
    ]


def _number_functions(path: Path) -> None:
    """Number the functions of a SavedModel from 0 on, in the order in which they were traced."""
    import tensorflow as tf
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
    from tensorflow.core.protobuf.saved_object_graph_pb2 import SavedObjectGraph

    saved = SavedModel.FromString(path.read_bytes())
    (graph,) = saved.meta_graphs
    functions, objects = graph.graph_def.library.function, graph.object_graph_def
    # Give each function its new number; names without a number stay.
    before = [function.signature.name for function in functions]
    split = sorted((int(match[2]), match[1], name) for name in before if (match := re.fullmatch(r"(.*_)(\d+)", name)))
    names = {name: name for name in before} | {name: f"{stem}{at}" for at, (_, stem, name) in enumerate(split)}
    for function in functions:
        _forget_numbers(function)
        function.signature.name = names[function.signature.name]
    functions.sort(key=lambda function: function.signature.name)
    nodes = [*graph.graph_def.node, *(node for function in functions for node in function.node_def)]
    # Number the names of tables, of which each has its own, from 0 on.
    shared = [node.attr["shared_name"] for node in nodes if node.op == "HashTableV2"]
    tables = [table for table in shared if table.s.isdigit()]
    numbers = sorted({int(table.s) for table in tables})
    for table in tables:
        table.s = b"%d" % numbers.index(int(table.s))
    # Rename the functions wherever they are called or listed.
    for node in nodes:
        node.attr.pop(_GRADIENT, None)
        if "config_proto" in node.attr:
            # A called function runs without the threads and devices of this process.
            session = node.attr["config_proto"]
            config = tf.compat.v1.ConfigProto.FromString(session.s)
            for name in _SESSION_OPTIONS:
                config.ClearField(name)
            session.s = config.SerializeToString(deterministic=True)
        for value in node.attr.values():
            for called in [value.func] if value.HasField("func") else value.list.func:
                called.name = names[called.name]
    for node in objects.nodes:
        if node.HasField("function"):
            node.function.concrete_functions[:] = [names[name] for name in node.function.concrete_functions]
        elif node.HasField("bare_concrete_function"):
            bare = node.bare_concrete_function
            bare.concrete_function_name = names[bare.concrete_function_name]
    concrete = {names[name]: function for name, function in objects.concrete_functions.items()}
    renamed = SavedObjectGraph(concrete_functions=concrete)
    objects.ClearField("concrete_functions")
    objects.MergeFrom(renamed)
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _forget_numbers(function: Any) -> None:
    """Remove the numbers of captured tensors, of arguments that a loop ignores, and of the initialiser of a table."""
    from google.protobuf import text_format

    for argument in function.signature.input_arg:
        argument.name = argument.name.replace(function.signature.name, "unused")
    for attributes in function.arg_attr.values():
        if _GIVEN_NAME in attributes.attr and attributes.attr[_GIVEN_NAME].s.isdigit():
            del attributes.attr[_GIVEN_NAME]
    if _TABLE in function.SerializeToString():  # a short function: the names of its nodes hold the number
        text = text_format.MessageToString(function)
        function.Clear()
        text_format.Parse(re.sub(rf"{_TABLE.decode()}\d+", _TABLE.decode(), text), function)
