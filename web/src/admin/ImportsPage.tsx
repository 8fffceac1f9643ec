// Brings offers in: by a URL, or by a file of them; and what was brought in lately.
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type DragEvent, type FormEvent, useEffect, useRef, useState } from 'react';
import { useMutation, useQuery, useSubscription } from 'urql';
import { since, whole } from '../lib/format';
import {
  type ImportFieldsFragment,
  ImportFileDocument,
  ImportUpdatesDocument,
  type ImportPriority,
  ImportsDocument,
  ImportUrlDocument,
} from '../gql/graphql';
import { Button } from '../ui/Button';
import { Failure, State } from '../ui/State';
import { problemOf } from './uploads';
import { exactly, Fault, isOver, Loading, pageOf, Pages, placeIn, Progress, Status } from './components';
import { useSession } from './session';
import admin from './components.module.css';
import forms from '../ui/forms.module.css';
import panels from '../ui/Panel.module.css';
import styles from './ImportsPage.module.css';

export function ImportsPage() {
  return (
    <>
      <div className={admin.columns}>
        <ByUrl />
        <ByFile />
      </div>
      <Sessions />
    </>
  );
}

function Priority({ value, onChange }: { value: ImportPriority; onChange: (value: ImportPriority) => void }) {
  return (
    <label className={`${admin.field} ${admin.shortField}`}>
      <span className={admin.fieldLabel}>Priority</span>
      <select
        className={forms.input}
        value={value}
        onChange={(event) => onChange(event.target.value as ImportPriority)}
      >
        <option value="HIGH">High</option>
        <option value="NORMAL">Normal</option>
        <option value="LOW">Low</option>
      </select>
    </label>
  );
}

/** To the page of an import that was just asked for. */
function useOpen() {
  const navigate = useNavigate();
  const { refresh } = useSession();
  return (id: string) => {
    refresh();
    void navigate({ to: '/admin/imports/$id', params: { id } });
  };
}

function ByUrl() {
  const open = useOpen();
  const [url, setUrl] = useState('');
  // Somebody waits for a pasted link: it goes before what files brought.
  const [priority, setPriority] = useState<ImportPriority>('HIGH');
  const [missing, setMissing] = useState<string>();
  const [{ error, fetching }, ingest] = useMutation(ImportUrlDocument);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const given = url.trim();
    setMissing(given === '' ? 'Paste a URL first.' : undefined);
    if (given === '' || fetching) return;
    const { data } = await ingest({ url: given, priority });
    if (data) open(data.ingestUrl.session.id);
  };
  return (
    <form className={`${panels.panel} ${admin.block}`} onSubmit={submit} noValidate aria-labelledby="by-url">
      <h2 id="by-url">A page</h2>
      <p className="muted">The page is fetched, and what it offers is stored with its price and its CPU.</p>
      <div className={admin.fields}>
        <label className={admin.field}>
          <span className={admin.fieldLabel}>URL of the offer</span>
          <input
            className={forms.input}
            type="url"
            inputMode="url"
            autoComplete="off"
            placeholder="https://"
            value={url}
            onChange={(event) => setUrl(event.target.value)}
          />
        </label>
        <Priority value={priority} onChange={setPriority} />
      </div>
      <div className={admin.actions}>
        <Button type="submit" kind="solid" aria-disabled={fetching}>
          {fetching ? 'Asking …' : 'Import page'}
        </Button>
      </div>
      <Fault error={missing ?? error} title="Not imported." />
    </form>
  );
}

const encodings = [
  ['', 'UTF-8, or as its BOM says'],
  ['windows-1252', 'Windows-1252 (Excel, western)'],
  ['windows-1250', 'Windows-1250 (central European)'],
  ['utf-16', 'UTF-16'],
] as const;

function ByFile() {
  const open = useOpen();
  const [priority, setPriority] = useState<ImportPriority>('NORMAL');
  const [encoding, setEncoding] = useState('');
  const [problem, setProblem] = useState<string>();
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const [{ error, fetching }, ingest] = useMutation(ImportFileDocument);
  const send = async (file: File | undefined) => {
    if (!file || fetching) return;
    const found = problemOf(file);
    setProblem(found);
    if (found !== undefined) return;
    const { data } = await ingest({ file, priority, encoding: encoding || null });
    if (data) open(data.ingestBulk.session.id);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const { files } = event.dataTransfer;
    if (files.length > 1) setProblem('One file at a time, please.');
    else void send(files[0]);
  };
  return (
    <section className={`${panels.panel} ${admin.block}`} aria-labelledby="by-file">
      <h2 id="by-file">A file of URLs</h2>
      <div
        className={over ? `${styles.dropZone} ${styles.dragOver}` : styles.dropZone}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <p>
          Drop a file here, or{' '}
          <Button size="small" icon="up" aria-disabled={fetching} onClick={() => input.current?.click()}>
            {fetching ? 'Sending …' : 'Choose a file'}
          </Button>
        </p>
        <p className="muted">
          CSV with a column <code>url</code>, or JSON like <code>{'[{"url": "https://…"}]'}</code>; 1,000 rows and 4 MiB
          at most.
        </p>
        <input
          ref={input}
          hidden
          type="file"
          accept=".csv,.tsv,.txt,.json,text/csv,application/json"
          onChange={(event) => {
            void send(event.target.files?.[0]);
            event.target.value = ''; // the same file, mended, is news again
          }}
        />
      </div>
      <div className={admin.fields}>
        <label className={admin.field}>
          <span className={admin.fieldLabel}>Encoding of CSV</span>
          <select className={forms.input} value={encoding} onChange={(event) => setEncoding(event.target.value)}>
            {encodings.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <Priority value={priority} onChange={setPriority} />
      </div>
      <Fault error={problem ?? error} title="Not imported." />
    </section>
  );
}

const LOOK_AGAIN = 5_000; // ms: what others import is looked for this often

function Sessions() {
  const search = useSearch({ from: '/admin/imports' });
  const [{ data, error, fetching }, again] = useQuery({
    query: ImportsDocument,
    variables: pageOf(placeIn(search), 20),
  });
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') again({ requestPolicy: 'network-only' });
    }, LOOK_AGAIN);
    return () => clearInterval(timer);
  }, [again]);
  const sessions = data?.importSessions;
  return (
    <section aria-labelledby="sessions" className={admin.section}>
      <div className={admin.sectionHead}>
        <h2 id="sessions">Recent imports</h2>
      </div>
      {!sessions && fetching && <Loading what="Loading imports" />}
      {!sessions && !fetching && <Failure error={error} again={() => again({ requestPolicy: 'network-only' })} />}
      {sessions?.nodes.length === 0 && (
        <State icon="download" title="Nothing was imported yet">
          Paste the URL of an offer above, or drop a file of them.
        </State>
      )}
      {sessions && sessions.nodes.length > 0 && (
        <ul className={panels.panel}>
          {sessions.nodes.map((session) => (
            <SessionRow key={session.id} session={session} />
          ))}
        </ul>
      )}
      {sessions && <Pages info={sessions.pageInfo} total={sessions.totalCount} what="imports" />}
    </section>
  );
}

function SessionRow({ session }: { session: ImportFieldsFragment }) {
  useSubscription({ query: ImportUpdatesDocument, variables: { id: session.id }, pause: isOver(session.status) });
  return (
    <li className={styles.session}>
      <Status of={session.status} />
      <Link to="/admin/imports/$id" params={{ id: session.id }} className={styles.name}>
        {session.name}
      </Link>
      <span className={styles.counts}>
        {isOver(session.status) ? (
          <Counts of={session} />
        ) : (
          <Progress done={session.done} total={session.total} label={`Import of ${session.name}`} />
        )}
      </span>
      <span className={`muted number ${styles.requested}`} title={exactly(session.requestedAt)}>
        {session.requestedBy}, {since(session.requestedAt)}
      </span>
    </li>
  );
}

/** How many rows came to what. */
export function Counts({ of: { total, complete, partial, failed } }: { of: ImportFieldsFragment }) {
  return (
    <span className="number">
      {total === 1 ? '1 page' : `${whole(total)} pages`}
      {total > 1 && complete > 0 && <span className="muted">, {whole(complete)} complete</span>}
      {total > 1 && partial > 0 && <span className={admin.warn}>, {whole(partial)} partial</span>}
      {total > 1 && failed > 0 && <span className={admin.bad}>, {whole(failed)} failed</span>}
    </span>
  );
}
