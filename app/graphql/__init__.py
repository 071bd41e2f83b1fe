"""Door 1: GraphQL over HTTP. It translates; rules live in `app.services`."""
