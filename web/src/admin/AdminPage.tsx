// Frame of the admin pages: viewer, navigation, and the GraphQL client that sends the token.
import { Link, Outlet } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { Provider, useQuery } from 'urql';
import { rejectToken, signOut, useToken } from '../api/session';
import { formatTime } from '../lib/format';
import { ViewerDocument } from '../gql/graphql';
import { Button } from '../ui/Button';
import { LoadError, EmptyState } from '../ui/State';
import { createAdminClient, type AdminClient } from './client';
import { LoadingPanel } from './components';
import { type Session, SessionContext } from './session';
import { SignIn } from './SignIn';
import { tokenExpiry } from './jwt';
import admin from './components.module.css';
import styles from './AdminPage.module.css';

const sections = [
  { to: '/admin', label: 'Figures' },
  { to: '/admin/imports', label: 'Imports' },
  { to: '/admin/jobs', label: 'Jobs' },
  { to: '/admin/documents', label: 'Documents' },
  { to: '/admin/rules', label: 'Rules' },
] as const;

export function AdminPage() {
  const token = useToken();
  useEffect(() => {
    document.title = 'Administration – Dealmark';
  }, []);
  if (token === null) return <SignIn />;
  return <SignedIn key={token} token={token} />;
}

/** Create the client of a token and close it on unmount. */
function SignedIn({ token }: { token: string }) {
  const [adminClient] = useState(() => createAdminClient(token, (reason) => rejectToken(token, reason)));
  useEffect(() => adminClient.close, [adminClient]);
  return (
    <Provider value={adminClient.client}>
      <AdminLayout token={token} adminClient={adminClient} />
    </Provider>
  );
}

function AdminLayout({ token, adminClient }: { token: string; adminClient: AdminClient }) {
  const [{ data, error }, refetch] = useQuery({ query: ViewerDocument });
  const viewer = data?.viewer;
  const { refresh } = adminClient;
  const session = useMemo<Session | undefined>(
    () => viewer && { subject: viewer.subject ?? '', role: viewer.role, isAdmin: viewer.role === 'ADMIN', refresh },
    [viewer, refresh],
  );
  const hasAccess = session !== undefined && session.role !== 'VIEWER';
  // Subscribe only once the server has accepted the token. A rejected connection would add nothing to the query's
  // error.
  useEffect(() => (hasAccess ? adminClient.followChanges() : undefined), [hasAccess, adminClient]);
  const expiresAt = tokenExpiry(token);
  return (
    <div className={`page ${styles.page}`}>
      <header className={styles.head}>
        <h1>Administration</h1>
        <p className={styles.viewer}>
          {session && (
            <>
              <strong>{session.subject}</strong>
              <span className={admin.tag}>{session.role.toLowerCase()}</span>
              {expiresAt !== undefined && <span className={'muted number'}>until {timeOrDate(expiresAt)}</span>}
            </>
          )}
          <Button size="small" onClick={signOut}>
            Sign out
          </Button>
        </p>
      </header>
      <nav aria-label="Administration" className={styles.nav}>
        {sections.map(({ to, label }) => (
          <Link
            key={to}
            to={to}
            className={styles.navLink}
            activeOptions={{ exact: to === '/admin', includeSearch: false }}
          >
            {label}
          </Link>
        ))}
      </nav>
      {hasAccess && (
        <SessionContext value={session}>
          <Outlet />
        </SessionContext>
      )}
      {session?.role === 'VIEWER' && <InsufficientRole />}
      {!session && !error && <LoadingPanel label="Checking the token" />}
      {!session && error && <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />}
    </div>
  );
}

function InsufficientRole() {
  return (
    <EmptyState
      icon="warning"
      warning
      title="This token gives no access to administration"
      actions={<Button onClick={signOut}>Use another token</Button>}
    >
      Administration requires the role operator. Changing figures and rules requires the role admin.
    </EmptyState>
  );
}

/** Format a time of today as 14:05, and any other time with its day. */
function timeOrDate(ms: number): string {
  const day = new Date(ms);
  const isToday = day.toDateString() === new Date().toDateString();
  return isToday
    ? formatTime(ms)
    : `${day.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })}, ${formatTime(ms)}`;
}
