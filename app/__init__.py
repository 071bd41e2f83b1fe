"""Orders over GraphQL and four legacy REST paths, on one set of services."""
