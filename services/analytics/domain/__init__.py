"""Pure decisions of analytics: tables, KPIs, queries, comparisons."""
