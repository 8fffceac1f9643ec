"""GraphQL building blocks that every schema package uses: request context, loaders, fields, connections, directives."""
