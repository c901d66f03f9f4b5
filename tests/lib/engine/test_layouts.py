"""Layouts of the native library: what their names tell."""

from __future__ import annotations

import pytest

from sandbox.lib.engine import dnnl

pytestmark = pytest.mark.usefixtures("native")

DIMS = (2, 16, 4, 4)


def test_a_layout_names_its_type_unless_it_is_float32():
    kinds = ("float32", "bfloat16", "float16", "int32", "int8", "uint8")
    assert [dnnl.plain(DIMS, kind).name for kind in kinds] == [
        "abcd",
        "abcd:bf16",
        "abcd:f16",
        "abcd:int32",
        "abcd:int8",
        "abcd:uint8",
    ]
    assert dnnl.channels_last(DIMS, "int8").name == "acdb:int8"
    assert dnnl.tagged(DIMS, "blocked16", "bfloat16").name == "aBcd16b:bf16"


def test_layouts_of_other_types_have_other_names_and_are_not_equal():
    plain = dnnl.plain(DIMS)
    other = dnnl.retyped(plain, "int8")
    assert (plain == other, plain.name == other.name) == (False, False)
    assert dnnl.retyped(other, "float32") == plain
