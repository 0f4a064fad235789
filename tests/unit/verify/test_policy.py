from __future__ import annotations

import pytest

from buildfarm.verify.policy import read_policies, shipped_policies

POLICIES = shipped_policies()


@pytest.mark.parametrize(
    ("platform", "policy"),
    [
        ("manylinux_2_17_x86_64", "manylinux_2_17_x86_64"),
        ("manylinux2014_aarch64", "manylinux_2_17_aarch64"),
        ("manylinux1_i686", "manylinux_2_5_i686"),
        ("manylinux_2_30_x86_64", "manylinux_2_28_x86_64"),
        ("manylinux_2_999_x86_64", "manylinux_2_41_x86_64"),
        ("musllinux_1_2_riscv64", "musllinux_1_2_riscv64"),
        ("manylinux_2_12_aarch64", None),
        ("manylinux_3_0_x86_64", None),
        ("manylinux_2_17_pdp11", None),
        ("linux_x86_64", None),
        ("win_amd64", None),
        ("any", None),
    ],
)
def test_every_tag_has_the_policy_of_its_floor_or_the_next_older(platform: str, policy: str | None) -> None:
    found = POLICIES.of(platform)
    assert (found.name if found else None) == policy


def test_of_several_tags_the_oldest_floor_counts_in_each_family() -> None:
    platforms = ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "musllinux_1_2_x86_64", "win_amd64")
    assert [policy.name for policy in POLICIES.strictest(platforms)] == [
        "manylinux_2_17_x86_64",
        "musllinux_1_2_x86_64",
    ]


def test_versions_end_at_the_floor() -> None:
    policy = POLICIES.strictest(["manylinux_2_17_x86_64"])[0]
    assert policy.has_version("GLIBC_2.17")
    assert not policy.has_version("GLIBC_2.18")
    assert not policy.has_version("GLIBC_PRIVATE")
    assert policy.has_version("OPENSSL_1_1_0")
    assert policy.newest("GLIBC_2.34") == "GLIBC_2.17"
    assert policy.newest("GLIBCXX_3.4.30") == "GLIBCXX_3.4.19"


@pytest.mark.parametrize(
    ("platform", "there", "absent"),
    [
        ("manylinux_2_17_x86_64", "libc.so.6", "libssl.so.3"),
        ("manylinux_2_17_x86_64", "ld-linux-x86-64.so.2", "libc.musl-x86_64.so.1"),
        ("musllinux_1_2_x86_64", "libc.musl-x86_64.so.1", "libc.so.6"),
        ("musllinux_1_2_i686", "libc.musl-x86.so.1", "libstdc++.so.6"),
        ("musllinux_1_2_x86_64", "libc.so", "libm.so.6"),
    ],
)
def test_libraries_are_those_of_the_family(platform: str, there: str, absent: str) -> None:
    (policy,) = POLICIES.strictest([platform])
    assert policy.has_library(there)
    assert not policy.has_library(absent)


def test_policies_are_read_from_plain_data() -> None:
    entry = {
        "name": "manylinux_2_99",
        "aliases": ["manylinux2099"],
        "symbol_versions": {"pdp11": {"GLIBC": ["2.98", "2.99"]}},
        "lib_whitelist": ["libc.so.6"],
    }
    policies = read_policies([{"name": "linux"}, entry])
    policy = policies.of("manylinux2099_pdp11")
    assert policy is not None
    assert (policy.name, policy.libraries) == ("manylinux_2_99_pdp11", frozenset({"libc.so.6"}))
    assert policy.newest("GLIBC_3") == "GLIBC_2.99"
