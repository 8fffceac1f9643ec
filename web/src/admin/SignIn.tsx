import { type FormEvent, useEffect, useRef, useState } from 'react';
import { isAway } from '../api/client';
import { signIn, useRefusal } from '../api/session';
import { ViewerDocument } from '../gql/graphql';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { openClient } from './client';
import { cleaned, looksLikeOne } from './jwt';
import panels from '../ui/Panel.module.css';
import admin from './components.module.css';
import forms from '../ui/forms.module.css';
import styles from './SignIn.module.css';

/** Asks for a token, and keeps it once the server says that it is good for something here. */
export function SignIn() {
  const refused = useRefusal();
  const [pasted, setPasted] = useState('');
  const [told, setFault] = useState<string>();
  const [tried, setTried] = useState(false);
  // Why the token before was refused, until another one was tried.
  const fault = tried ? told : refused;
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLTextAreaElement>(null);
  const gone = useRef(false);
  useEffect(() => {
    gone.current = false;
    return () => {
      gone.current = true;
    };
  }, []);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setTried(true);
    setFault(undefined);
    const token = cleaned(pasted);
    const problem = await refusal(token);
    if (gone.current) return;
    setBusy(false);
    if (problem === undefined) {
      signIn(token);
    } else {
      setFault(problem);
      input.current?.focus();
    }
  };
  return (
    <div className={`page ${styles.page}`}>
      <form className={`${panels.panel} ${styles.panel}`} onSubmit={submit} noValidate>
        <h1>Sign in</h1>
        <p className="muted">Administration is for operators and admins. A bearer token says who you are.</p>
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
            aria-invalid={fault !== undefined}
            aria-describedby={fault === undefined ? undefined : 'signin-fault'}
            value={pasted}
            onChange={(event) => setPasted(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && !event.shiftKey) event.currentTarget.form?.requestSubmit();
              if (event.key === 'Enter') event.preventDefault();
            }}
          />
        </label>
        <div role="alert" id="signin-fault">
          {fault !== undefined && (
            <p className={admin.error}>
              <Icon name="warning" /> <span>{fault}</span>
            </p>
          )}
        </div>
        <Button type="submit" kind="solid" aria-disabled={busy}>
          {busy ? 'Asking the server …' : 'Sign in'}
        </Button>
        <div className={styles.help}>
          <h2>How to get a token</h2>
          <p className="muted">Where the server runs:</p>
          <code className={styles.command}>dealmark token --role admin --subject you</code>
          <p className="muted">
            <code>--role operator</code> is enough to look, and to import. Where tokens come from an identity provider,
            its bearer token does the same. It is kept for this tab alone, and forgotten when the tab is closed.
          </p>
        </div>
      </form>
    </div>
  );
}

/** Why a token is of no use here, for people; undefined when it is good. */
async function refusal(token: string): Promise<string | undefined> {
  if (token === '') return 'Paste a token first.';
  if (!looksLikeOne(token))
    return 'That is no token: a token has three parts with dots between them, like eyJ….eyJ….Qx….';
  const { client, close } = openClient(token);
  const { data, error } = await client.query(ViewerDocument, {}, { requestPolicy: 'network-only' }).toPromise();
  close();
  if (error) {
    if (isAway(error)) return 'The server does not answer. Your token is still here: try again in a moment.';
    return error.graphQLErrors[0]?.message ?? error.message;
  }
  if (data?.viewer.role === 'VIEWER')
    return 'This token is valid, but its role is viewer: administration needs operator or admin.';
  return undefined;
}
