"""Networks as ONNX: the same in every backend, in every precision, for any batch length; and the zoo made of them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import require

require("torch")
require("onnxscript")
require("onnxruntime")

import torch  # noqa: E402

from concealer.networks.one_pass import OnePassInpainter, SequenceInpainter  # noqa: E402
from concealer.networks.weights import NETWORKS, build, save_weights  # noqa: E402
from engines import EngineError, Model, ModelError, Options, open_engine  # noqa: E402
from engines import export as export_module  # noqa: E402
from engines.cli import main as engines_main  # noqa: E402
from engines.definitions import define, task_of  # noqa: E402
from engines.differences import LIMITS, made_up_batch, relative_difference  # noqa: E402
from engines.export import export, reference, seeded  # noqa: E402
from engines.measure import run_steps  # noqa: E402
from engines.zoo import Zoo  # noqa: E402
from engines.zoo.add import add, main  # noqa: E402
from engines.zoo.torch_form import assemble  # noqa: E402

SMALL: dict[str, dict[str, Any]] = {
    "AttributeDiscriminator": {"resolution": 16, "capacity": 128},
    "AttributeEmbedding": {"resolution": 16, "capacity": 128},
    "BoostedGenerator": {"width": 4, "middle": 16, "components": 16},
    "DcganDiscriminator": {"resolution": 16, "width": 8},
    "DcganGenerator": {"resolution": 32, "width": 8, "most": 32},
    "GroupedPrior": {"resolution": 16, "capacity": 128, "hidden": 130, "structure_channels": 3},
    "LabelPredictor": {"resolution": 16, "capacity": 128},
    "LandmarkDetector": {"resolution": 16, "capacity": 128},
    "LandmarkRefiner": {"hidden": 32},
    "NoisePrior": {"resolution": 16, "capacity": 128},
    "OcclusionDetector": {"resolution": 32, "capacity": 128},
    "RegionPredictor": {"resolution": 16, "capacity": 128},
    "SegmentationEmbedding": {"resolution": 32, "capacity": 128, "width": 8},
    "SemanticGenerator": {"resolution": 16, "width": 4},
    "SginGenerator": {"resolution": 32, "size": 8, "capacity": 128},
    "StyleDiscriminator": {"resolution": 16, "capacity": 128},
    "StyleGenerator": {"resolution": 16, "capacity": 128, "classes": 3, "structure_channels": 3},
    "VideoPrior": {"width": 6, "hidden": 5, "tile": (8, 12)},
}


def small(name: str, **more: Any) -> torch.nn.Module:
    return seeded(build(name, SMALL[name] | more))


def inpainter(recurrent: bool) -> torch.nn.Module:
    """With structure; the conv-deconv generator is the one that exports fastest."""
    generator = small("SemanticGenerator")
    if recurrent:
        return SequenceInpainter(small("GroupedPrior", z_size=100), generator).eval()  # type: ignore[arg-type]
    prior = small("NoisePrior", z_size=100, structure_channels=3)
    return OnePassInpainter(prior, generator).eval()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, tuple[torch.nn.Module, Model]]:
    """Both inpainters, recurrent or not, and the models of their graphs."""
    made = {}
    for recurrent in (False, True):
        definition = define(inpainter(recurrent))
        path = tmp_path_factory.mktemp("graphs") / "a.onnx"
        export(definition.module, path)
        made[recurrent] = definition.module, Model("a", {"fp32": path}, partial(define, definition.module))
    return made


def test_every_network_is_tried_here() -> None:
    assert set(SMALL) == set(NETWORKS)


@pytest.mark.parametrize("name", SMALL)
def test_every_network_can_be_exported(name: str, tmp_path: Path) -> None:
    made = export(small(name), tmp_path / "a.onnx")
    assert made.difference <= LIMITS["fp32"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_a_first_guess_that_is_exact_early_stays_finite(tmp_path: Path) -> None:
    made = export(small("BoostedGenerator", components=1), tmp_path / "a.onnx")
    with open_engine(Model("a", {"fp32": made.path}), "onnxruntime", Options("fp32", (1,)), strict=True) as engine:
        batch = {spec.name: np.zeros((1, *spec.shape), np.float32) for spec in engine.inputs}
        assert np.isfinite(engine.run(batch)["image"]).all()


def test_weights_that_half_precision_holds_are_stored_in_it(tmp_path: Path) -> None:
    network = small("LandmarkDetector")
    whole = export(network, tmp_path / "whole.onnx")
    network.half().float()
    halved = export(network, tmp_path / "halved.onnx")
    assert halved.path.stat().st_size < 0.65 * whole.path.stat().st_size
    assert halved.difference <= LIMITS["fp32"]


@pytest.mark.parametrize(("name", "precision"), [("DcganGenerator", "bf16"), ("GroupedPrior", "fp16")])
def test_half_precision_stays_within_its_limit(name: str, precision: str, tmp_path: Path) -> None:
    made = export(small(name), tmp_path / "a.onnx", precision)
    assert 0 < made.difference <= LIMITS[precision]


@pytest.mark.parametrize("recurrent", [False, True])
def test_all_backends_make_the_same_of_an_inpainter(
    recurrent: bool, exported: dict[bool, tuple[torch.nn.Module, Model]]
) -> None:
    network, model = exported[recurrent]
    definition = define(network)
    assert task_of(definition) == "inpaint"
    made = {}
    for backend in ("torch", "openvino", "onnxruntime"):
        with open_engine(model, backend, Options("fp32", (1, 4), device="cpu"), strict=True) as engine:
            assert [spec.name for spec in engine.inputs] == [spec.name for spec in definition.inputs]
            batch = made_up_batch(engine.inputs, 6)
            made[backend] = run_steps(engine, batch, 4)
    for backend in ("openvino", "onnxruntime"):
        assert relative_difference(made[backend], made["torch"]) < LIMITS["fp32"]
    kept = np.broadcast_to(batch["mask"], batch["damaged"].shape) == 0
    assert np.abs(made["openvino"]["image"] - batch["damaged"])[kept].max() < 1e-4


def test_steps_of_the_exported_network_are_the_sequence(
    exported: dict[bool, tuple[torch.nn.Module, Model]],
) -> None:
    network, model = exported[True]
    assert isinstance(network, SequenceInpainter)
    pictures = [made_up_batch(define(network).inputs, 2, seed=t) for t in range(3)]
    with torch.inference_mode():
        whole = [torch.from_numpy(np.stack([p[n] for p in pictures], 1)) for n in ("damaged", "mask", "structure")]
        z, _ = network.prior(*whole)
        last = network.generator(z[:, -1], whole[2][:, -1]).numpy()
    with open_engine(model, "openvino", Options("fp32", (2,))) as engine:
        state: dict[str, np.ndarray] = {}
        for picture in pictures:
            out = engine.run({n: picture[n] for n in ("damaged", "mask", "structure")} | state)
            state = {name: out[after] for name, after in engine.states.items()}
    hole = np.broadcast_to(pictures[-1]["mask"], last.shape) > 0
    assert np.abs(out["image"] - last)[hole].max() < 1e-3


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_torch_in_half_precision(precision: str) -> None:
    definition = define(inpainter(False))
    batch = made_up_batch(definition.inputs, 3)
    truth = reference(definition, batch)
    options = Options(precision, (1, 2), device="cpu")  # type: ignore[arg-type]
    with open_engine(Model("a", {}, lambda: define(inpainter(False))), "torch", options, strict=True) as engine:
        assert 0 < relative_difference(engine.run(batch), truth) < LIMITS[precision]


def test_graphs_need_a_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    model = Model("a", {}, lambda: define(small("NoisePrior")))
    with pytest.raises(EngineError, match="CUDA"):
        open_engine(model, "torch", Options(mode="graph"), strict=True)


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "relative_difference", lambda *_: 0.5)
    with pytest.raises(ModelError, match="differs from PyTorch by 0.5"):
        export(small("NoisePrior"), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_other_modules_and_precisions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Linear"):
        export(torch.nn.Linear(2, 2), tmp_path / "a.onnx")
    with pytest.raises(ValueError, match="'int8'"):
        export(small("NoisePrior"), tmp_path / "a.onnx", "int8")


def test_weights_become_an_entry_of_the_zoo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCEALER_CACHE", str(tmp_path / "cache"))
    name, folder = "LandmarkDetector", tmp_path / "zoo"
    weights, card = tmp_path / "w.safetensors", tmp_path / "card.md"
    save_weights(small(name), SMALL[name], weights, half=True)
    card.write_text("# Random weights\n")
    words = ["--card", str(card), "--does", "nothing yet", "--domain", "face", "--zoo", str(folder)]
    assert main(["marks-16", "--network", str(weights), *words]) == 0
    entry = Zoo(folder).entry("marks-16")
    assert (entry.task, entry.domain, set(entry.weights)) == ("landmarks", "face", {"network"})
    before = sorted(path.name for path in folder.iterdir())
    capsys.readouterr()
    assert engines_main(["verify", "--zoo", str(folder), "--buckets", "1,2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["comparisons"]
    compared = {(row["backend"], row["precision"]) for row in rows if row["difference"] is not None}
    assert {("openvino", "fp32"), ("onnxruntime", "fp32"), ("onnxruntime", "fp16"), ("torch", "fp16")} <= compared
    assert all(row["reference"] == "torch fp32" for row in rows)
    assert len(list((tmp_path / "cache" / "graphs").glob("*.onnx"))) == 1  # the fp16 graph, exported once
    # Other weights under the same name take the place of the old files.
    save_weights(seeded(build(name, SMALL[name]), 5), SMALL[name], weights)
    add(folder, "marks-16", {"network": weights}, card, does="marks", domain="face")
    after = sorted(path.name for path in folder.iterdir())
    assert len(after) == len(before) and after != before


@pytest.mark.parametrize("recurrent", [False, True])
def test_an_inpainter_is_made_of_its_parts(recurrent: bool) -> None:
    prior = "GroupedPrior" if recurrent else "NoisePrior"
    parts = {
        "prior": small(prior, z_size=100, structure_channels=3),
        "generator": small("SemanticGenerator"),
    }
    assert isinstance(assemble(parts), SequenceInpainter if recurrent else OnePassInpainter)
    with pytest.raises(ValueError, match="got prior"):
        assemble({"prior": parts["prior"]})


def test_sgin_is_exported_with_its_map_predictor(tmp_path: Path) -> None:
    parts = {"prior": small("RegionPredictor", resolution=32), "generator": small("SginGenerator")}
    whole = assemble(parts)
    assert task_of(define(whole)) == "inpaint" and task_of(define(parts["generator"])) == "other"
    assert export(whole, tmp_path / "a.onnx").difference <= LIMITS["fp32"]


def test_parts_that_do_not_fit_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = SMALL["NoisePrior"]
    save_weights(build("NoisePrior", arguments), arguments, tmp_path / "p.safetensors")
    (tmp_path / "card.md").write_text("x")
    common = ["n", "--card", str(tmp_path / "card.md"), "--does", "x", "--domain", "any", "--zoo", str(tmp_path / "z")]
    for parts in ([], ["--prior", str(tmp_path / "p.safetensors")], ["--network", str(tmp_path / "card.md")]):
        assert main([*common, *parts]) == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and "Traceback" not in err
