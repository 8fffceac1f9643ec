import { type ErrorComponentProps, Link } from '@tanstack/react-router';
import { Button, buttonClass } from '../ui/Button';
import { EmptyState } from '../ui/State';

export function NotFound() {
  return (
    <EmptyState
      icon="search"
      title="There is no such page"
      actions={
        <Link to="/" className={buttonClass()}>
          To the catalogue
        </Link>
      }
    >
      The address may be mistyped, or the CPU was never in the catalogue.
    </EmptyState>
  );
}

/** A page that could not be loaded or drawn: a new version was deployed meanwhile, or it is a mistake of ours. */
export function PageError({ error }: ErrorComponentProps) {
  return (
    <EmptyState
      icon="warning"
      warning
      title="This page could not be shown"
      actions={<Button onClick={() => location.reload()}>Load it again</Button>}
    >
      {error instanceof Error ? error.message : String(error)}
    </EmptyState>
  );
}
