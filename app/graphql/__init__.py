"""The GraphQL kit that every schema package uses."""
