"""The page: tables, figures, gallery and provenance."""
