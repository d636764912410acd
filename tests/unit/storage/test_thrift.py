"""Structures of Thrift are read within bounds, and nothing but what is wanted is kept."""

import pytest

from pixelmill.storage.thrift import ThriftError, struct, varint
from tests.helpers.parquets import Long, thrift


def test_wanted_fields_are_kept_and_others_passed_over():
    data = thrift(
        {
            1: -5, 2: Long(2**40), 3: b"text", 4: True, 5: False,
            6: [{1: 7, 2: b"x"}, {1: 8}], 7: {1: {3: [1, 2, 300]}}, 9: [b"a", b"b"] * 20, 20: 1,
        }
    )  # fmt: skip
    fields = {1: {}, 2: {}, 3: {}, 4: {}, 5: {}, 6: {1: {}}, 7: {1: {3: {}}}, 20: {}}
    found, size = struct(data + b"more", fields)
    assert size == len(data)
    assert found == {
        1: -5, 2: 2**40, 3: b"text", 4: True, 5: False,
        6: [{1: 7}, {1: 8}], 7: {1: {3: [1, 2, 300]}}, 20: 1,
    }  # fmt: skip


def test_types_that_parquet_does_not_use_are_passed_over():
    byte, double = b"\x13\x07", b"\x17" + bytes(8)
    set_ = b"\x1a\x21\x01\x02"  # of truth values
    mapped = b"\x1b\x02\x85\x01a\x02\x01b\x04"
    empty = b"\x1b\x00"
    long_form = b"\x05\xc8\x01\x08"  # field 100
    found, _ = struct(byte + double + set_ + mapped + empty + long_form + b"\0", {100: {}})
    assert found == {100: 4}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x15",
        b"\x18\x05abc",
        b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x19\xfc\xff\xff\xff\xff\x0f",
        b"\x15" + b"\xff" * 20,
        b"\x1e\x00",
        b"\x1c" * 100,
        b"\x19\x19" * 100,
        b"\x1c" * 10_000,
    ],
    ids=[*"abcdefghij"],
)
def test_damage_is_told(data):
    for fields in ({}, {1: {}}):
        with pytest.raises(ThriftError):
            struct(data, fields)


def test_values_are_counted(monkeypatch):
    monkeypatch.setattr("pixelmill.storage.thrift._MOST_VALUES", 1000)
    assert struct(thrift({1: [1] * 900}), {})[0] == {}
    with pytest.raises(ThriftError, match="too many values"):
        struct(thrift({1: [1] * 1100}), {})
    with pytest.raises(ThriftError, match="too many values"):
        struct(thrift({1: [1] * 900}), {}, 800)


def test_values_that_are_kept_are_counted(monkeypatch):
    monkeypatch.setattr("pixelmill.storage.thrift._MOST_KEPT", 100)
    data = thrift({1: [{1: 1, 2: 2}] * 40})
    assert len(struct(data, {1: {}})[0][1]) == 40
    assert struct(data, {})[0] == {}
    with pytest.raises(ThriftError, match="too many values"):
        struct(data, {1: {1: {}, 2: {}}})


def test_numbers_have_at_most_64_bits():
    assert varint(b"\xac\x02rest", 0) == (300, 2)
    with pytest.raises(ThriftError, match="too large"):
        varint(b"\x80" * 11, 0)
    with pytest.raises(IndexError):
        varint(b"\x80", 0)
