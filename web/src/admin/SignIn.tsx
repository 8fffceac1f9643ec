import { type FormEvent, useEffect, useRef, useState } from 'react';
import { isUnavailable } from '../api/client';
import { signIn, useTokenRejection } from '../api/session';
import { ViewerDocument } from '../gql/graphql';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { createAdminClient } from './client';
import { cleanToken, looksLikeJwt } from './jwt';
import panels from '../ui/Panel.module.css';
import admin from './components.module.css';
import forms from '../ui/forms.module.css';
import styles from './SignIn.module.css';

/** Form that asks for a token and stores it once the server accepts it. */
export function SignIn() {
  const rejection = useTokenRejection();
  const [pasted, setPasted] = useState('');
  const [submitError, setSubmitError] = useState<string>();
  const [submitted, setSubmitted] = useState(false);
  // Until the form is submitted, show why the server rejected the previous token.
  const error = submitted ? submitError : rejection;
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLTextAreaElement>(null);
  const isUnmounted = useRef(false);
  useEffect(() => {
    isUnmounted.current = false;
    return () => {
      isUnmounted.current = true;
    };
  }, []);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setSubmitted(true);
    setSubmitError(undefined);
    const token = cleanToken(pasted);
    const problem = await checkToken(token);
    if (isUnmounted.current) return;
    setBusy(false);
    if (problem === undefined) {
      signIn(token);
    } else {
      setSubmitError(problem);
      input.current?.focus();
    }
  };
  return (
    <div className={`page ${styles.page}`}>
      <form className={`${panels.panel} ${styles.panel}`} onSubmit={submit} noValidate>
        <h1>Sign in</h1>
        <p className="muted">Administration requires a bearer token with the role operator or admin.</p>
        <label className={admin.field}>
          <span className={admin.fieldLabel}>Token</span>
          <textarea
            ref={input}
            className={`${forms.input} ${styles.token}`}
            rows={4}
            autoComplete="off"
            spellCheck={false}
            autoCapitalize="none"
            placeholder="eyJhbGciOi…"
            aria-invalid={error !== undefined}
            aria-describedby={error === undefined ? undefined : 'signin-fault'}
            value={pasted}
            onChange={(event) => setPasted(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && !event.shiftKey) event.currentTarget.form?.requestSubmit();
              if (event.key === 'Enter') event.preventDefault();
            }}
          />
        </label>
        <div role="alert" id="signin-fault">
          {error !== undefined && (
            <p className={admin.error}>
              <Icon name="warning" /> <span>{error}</span>
            </p>
          )}
        </div>
        <Button type="submit" kind="solid" aria-disabled={busy}>
          {busy ? 'Signing in …' : 'Sign in'}
        </Button>
        <div className={styles.help}>
          <h2>How to get a token</h2>
          <p className="muted">On the machine that runs the server:</p>
          <code className={styles.command}>dealmark token --role admin --subject you</code>
          <p className="muted">
            <code>--role operator</code> is enough to read and to import. If an identity provider issues your tokens,
            use its bearer token. The token is stored for this tab only and deleted when the tab is closed.
          </p>
        </div>
      </form>
    </div>
  );
}

/** Return why a token gives no access here, or undefined if it does. */
async function checkToken(token: string): Promise<string | undefined> {
  if (token === '') return 'Paste a token first.';
  if (!looksLikeJwt(token))
    return 'This is not a token: a token has three parts separated by dots, like eyJ….eyJ….Qx….';
  const { client, close } = createAdminClient(token);
  const { data, error } = await client.query(ViewerDocument, {}, { requestPolicy: 'network-only' }).toPromise();
  close();
  if (error) {
    if (isUnavailable(error)) return 'The server does not respond. The token is kept: try again in a moment.';
    return error.graphQLErrors[0]?.message ?? error.message;
  }
  if (data?.viewer.role === 'VIEWER')
    return 'This token is valid, but its role is viewer: administration requires operator or admin.';
  return undefined;
}
