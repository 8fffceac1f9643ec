import { type ErrorComponentProps, Link } from '@tanstack/react-router';
import { Button, buttonClass } from '../ui/Button';
import { EmptyState } from '../ui/State';

export function NotFound() {
  return (
    <EmptyState
      icon="search"
      title="Page not found"
      actions={
        <Link to="/" className={buttonClass()}>
          To the catalogue
        </Link>
      }
    >
      Check the address, or search the catalogue.
    </EmptyState>
  );
}

/** Message for a page that could not be loaded or rendered, for example because a new version was deployed. */
export function PageError({ error }: ErrorComponentProps) {
  return (
    <EmptyState
      icon="warning"
      warning
      title="This page could not be shown"
      actions={<Button onClick={() => location.reload()}>Reload</Button>}
    >
      {error instanceof Error ? error.message : String(error)}
    </EmptyState>
  );
}
