"""The pages for people: those that `web/` builds, and plain ones."""
