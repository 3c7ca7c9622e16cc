"""The content of ``docs/index.html``. The ``test_page_*`` modules of ``tests/endtoend`` open it in a browser."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builder.model.artifact import Locked
from builder.model.escape import escape
from builder.model.matrix import Matrix
from builder.model.regions import partition_of
from publisher.catalog.index import Index, Row, make_index
from publisher.catalog.page.page import index_html
from publisher.catalog.page.page_data import page_data
from publisher.catalog.release_status import NOTHING_YET
from publisher.catalog.snippets import FORMATS
from publisher.catalog.snippets.render import snippet
from publisher.ledger.release import Release, Yanked
from tests.publisher.catalog.catalog_cases import catalog_matrix, history, recorded
from tests.publisher.catalog.page_cases import made, official_history, official_matrix, recorded_sboms
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = official_matrix()
HISTORY = official_history(MATRIX)
INDEX = make_index(MATRIX, HISTORY, recorded_sboms(HISTORY[1:]))
SMALL = make_index(catalog_matrix(), history(catalog_matrix()))


class _Page(HTMLParser):
    """The elements, their links, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.raw: dict[str, str] = {}  #: by tag, or by id
        self.policy = ""
        self._inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        self.addresses += [value or "" for key, value in attrs if key in ("href", "src", "action", "srcset")]
        if tag == "meta" and named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""
        if tag in ("script", "style"):
            self._inside = named.get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data

    @property
    def data(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.raw["data"])
        return decoded


def _cells(data: dict[str, Any], index: Index) -> dict[tuple[int, str, str, str], tuple[str, str, int, int | None]]:
    """Return every layer in the page's data: ARN, sha256, size, unzipped size."""
    found = {}
    for release in data["releases"]:
        for facts in release["targets"]:
            target = data["targets"][facts["target"]]
            for place in facts.get("regions", range(len(data["regions"]))):
                region = data["regions"][place]
                other = facts.get("other", {}).get(region["name"], {})
                arn = f"arn:{region['partition']}:lambda:{region['name']}:{data['account']}:layer:{target['name']}"
                shown = other if "sha256" in other else facts
                found[release["number"], region["name"], target["python"], target["architecture"]] = (
                    f"{other.get('layer', arn)}:{release['number']}",
                    shown["sha256"],
                    shown["size"],
                    shown.get("unzipped"),
                )
    return found


def _expected(index: Index) -> dict[tuple[int, str, str, str], tuple[str, str, int, int | None]]:
    return {
        (row.layer_version, row.region, row.python, row.architecture.value): (
            row.arn,
            row.sha256,
            row.size,
            row.unzipped_size,
        )
        for release in index.releases
        for row in index.rows(release)
    }


@pytest.mark.parametrize("index", [INDEX, SMALL], ids=["official", "small"])
def test_the_page_has_every_layer_and_no_other(index: Index) -> None:
    assert _cells(page_data(index), index) == _expected(index)


def test_bytes_that_differ_by_region_are_listed_for_each_region() -> None:
    release = page_data(INDEX)["releases"][-1]
    others = [facts["other"] for facts in release["targets"] if "other" in facts]
    assert [len(each) for each in others] == [5]
    assert len({cell["sha256"] for cell in others[0].values()}) == 5


def test_an_arn_that_does_not_match_the_pattern_is_written_in_full() -> None:
    record = recorded(catalog_matrix(), 1, "1.0")
    odd = record.cells[0].model_copy(update={"arn": "arn:aws:lambda:us-east-1:123456789012:layer:old-name:1"})
    index = make_index(catalog_matrix(), [record.with_cells(odd)])
    assert _cells(page_data(index), index) == _expected(index)


def test_pending_cells_are_distinguished_from_targets_that_never_existed() -> None:
    data = page_data(INDEX)
    newest, first = data["releases"][0], data["releases"][-1]
    names = [region["name"] for region in data["regions"]]
    pending = {(facts["target"], names[place]) for facts in newest["targets"] for place in facts.get("pending", ())}
    assert len(pending) == 13
    assert (5, "eu-central-1") in pending
    assert [facts["target"] for facts in first["targets"]] == [0, 1, 2, 3]
    assert not any("pending" in facts for facts in first["targets"])


def _filled(template: str, row: Row) -> str:
    values = {
        "region": row.region,
        "layer": row.arn.rpartition(":")[0],
        "number": str(row.layer_version),
        "version": row.version,
    }
    return re.sub(r"@@(\w+)@@", lambda found: values[found[1]], template)


def test_a_filled_template_equals_the_snippet_of_describe() -> None:
    targets = {(each["python"], each["architecture"]): each["snippets"] for each in page_data(INDEX)["targets"]}
    rows = [row for release in INDEX.releases for row in INDEX.rows(release)]
    for row in rows:
        templates = targets[row.python, row.architecture.value]
        assert set(templates) == set(FORMATS) - {"arn"}
        for form, template in templates.items():
            assert _filled(template, row) == snippet(form, [row])


def test_the_packages_of_each_target_are_in_the_page() -> None:
    data = page_data(INDEX)
    for release, shown in zip(INDEX.releases, data["releases"], strict=True):
        for facts in shown["targets"]:
            target = data["targets"][facts["target"]]
            held = {
                name: version for name, version, *only in shown["packages"] if not only or facts["target"] in only[0]
            }
            recorded_packages = next(
                each.packages
                for each in release.targets
                if (each.python, each.architecture.value) == (target["python"], target["architecture"])
            )
            assert held == (recorded_packages or {})


def test_the_page_makes_no_requests() -> None:
    text = index_html(INDEX)
    page = _Page(text)
    outside = [
        each for each in page.addresses if not re.match(r"(layers\.(md|json)|feed\.xml|#layer=\d+)$|data:image", each)
    ]
    assert outside == []
    assert not {"img", "iframe", "object", "embed", "base"} & set(page.tags)
    assert set(re.findall(r"https?://[\w./]*", text)) == {"http://www.w3.org/2000/svg"}  # an XML namespace, not a link
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import|innerHTML|eval)\b", page.raw["script"])
    assert not re.search(r"@import|url\(", page.raw["style"])


def test_the_content_security_policy_allows_only_its_own_style_and_script() -> None:
    page = _Page(index_html(INDEX))
    digest = {tag: b64encode(sha256(page.raw[tag].encode()).digest()).decode() for tag in ("style", "script")}
    assert page.policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{digest['style']}'",
        f"script-src 'sha256-{digest['script']}'",
    ]


@given(st.text(min_size=1))
@example("\x1b[31mred\x07 \u202egnihtyreve")
def test_any_reason_or_package_gives_a_valid_page(reason: str) -> None:
    record = recorded(small_matrix(), 1, "1.0").model_copy(
        update={"yanked": Yanked(date=HISTORY[0].begun, reason=reason), "rebuild": f"</script><!--<script>{reason}"}
    )
    lock = (Locked(name=f"name {reason}", version=reason, filename="a.whl", sha256="0" * 64),)
    targets = tuple(target.model_copy(update={"lock": lock, "interpreter": reason}) for target in record.targets)
    index = make_index(small_matrix(), [record.model_copy(update={"targets": targets})])
    text = index_html(index)
    page = _Page(text)
    assert page.data == json.loads(json.dumps(page_data(index)))
    shown = next(word for word in page.data["releases"][0]["marks"] if word[0] == "yanked")[2]
    assert shown == escape(" ".join(reason.split()))
    assert all(line.isprintable() for line in text.split("\n"))
    assert page.tags.count("script") == 2


def test_without_a_release_the_page_says_so() -> None:
    text = index_html(make_index(MATRIX, ()))
    assert NOTHING_YET in text
    assert _Page(text).data["releases"] == []


def test_a_release_without_layers_is_not_offered() -> None:
    begun = recorded(small_matrix(), 1, "1.0", without=frozenset(cell.id for cell in small_matrix().cells))
    nothing = begun.model_copy(update={"targets": ()})
    text = index_html(make_index(small_matrix(), [nothing]))
    assert NOTHING_YET in text
    assert _Page(text).data["releases"] == []
    assert "incomplete</strong>: 0 of 6 layers" in text


def test_without_javascript_the_page_lists_releases_and_links_the_table() -> None:
    text = index_html(INDEX)
    assert 'The chooser needs JavaScript.</span>\n    Every ARN is also in the <a href="layers.md">table</a>' in text
    assert '<th scope="row"><a href="#layer=4">4</a></th><td>1.61.0</td><td>2026-11-20</td>' in text
    assert '<strong class="mark rebuilt">rebuilt</strong>: CVE-2026-31337 in cryptography' in text
    assert '<strong class="mark yanked">yanked</strong> on 2026-10-16: a &lt;/script&gt;&lt;img' in text


def test_the_order_of_the_ledger_does_not_change_the_page() -> None:
    assert index_html(make_index(MATRIX, HISTORY[::-1], recorded_sboms(HISTORY[1:]))) == index_html(INDEX)


def _year() -> tuple[Matrix, list[Release]]:
    matrix = Matrix.model_validate(
        {
            "account": "856699698935",
            "package": "strands-agents",
            "python": ["3.10", "3.11", "3.12", "3.13"],
            "architectures": ["x86_64", "aarch64"],
            "regions": [
                *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-west-3"),
                *("eu-central-1", "eu-north-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1"),
                *("ap-northeast-2", "ap-northeast-3", "ap-south-1", "sa-east-1", "ca-central-1"),
            ],
        }
    )
    return matrix, [made(matrix, number, f"1.{number}.0", {}, grown=number / 10) for number in range(1, 41)]


def test_a_page_of_forty_releases_of_136_layers_is_small() -> None:
    matrix, releases = _year()
    index = make_index(matrix, releases, recorded_sboms(releases))
    assert sum(len(release.layers) for release in index.releases) == 40 * 136
    assert len(index_html(index).encode()) < 300_000
    assert {region["partition"] for region in page_data(index)["regions"]} == {partition_of("us-east-1")}


def test_a_region_that_aws_cannot_serve_is_named_with_its_reason() -> None:
    cells = {"us-east-1/py3.12-x86_64": "not offered there", "eu-west-1/py3.12-aarch64": None}
    targets = page_data(SMALL.model_copy(update={"unsupported": cells}))["targets"]
    holes = {(each["python"], each["architecture"]): each["unsupported"] for each in targets if each["unsupported"]}
    assert holes == {
        ("3.12", "x86_64"): {"us-east-1": "not offered there"},
        ("3.12", "aarch64"): {"eu-west-1": ""},
    }
