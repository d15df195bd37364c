"""Networks for tests."""

from convcli.config.load import load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.networks.analysis import analyse

BUILT_IN = load_registry([ConfigLocation(built_in_file(), "built in")])


def network(folder, layers, channels=1, size=None, **entry):
    """Build a network from layers, one TOML table each, with a config file in ``folder``."""
    text = ", ".join(f"{key} = {value}" for key, value in (({"size": list(size)} if size else {}) | entry).items())
    entries = ", ".join(part for part in (f"channels = {channels}", text) if part)
    path = folder / "kernels.toml"
    path.write_text(f"[networks.n]\ninput = {{ {entries} }}\nlayers = [\n" + ",\n".join(layers) + "\n]\n")
    return load_registry([ConfigLocation(path, "test"), ConfigLocation(built_in_file(), "built in")]).network("n")


def rows_of(net, shape):
    """Trace a network for an input (C, H, W) and return its rows by layer name."""
    return {row.layer.name: row for row in analyse(net, shape)}


def built_in(name):
    """Trace a built-in network for its own input size."""
    net = BUILT_IN.network(name)
    return rows_of(net, net.shape_for(net.input.size))
