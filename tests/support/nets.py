"""Networks that tests make."""

from convcli.config.load import load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.networks.analysis import analyse

BUILT_IN = load_registry([ConfigLocation(built_in_file(), "built in")])


def network(folder, layers, channels=1, size=None, **entry):
    """A network of these layers, one TOML table each, from a config file in a folder."""
    text = ", ".join(f"{key} = {value}" for key, value in (({"size": list(size)} if size else {}) | entry).items())
    entries = ", ".join(part for part in (f"channels = {channels}", text) if part)
    path = folder / "kernels.toml"
    path.write_text(f"[networks.n]\ninput = {{ {entries} }}\nlayers = [\n" + ",\n".join(layers) + "\n]\n")
    return load_registry([ConfigLocation(path, "test"), ConfigLocation(built_in_file(), "built in")]).network("n")


def rows_of(found, shape):
    """Its rows by the names of its layers, for an input (C, H, W)."""
    return {row.layer.name: row for row in analyse(found, shape)}


def built_in(name):
    """The rows of a built-in network on the input that it says it takes."""
    found = BUILT_IN.network(name)
    return rows_of(found, found.shape_for(found.input.size))
