"""The statements of an erasure name every column that leads to a person, and no person."""

from __future__ import annotations

from services.analytics.domain import erasure as sql
from services.analytics.domain.tables import TABLES


def test_every_topic_with_a_visitor_is_erased() -> None:
    with_visitor = {
        table.topic
        for table in TABLES.values()
        if any(column.name == "visitor_key" for column in table.columns)
    }
    assert with_visitor == {*sql.BY_VISITOR, sql.ERASURES}


def test_every_column_of_a_person_is_blanked_where_the_row_stays() -> None:
    blanked = sql.blank_sql([b"k" * 16])
    found = 0
    for table in TABLES.values():
        if table.topic in {*sql.DELETED, sql.ERASURES}:
            continue
        for name in (column.name for column in table.columns):
            if name.endswith(("visitor_key", "click_id", "customer_key")):
                own = [line for line in blanked if f"ALTER TABLE {table.name} UPDATE" in line]
                assert any(f" {name} = " in line for line in own), f"{table.name}.{name}"
                found += 1
    assert found == 7  # of conversions, decisions and assessments


def test_T5_a_mutation_names_no_visitor() -> None:
    who = b"\xabvisitor-visitor"
    said = [line for topic in sql.DELETED for line in sql.delete_sql(topic, [who])]
    mutations = [line for line in said if line.startswith("ALTER")]
    assert len(mutations) == len(sql.DELETED) + 1
    assert not any(who.hex() in line for line in mutations)
