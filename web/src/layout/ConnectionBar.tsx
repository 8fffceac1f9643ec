import { retryNow, useConnection } from '../api/connection';
import { formatTime } from '../lib/format';
import { Button } from '../ui/Button';
import styles from './ConnectionBar.module.css';

/** Says so when the server is away, and that it is looked for. Empty while all is well. */
export function ConnectionBar() {
  const connection = useConnection();
  return (
    <div className={styles.bar} role="status">
      {connection.state === 'offline' && (
        <>
          <strong>The server does not answer.</strong>
          <span>What you see was loaded before {formatTime(connection.since)}; it comes back by itself.</span>
          <Button size="small" onClick={retryNow}>
            Try now
          </Button>
        </>
      )}
      {connection.state === 'stale' && (
        <>
          <strong>Older figures.</strong>
          <span>
            The server&rsquo;s database is away since {formatTime(connection.since)}; new figures come by themselves.
          </span>
        </>
      )}
    </div>
  );
}
