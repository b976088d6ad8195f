"""The store: tables, engines, writes in sets, migrations and the reads that every face shares."""
