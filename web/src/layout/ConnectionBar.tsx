import { retryNow, useConnection } from '../api/connection';
import { formatTime } from '../lib/format';
import { Button } from '../ui/Button';
import styles from './ConnectionBar.module.css';

/** Notice that the server is unavailable or its data is stale. Empty otherwise. */
export function ConnectionBar() {
  const connection = useConnection();
  return (
    <div className={styles.bar} role="status">
      {connection.state === 'offline' && (
        <>
          <strong>The server does not respond.</strong>
          <span>This data was loaded before {formatTime(connection.since)}. It updates when the server is back.</span>
          <Button size="small" onClick={retryNow}>
            Try now
          </Button>
        </>
      )}
      {connection.state === 'stale' && (
        <>
          <strong>Older data.</strong>
          <span>
            The server&rsquo;s database has been unavailable since {formatTime(connection.since)}. New data appears
            automatically.
          </span>
        </>
      )}
    </div>
  );
}
