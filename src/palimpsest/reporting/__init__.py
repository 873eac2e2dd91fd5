"""From results and published numbers to tables, figures and the report; loads without torch."""
