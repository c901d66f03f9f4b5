"""Scaler or encoder and model in one folder, read back in another place; texts of all lengths."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sandbox.lib import nn, optim
from sandbox.lib.core import Value, ops
from sandbox.lib.core.errors import ArgumentError, CheckpointError, DataError, ShapeError
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.data import ArrayDataset, Scaler, TextEncoder, labels_of
from sandbox.lib.metrics import AUC, PRAUC
from sandbox.lib.train import ModelBundle, Trainer


def payments(rows=600, seed=0):
    rng = np.random.default_rng(seed)
    amount, hour = rng.lognormal(3, 1, rows), rng.uniform(0, 24, rows)
    fraud = (amount > 60) & (hour < 8)
    return {"hour": hour, "amount": amount, "fraud": fraud.astype("i8")}


@pytest.fixture(scope="module")
def fraud():
    table = payments()
    scaler = Scaler.fit(table, ["amount", "hour"], log=["amount"])
    model = nn.zoo.mlp([2, 16, 2], rng=0)
    data = ArrayDataset(
        np.column_stack([table[c] for c in scaler.columns]), table["fraud"], transform=scaler
    )
    trainer = Trainer(
        *(model, CrossEntropy(), optim.Adam(0.02)),
        **{"batch_size": 64, "threads": 1, "progress": None, "metrics": (AUC(), PRAUC())},
    )
    trainer.fit(data, epochs=15)
    return ModelBundle(scaler, model, labels=["good", "fraud"], threshold=0.4), trainer, data


def test_pipeline_judges_a_table_as_the_trainer_does(fraud):
    pipeline, trainer, data = fraud
    table = payments()
    found = pipeline.probabilities(table)
    assert found.shape == (600, 2)
    np.testing.assert_allclose(found.sum(1), 1)
    assert trainer.evaluate(data)["auc"] > 0.97
    assert AUC()(found[:, 1], labels_of(table, "fraud")) == pytest.approx(
        trainer.evaluate(data)["auc"], abs=1e-4
    )
    names = pipeline.predict(table)
    np.testing.assert_array_equal(names == "fraud", found[:, 1] >= 0.4)


def test_folder_brings_everything_back_without_pickle(fraud, tmp_path):
    pipeline, _, _ = fraud
    pipeline.save(tmp_path / "fraud")
    moved = (tmp_path / "fraud").rename(tmp_path / "moved")
    again = ModelBundle.load(moved)
    table = payments(50, seed=1)
    np.testing.assert_array_equal(pipeline.predict(table), again.predict(table))
    np.testing.assert_array_equal(pipeline.outputs(table), again.outputs(table))
    assert repr(pipeline) == repr(again)
    assert sorted(file.name for file in moved.iterdir()) == [
        *("model.safetensors", "pipeline.json", "scaler.json")
    ]


def bag(ids: int) -> nn.Module:
    from sandbox.lib.core import Parameter

    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = Parameter(np.random.default_rng(0).normal(size=(ids, 3)).astype("f4"))

        def __call__(self, x):
            mask = (x > 0)[..., None]
            return (self.weight.data[x] * mask).sum(1)

    return Bag()


def test_texts_of_all_lengths_come_back_in_their_order():
    rng = np.random.default_rng(0)
    words = [f"word{chr(97 + k)}" for k in range(20)]
    texts = [" ".join(rng.choice(words, n)) for n in rng.integers(1, 60, 90)]
    encoder = TextEncoder.build(texts)
    pipeline = ModelBundle(encoder, bag(len(encoder.vocabulary)))
    whole = pipeline.outputs(texts, batch_size=7)
    for k in (0, 13, 89):
        np.testing.assert_allclose(whole[k], pipeline.outputs([texts[k]])[0], rtol=1e-5)


def test_one_column_is_a_probability_of_yes():
    pipeline = ModelBundle(None, nn.Sequential(fc=nn.Linear(2, 1, rng=0)))
    x = np.ones((3, 2), "f4")
    expected = 1 / (1 + np.exp(-pipeline.outputs(x).astype("f8")))
    np.testing.assert_allclose(pipeline.probabilities(x)[:, 1:], expected)
    assert pipeline.predict(x).dtype == np.int64


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "pipeline.json").unlink(), "a folder that ModelBundle.save wrote"),
        (lambda p: (p / "pipeline.json").write_text("{}"), "a folder that ModelBundle.save wrote"),
        (lambda p: (p / "scaler.json").write_text("x"), "scaler.json: must be"),
        (lambda p: (p / "model.safetensors").unlink(), "must be a model file"),
        (lambda p: (p / "model.safetensors").write_bytes(b"x"), "model.safetensors"),
        (
            lambda p: (p / "pipeline.json").write_text(
                json.dumps({"format": "pipeline 1", "before": "os.system"})
            ),
            "a folder that ModelBundle.save wrote",
        ),
    ],
)
def test_damaged_folders_are_named(fraud, tmp_path, spoil, message):
    folder = fraud[0].save(tmp_path / "fraud")
    spoil(folder)
    with pytest.raises(CheckpointError, match=message):
        ModelBundle.load(folder)


def test_bad_rows_and_arguments_are_named(fraud):
    pipeline = fraud[0]
    with pytest.raises(DataError, match=r"column 'amount' .* got nan in row 1"):
        pipeline.predict({"hour": [1.0, 2.0], "amount": [3.0, np.nan]})
    with pytest.raises(DataError, match="must have the column 'amount'; got hour"):
        pipeline.predict({"hour": [1.0]})
    with pytest.raises(DataError, match="at least one row"):
        pipeline.predict({"hour": [], "amount": []})
    with pytest.raises(ArgumentError, match="`before` must be a TextEncoder"):
        ModelBundle("scaler", pipeline.model)
    with pytest.raises(ArgumentError, match="`model` must be a Module"):
        ModelBundle(None, "model")
    with pytest.raises(ArgumentError, match="`threshold` must be in"):
        ModelBundle(None, pipeline.model, threshold=2)


class TwoAnswers(nn.Module):
    """A text and a table in, two answers out."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 4, padding_index=0, rng=0)
        self.fc = nn.Linear(6, 2, rng=1)

    def call(self, text, row):
        told = ops.sum(self.words(text), axes=(1,))
        both = ops.concat([told, row], axis=1)
        return {"kind": self.fc(both), "sum": ops.sum(both, axes=(1,))}


def test_every_input_of_several_has_its_own_step_before_the_model(tmp_path):
    texts = ["good film", "bad", "a good long film"] * 2
    table = {"age": [20, 40, 30, 25, 60, 18], "amount": [1.0, 9.0, 3.0, 2.0, 2.0, 8.0]}
    before = {"text": TextEncoder.build(texts), "row": Scaler.fit(table)}
    model = TwoAnswers()
    pipeline = ModelBundle(before, model, labels=["no", "yes"], output="kind")
    data = {"text": texts, "row": table}
    found = pipeline.outputs(data, batch_size=4)
    ids, row = before["text"].padded(texts)[0], before["row"].table(table)
    for name, expected in model.call(Value(ids), Value(row)).items():
        # 1e-6: products of fewer rows may be added up in another order.
        np.testing.assert_allclose(found[name], expected.data, rtol=1e-6, atol=1e-6)
    assert pipeline.probabilities(data).shape == (6, 2)
    nn.register("tests.TwoAnswers")(TwoAnswers)
    again = ModelBundle.load(pipeline.save(tmp_path / "both"))
    assert (again.output, list(again.before)) == ("kind", ["text", "row"])
    np.testing.assert_array_equal(again.predict(data), pipeline.predict(data))


def test_inputs_of_several_that_do_not_go_together_are_named():
    pipeline = ModelBundle({"row": Scaler.fit({"age": [1, 2]})}, TwoAnswers(), output="kind")
    with pytest.raises(DataError, match=r"must be a dict with row; got text"):
        pipeline.outputs({"text": np.ones((2, 3), int)})
    with pytest.raises(DataError, match=r"same number of rows; got 2, 3"):
        pipeline.outputs({"row": {"age": [1, 2]}, "text": np.ones((3, 3), int)})
    with pytest.raises(DataError, match=r"data\.text must be numbers"):
        pipeline.outputs({"row": {"age": [1, 2]}, "text": np.array(["a", "b"])})
    with pytest.raises(ArgumentError, match=r"names of arguments as keys; got '\.\./row'"):
        ModelBundle({"../row": None}, TwoAnswers())


def test_a_tuple_of_arrays_goes_into_the_model_by_place():
    ids, row = np.array([[1, 2], [3, 0]]), np.ones((2, 2))
    found = ModelBundle(None, TwoAnswers(), output="kind").outputs((ids, row))
    assert found["kind"].shape == (2, 2)
    with pytest.raises(ShapeError, match=r"ModelBundle: output must have 'x'; got 'kind', 'sum'"):
        ModelBundle(None, TwoAnswers(), output="x").probabilities((ids, row))
