import { tryNow, useConnection } from '../api/connection';
import { clock } from '../lib/format';
import { Button } from '../ui/Button';
import styles from './ConnectionBar.module.css';

/** Says so when the server is away, and that it is looked for. Empty while all is well. */
export function ConnectionBar() {
  const connection = useConnection();
  return (
    <div className={styles.bar} role="status">
      {connection.state === 'away' && (
        <>
          <strong>The server does not answer.</strong>
          <span>What you see was loaded before {clock(connection.since)}; it comes back by itself.</span>
          <Button size="small" onClick={tryNow}>
            Try now
          </Button>
        </>
      )}
      {connection.state === 'stale' && (
        <>
          <strong>Older figures.</strong>
          <span>
            The server&rsquo;s database is away since {clock(connection.since)}; new figures come by themselves.
          </span>
        </>
      )}
    </div>
  );
}
