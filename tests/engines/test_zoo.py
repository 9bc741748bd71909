"""The table of networks: nothing that differs from it is used."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from engines import EngineError, ModelError, NotInstalledError, Options, open_engine
from engines.differences import made_up_batch
from engines.zoo import Zoo, open_zoo
from engines.zoo.table import TABLE
from tests.engines.zoos import make_zoo


def test_a_network_of_the_zoo_runs(tmp_path: Path) -> None:
    zoo = make_zoo(tmp_path, "fill", "step")
    with open_engine(zoo.model("fill"), "auto", Options("fp32", (1, 2))) as engine:
        assert engine.run(made_up_batch(engine.inputs, 2))["image"].shape == (2, 3, 64, 64)


def test_shipped_files_are_what_the_table_says() -> None:
    zoo = open_zoo()
    for entry in zoo.entries.values():
        for file in (*entry.weights.values(), *entry.graphs.values()):
            zoo.path(file)
        assert (zoo.folder / entry.card).is_file()


def test_shipped_graphs_do_not_tell_where_they_were_made() -> None:
    zoo = open_zoo()
    graphs = [file for entry in zoo.entries.values() for file in entry.graphs.values()]
    assert graphs
    assert not any(b"stack_trace" in zoo.path(file).read_bytes() for file in graphs)


def test_figures_of_held_out_pictures_are_measured_ones() -> None:
    results = Path(__file__).parents[2] / "train" / "results" / "128"
    measured = {round(json.loads(path.read_text())["hole PSNR"], 2) for path in results.glob("ranking-*.json")}
    assert measured
    ranked = open_zoo().inpainters()
    assert {entry.held_out for entry in ranked} <= measured
    assert [entry.held_out for entry in ranked] == sorted((one.held_out for one in ranked), reverse=True)


def test_environment_names_another_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_zoo(tmp_path, "fill")
    monkeypatch.setenv("CONCEALER_ZOO", str(tmp_path))
    assert list(open_zoo().entries) == ["fill"]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    zoo = make_zoo(tmp_path, "fill")
    path = tmp_path / zoo.entry("fill").graphs["fp32"].file
    data = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(data[:-1])
        case "flipped":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelError, match="damaged"):
        zoo.model("fill")


def test_files_that_are_not_installed_are_named_and_no_damage(tmp_path: Path) -> None:
    zoo = make_zoo(tmp_path, "fill")
    file = zoo.entry("fill").graphs["fp32"]
    assert zoo.has([file])
    (tmp_path / file.file).unlink()
    assert not zoo.has([file])
    with pytest.raises(NotInstalledError, match=f"{file.file} is not installed") as caught:
        zoo.model("fill")
    assert not isinstance(caught.value, ModelError) and "\n" not in str(caught.value)


def test_without_weights_torch_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As in a wheel, which has graphs alone."""
    gone = {"network": {"file": "gone-12345678.safetensors", "bytes": 1, "sha256": "12345678" + 56 * "0"}}
    zoo = make_zoo(tmp_path, "fill", weights=gone)
    with open_engine(zoo.model("fill"), "torch", Options("fp32", (1,))) as engine:
        assert engine.backend != "torch"
    assert "is used instead" in caplog.text
    if importlib.util.find_spec("torch"):
        assert "gone-12345678.safetensors is not installed" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a zoo table"),
        ("[]", "not a zoo table"),
        ('{"schema": "concealer-zoo/9", "networks": []}', "concealer-zoo/9"),
        ('{"schema": "concealer-zoo/1", "networks": [{"name": "x"}]}', "not a zoo table"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / TABLE).write_text(text)
    with pytest.raises(ModelError, match=message):
        Zoo(tmp_path)


def test_file_names_stay_in_the_folder_and_hold_the_hash(tmp_path: Path) -> None:
    make_zoo(tmp_path, "fill")
    table = json.loads((tmp_path / TABLE).read_text())
    good = table["networks"][0]["graphs"]["fp32"]
    for bad in ("../" + good["file"], "fill.onnx"):
        table["networks"][0]["graphs"]["fp32"] = good | {"file": bad}
        (tmp_path / TABLE).write_text(json.dumps(table))
        with pytest.raises(ModelError, match="plain name"):
            Zoo(tmp_path)


def test_unknown_names_and_folders_are_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there are: fill"):
        make_zoo(tmp_path, "fill").entry("other")
    with pytest.raises(ModelError, match="no zoo"):
        Zoo(tmp_path / "nowhere")


def test_half_precision_without_a_graph_needs_torch(tmp_path: Path) -> None:
    if importlib.util.find_spec("torch"):
        pytest.skip("torch is here")
    with pytest.raises(EngineError, match="pip install 'concealer"):
        make_zoo(tmp_path, "fill").model("fill", "fp16", tmp_path)
